import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { libraryFiles } from 'makemoe/dist/engine/tensorflow/libraries'
import { expect, test } from 'vitest'

test('a damaged library: the file, the system’s reason, and what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'makemoe-library-'))
  const files = Object.entries(libraryFiles[`${process.platform}-${process.arch}`] ?? {}).map(([name, file]) => [name, join(folder, file)])
  for (const [, file = ''] of files) writeFileSync(file, 'not a library')
  const script = `const libraries = require('makemoe/dist/engine/tensorflow/libraries')
    libraries.findLibraries = () => JSON.parse(process.argv[1])
    try { require('makemoe').tf.zeros([1]) } catch ({ name, message, remedy }) { console.log(JSON.stringify({ name, message, remedy })) }`
  const { stdout } = spawnSync(process.execPath, ['-e', script, JSON.stringify(Object.fromEntries(files))], {
    cwd: __dirname,
    encoding: 'utf8',
  })
  const error = JSON.parse(stdout) as { name: string; message: string; remedy: string }
  expect(error.name).toBe('SetupError')
  expect(error.message).toContain(folder)
  expect(error.message).toMatch(/libtensorflow_cc\S*: .*(too short|not a mach-o)/i)
  expect(error.remedy).toMatch(/^remove the folder that it is in, then .*setup.*doctor/)
})
