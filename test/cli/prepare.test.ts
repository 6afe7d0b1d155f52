/** What comes before anything is compiled: npm's packages, and one set-up at a time. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const scratch = mkdtempSync(join(tmpdir(), 'makemoe-prepare-'))
afterAll(() => rmSync(scratch, { recursive: true }))
const source = (name: string): string => join(__dirname, '../../lib/cli/setup', name)

describe('npm packages', () => {
  const install = (name: string): void => {
    mkdirSync(join(scratch, 'node_modules', name), { recursive: true })
    writeFileSync(join(scratch, 'node_modules', name, 'package.json'), '{}')
  }
  test('are installed when the stamp says so and all of them are there', async () => {
    const { Packages } = await import(source('packages.mjs'))
    const entry = (more = {}) => ({ version: '1.0.0', ...more })
    const packages = {
      '': {},
      'node_modules/typescript': entry({ dev: true }),
      'node_modules/native': entry({ optional: true, os: [process.platform], cpu: [process.arch] }),
      'node_modules/elsewhere': entry({ optional: true, os: ['aix'], cpu: ['ppc64'] }),
    }
    writeFileSync(join(scratch, 'package-lock.json'), JSON.stringify({ packages }))
    const all = new Packages(scratch)
    expect(all.missing()).toEqual(['node_modules/typescript', 'node_modules/native'])
    install('typescript')
    all.note()
    expect(all.installed()).toBe(false) // a stamp alone proves nothing
    install('native')
    expect(all.installed()).toBe(true)
    all.forget()
    expect(all.installed()).toBe(false)
  })
  test('the settings that break the installation are overridden, those of the network are kept', async () => {
    const { npmArguments, npmEnvironment } = await import(source('packages.mjs'))
    expect(npmArguments).toEqual(expect.arrayContaining(['ci', '--include=dev', '--include=optional', '--global=false', '--dry-run=false']))
    const network = { npm_config_registry: 'r', https_proxy: 'p', npm_config_cache: 'c', NODE_OPTIONS: '--use-openssl-ca' }
    expect(npmEnvironment({ ...network, NODE_ENV: 'production', npm_config_workspace: 'lib' })).toEqual(network)
  })
})

describe('one set-up at a time', () => {
  /** A process that takes the turn, holds it for a while or until it is killed, and notes when it had it. */
  const taking = (milliseconds: number) => {
    const code = `import { takeTurn } from ${JSON.stringify(source('turn.mjs'))}
      const giveBack = await takeTurn(${JSON.stringify(scratch)}, (line) => console.log(line))
      console.log('begin', Date.now())
      setTimeout(() => { console.log('end', Date.now()); giveBack() }, ${milliseconds})`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code])
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk
    })
    /** The rest of the line that begins so. */
    const said = async (text: string): Promise<number> => {
      for (;;) {
        const line = output.split('\n').find((each) => each.startsWith(text))
        if (line !== undefined) return Number(line.slice(text.length))
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
    return { child, output: () => output, said, ended: new Promise<number | null>((resolve) => child.on('close', resolve)) }
  }
  test('of five processes each waits for the others, says so once, and all end well', async () => {
    const all = Array.from({ length: 5 }, () => taking(60))
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual([0, 0, 0, 0, 0])
    const turns = await Promise.all(all.map(async ({ said }) => ({ begin: await said('begin'), end: await said('end') })))
    turns.sort((a, b) => a.begin - b.begin)
    for (const [i, { begin }] of turns.entries()) if (i > 0) expect(begin).toBeGreaterThanOrEqual(turns[i - 1]?.end ?? 0)
    for (const { output } of all) expect(output().split('waiting').length).toBeLessThanOrEqual(2)
  })
  test('the turn of a process that is killed is free at once', async () => {
    const first = taking(1e6)
    await first.said('begin')
    const second = taking(1)
    await second.said('another process is setting up this folder; waiting for it')
    first.child.kill('SIGKILL')
    expect(await second.ended).toBe(0)
  })
})
