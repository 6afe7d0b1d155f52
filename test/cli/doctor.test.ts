import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SetupError } from 'makemoe'
import { find, page } from 'makemoe/dist/cli/doctor/findings'
import { processor } from 'makemoe/dist/cli/doctor/machine'
import { afterAll, describe, expect, test } from 'vitest'

const root = join(__dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'doctor-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the command. @returns its exit status, and its page: what was found and what to do, by what was looked at */
function doctor(
  main: string,
  env: Readonly<Record<string, string>>,
): { status: number | null; found: Map<string, string>; remedies: Map<string, string> } {
  const { status, stdout } = spawnSync(process.execPath, [main, 'doctor', '--quick'], { encoding: 'utf8', env: { ...process.env, ...env } })
  const [found = '', remedies = ''] = stdout.split('What to do:')
  const entries = (lines: string): Map<string, string> =>
    new Map([...lines.matchAll(/^[ !] (\S+(?: \S+)*) {2,}(.*)$/gm)].map(([, what = '', value = '']) => [what, value]))
  return { status, found: entries(found), remedies: entries(remedies) }
}

test('in a project that is set up, nothing but the machine can be wrong', () => {
  const { found, remedies } = doctor(join(root, 'lib/dist/cli/main.js'), {})
  expect([...found.keys()]).toEqual([
    'system',
    'processor',
    'load',
    'memory',
    'free disk',
    'Node',
    'Python',
    'TensorFlow',
    'oneDNN',
    'device',
    'kernel',
    'text',
  ])
  expect(found.get('TensorFlow')).toMatch(/^2\.\d+\.\d+, .*libtensorflow_cc/)
  expect(found.get('text')).toBe('Tiny Shakespeare, checksum right')
  for (const what of ['Node', 'Python', 'TensorFlow', 'oneDNN', 'device', 'text']) expect(remedies.get(what)).toBeUndefined()
})

describe('an installed package with much that is wrong', () => {
  const lib = join(folder, 'node_modules/makemoe')
  const cache = join(folder, 'cache/makemoe')
  const broken = {
    XDG_CACHE_HOME: join(folder, 'cache'),
    NODE_PATH: join(root, 'node_modules'),
    MAKEMOE_THREADS: 'two',
    TF_ENABLE_ONEDNN_OPTS: '0',
  }
  mkdirSync(lib, { recursive: true })
  mkdirSync(cache, { recursive: true })
  for (const part of ['dist', 'cli/setup', 'package.json']) cpSync(join(root, 'lib', part), join(lib, part), { recursive: true })
  const main = join(lib, 'dist/cli/main.js')

  test('without a set-up, each remedy is the command that sets up', () => {
    const { status, found, remedies } = doctor(main, broken)
    expect(status).toBe(1)
    expect(found.get('Python')).toMatch(/^none in .*cache\/makemoe\/python/)
    expect(found.get('TensorFlow')).toBe("TensorFlow's libraries are not there")
    for (const what of ['Python', 'TensorFlow', 'text']) expect(remedies.get(what)).toContain('npx makemoe setup')
    expect(remedies.get('oneDNN')).toContain('unset TF_ENABLE_ONEDNN_OPTS')
  })

  test('files that are damaged, and a Python that is not there', () => {
    writeFileSync(join(cache, 'tiny-shakespeare.txt'), 'To be\n')
    const library = join(cache, `tensorflow-2.21.0-${process.platform}-${process.arch}/tensorflow`)
    mkdirSync(library, { recursive: true })
    for (const name of ['libtensorflow_framework.so.2', 'libtensorflow_cc.so.2']) writeFileSync(join(library, name), 'not a library')
    const { status, found, remedies } = doctor(main, { ...broken, PYTHON: join(folder, 'no-python') })
    expect(status).toBe(1)
    expect(found.get('text')).toMatch(/its sha256 is [0-9a-f]{12}, Tiny Shakespeare's 86c4e6aa9db7/)
    expect(remedies.get('text')).toContain('--text')
    expect(found.get('TensorFlow')).toMatch(/libtensorflow_cc\S*: .*file too short/)
    expect(remedies.get('TensorFlow')).toMatch(/remove the folder that it is in, then npx makemoe setup/)
    expect(found.get('Python')).toContain('expected Python 3.10 or newer, got none')
    expect(remedies.get('Python')).toContain('set PYTHON')
  })
})

test('an error is a finding, with its own remedy, the one of the examination, or the request to report it', async () => {
  const fails = (error: Error) => () => {
    throw error
  }
  expect(await find({ what: 'a', look: fails(new SetupError('b', 'c')), remedy: 'd' })).toEqual({ what: 'a', value: 'b', remedy: 'c' })
  expect(await find({ what: 'a', look: fails(new Error('b')), remedy: 'd' })).toEqual({ what: 'a', value: 'b', remedy: 'd' })
  expect((await find({ what: 'a', look: fails(new Error('b')) })).remedy).toMatch(/report/)
  expect(await find({ what: 'a', look: () => 'fine' })).toEqual({ what: 'a', value: 'fine' })
})

test("a page marks what is wrong, says what to do, and does not show the user's name", () => {
  const findings = [
    { what: 'disk', value: 'full at /home/ann/makemoe', remedy: 'empty it' },
    { what: 'Node', value: '24.1.0' },
  ]
  expect(page('makemoe 1', findings, '/home/ann')).toBe(
    'makemoe 1\n\n! disk  full at ~/makemoe\n  Node  24.1.0\n\nWhat to do:\n! disk  empty it',
  )
  expect(page('makemoe 1', findings.slice(1), '/')).toMatch(/Nothing is wrong\.$/)
})

test('vector units by the flags of the processor', () => {
  expect(processor('flags\t\t: fpu avx avx2 fma\n', 'x64')).toMatch(/; AVX, AVX2, FMA \(no AVX-512\)$/)
  expect(processor('flags : avx2 avx512f amx_tile', 'x64')).toMatch(/; AVX2, AVX-512, AMX$/)
  expect(processor('Features\t: fp asimd sve', 'arm64')).toMatch(/; NEON, SVE$/)
  expect(processor('', 'arm64')).toMatch(/; NEON$/)
})
