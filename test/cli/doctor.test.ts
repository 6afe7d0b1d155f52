/** What is wrong with a machine. A package with much that is wrong: doctor.slow.test.ts. */
import { join } from 'node:path'
import { SetupError } from 'makemoe'
import { find, page } from 'makemoe/dist/cli/doctor/findings'
import { processor } from 'makemoe/dist/cli/doctor/machine'
import { expect, test } from 'vitest'
import { doctor } from './doctor-process'

test('in a project that is set up, nothing but the machine can be wrong', () => {
  const { found, remedies } = doctor(join(__dirname, '../../lib/dist/cli/main.js'))
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
