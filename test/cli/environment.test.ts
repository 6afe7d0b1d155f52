/** Settings of other projects on a person's machine do not reach ours; those of the network do. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ownEnvironment, pipEnvironment, pipSources } from 'makemoe/dist/cli/setup/environment'
import { paths } from 'makemoe/dist/cli/setup/paths'
import { runProgram } from 'makemoe/dist/cli/setup/program'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'

const scratch = mkdtempSync(join(tmpdir(), 'makemoe-environment-'))
afterAll(() => rmSync(scratch, { recursive: true }))
afterEach(() => vi.unstubAllEnvs())

/** A machine on which everything is set that was found to break a set-up. */
const machine: Readonly<Record<string, string>> = {
  NODE_ENV: 'production',
  PYTHONPATH: join(scratch, 'old'),
  PYTHONHOME: join(scratch, 'nowhere'),
  PYTHONSTARTUP: join(scratch, 'nowhere.py'),
  PYTHONWARNINGS: 'error',
  PYTHONOPTIMIZE: '2',
  VIRTUAL_ENV: join(scratch, 'other'),
  CONDA_PREFIX: join(scratch, 'conda'),
  JUPYTER_PATH: join(scratch, 'jupyter'),
  JUPYTER_CONFIG_DIR: join(scratch, 'jupyter-config'),
  JUPYTER_DATA_DIR: join(scratch, 'jupyter'),
  JUPYTER_RUNTIME_DIR: '/proc/nowhere',
  JUPYTERLAB_DIR: join(scratch, 'lab'),
  PIP_TARGET: join(scratch, 'target'),
  PIP_USER: '1',
  PIP_PREFIX: join(scratch, 'prefix'),
  PIP_NO_BINARY: ':all:',
  PIP_DRY_RUN: '1',
  PIP_CONSTRAINT: join(scratch, 'nowhere.txt'),
  PIP_REQUIREMENT: join(scratch, 'nowhere.txt'),
  PIP_CONFIG_FILE: join(scratch, 'pip.conf'),
  PIP_TRUSTED_HOST: 'index.example',
}
const set = (): void => {
  for (const [name, value] of Object.entries(machine)) vi.stubEnv(name, value)
}

beforeAll(() => {
  mkdirSync(join(scratch, 'old'))
  for (const module of ['pip', 'json', 'venv', 'zipfile'])
    writeFileSync(join(scratch, 'old', `${module}.py`), "raise ImportError('an old module')\n")
  writeFileSync(
    join(scratch, 'pip.conf'),
    '[global]\nproxy = http://proxy.example:3128\nuser = true\n[install]\nroot = /nowhere\nno-deps = no\nretries = 7\n',
  )
  const kernel = join(scratch, 'jupyter', 'kernels', 'tslab')
  mkdirSync(kernel, { recursive: true })
  writeFileSync(join(kernel, 'kernel.json'), JSON.stringify({ argv: ['false'], display_name: 'foreign', language: 'none' }))
  mkdirSync(join(scratch, 'jupyter-config', 'lab', 'user-settings'), { recursive: true })
})

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

test('a real Python makes a virtual environment, and pip installs into it', async () => {
  set()
  const home = join(scratch, 'venv')
  const wheel = join(scratch, 'small-1-py3-none-any.whl')
  const pack = `import zipfile, sys
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    for name, text in [('small.py', ''), ('small-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n'),
                       ('small-1.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'), ('small-1.dist-info/RECORD', '')]:
        z.writestr(name, text)`
  await runProgram(paths.python(), ['-c', pack, wheel], '')
  await runProgram(paths.python(), ['-m', 'venv', home], '')
  const python = join(home, 'bin', 'python')
  await runProgram(python, ['-m', 'pip', 'install', '--no-index', wheel], '', { env: pipEnvironment(python) })
  await runProgram(python, ['-c', `import small, sys; sys.exit(not small.__file__.startswith(${JSON.stringify(home)}))`], '')
})

test.runIf(existsSync(paths.jupyter()))('a real Jupyter finds our kernel, not a foreign one of the same name', () => {
  set()
  const { stdout } = spawnSync(paths.jupyter(), ['kernelspec', 'list', '--json'], { encoding: 'utf8', env: ownEnvironment() })
  expect(JSON.parse(stdout).kernelspecs.tslab).toMatchObject({ resource_dir: paths.kernelspec() })
})
