/** What `npx makemoe doctor` says of a package in which much is wrong. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { doctor } from './doctor-process'

const root = join(__dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'doctor-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

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
