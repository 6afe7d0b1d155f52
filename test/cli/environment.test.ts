/** Settings of other projects on a person's machine do not reach ours; those of the network do. Real programs: environment.slow.test.ts. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ownEnvironment, pipEnvironment, pipSources } from 'makemoe/dist/cli/setup/environment'
import { paths } from 'makemoe/dist/cli/setup/paths'
import { expect, test } from 'vitest'
import { foreignSettings } from './foreign-settings'

const { machine, scratch, set } = foreignSettings()

test('variables: what is meant for others is left out, the network and harmless choices stay', () => {
  const network = { PATH: '/bin', HTTPS_PROXY: 'p', PIP_INDEX_URL: 'i', PYTHONUNBUFFERED: '1', JUPYTER_TOKEN: 't', NODE_OPTIONS: '' }
  const own = ownEnvironment({ ...machine, ...network })
  expect(own).toMatchObject(network)
  for (const name of Object.keys(machine).filter((name) => !name.startsWith('PIP_')))
    if (name.startsWith('JUPYTER_') && own[name] !== undefined) expect(own[name]).toMatch(paths.environment())
    else expect([name, own[name]]).toEqual([name, undefined])
  expect(own.JUPYTERLAB_SETTINGS_DIR).toBe(join(scratch, 'jupyter-config', 'lab', 'user-settings')) // a theme is a choice
})

test('pip: sources from files and variables, the nearer one wins, and nothing else', () => {
  const listed = [
    ":env:.target='/x'",
    ":env:.index-url='https://near'",
    "global.index-url='https://far'",
    "global.extra-index-url='https://a\\nhttps://b'",
    'install.cert="it\'s.pem"',
    "install.user='true'",
    "global.constraint='c.txt'",
  ].join('\n')
  const sources = {
    PIP_INDEX_URL: 'https://near',
    PIP_EXTRA_INDEX_URL: 'https://a\nhttps://b',
    PIP_CERT: "it's.pem",
    PIP_CONFIG_FILE: '/dev/null',
  }
  expect(pipSources(listed)).toEqual(sources)
  expect(pipSources(listed, ['constraint'])).toEqual({ ...sources, PIP_CONSTRAINT: 'c.txt' })
})

test('a real pip sees the sources alone', () => {
  set()
  const { stdout, status } = spawnSync(paths.python(), ['-m', 'pip', 'config', 'list'], {
    encoding: 'utf8',
    env: pipEnvironment(paths.python()),
  })
  expect(status).toBe(0)
  expect(stdout).toContain("proxy='http://proxy.example:3128'")
  expect(stdout).toContain("retries='7'")
  expect(stdout).toContain("trusted-host='index.example'")
  expect(stdout).not.toMatch(/\b(target|user|prefix|no-binary|dry-run|constraint|requirement|root|no-deps)=/)
})
