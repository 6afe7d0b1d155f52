/** Relative paths are meant from where a person calls npm, in the project's root or below it; runs without a name get folders of their own. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newRunPath, paths, projectRoot } from 'makemoe/dist/cli/setup/paths'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const folder = join(projectRoot(), 'data', `from-here-${process.pid}`)
const tiny = '--n-embed 8 --n-head 2 --n-layer 1 --num-experts 2 --block-size 8 --batch-size 2 --steps 2 --eval-iters 1 --sample 5 --eager'
const npm = (command: string, ...args: string[]) => {
  const env = { ...process.env, npm_config_update_notifier: 'false' }
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', command, '--', ...args], { encoding: 'utf8', cwd: folder, env })
  return { status, output: stdout + stderr }
}
beforeAll(() => {
  mkdirSync(folder)
  writeFileSync(join(folder, 'my.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(20))
  writeFileSync(join(folder, 'parts.ts'), "import { kaimingInit } from 'makemoe'\nexport const init = kaimingInit\n")
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('npm run from a subfolder', () => {
  test('train reads and writes there: --text, --parts, --out, --resume', () => {
    const train = npm('train', '--preset', 'corrected', ...tiny.split(' '), '--text', 'my.txt', '--parts', 'parts.ts', '--out', 'here')
    expect(train).toEqual({ status: 0, output: expect.stringContaining('saved in here') })
    expect(existsSync(join(folder, 'here', 'model.safetensors'))).toBe(true)
    const resume = npm('train', '--resume', 'here', '--steps', '3', '--parts', 'parts.ts', '--sample', '5', '--eager')
    expect(resume).toEqual({ status: 0, output: expect.stringContaining('resumes after step 2') })
  })
  test.each<[string, string[]]>([
    ['evaluate', ['--checkpoint', 'here', '--text', 'my.txt', '--parts', 'parts.ts', '--eager']],
    ['generate', ['--checkpoint', 'here', '--parts', 'parts.ts', '--tokens', '3', '--eager']],
    ['inspect', ['--checkpoint', 'here', '--text', 'my.txt', '--parts', 'parts.ts', '--out', 'inspect.html', '--eager']],
    ['import', [join('here', 'model.safetensors'), '--text', 'my.txt', '--out', 'imported']],
  ])('%s too', (command, args) => expect(npm(command, ...args)).toMatchObject({ status: 0 }))
  test('what they wrote is there', () => expect(readdirSync(folder)).toEqual(expect.arrayContaining(['here', 'imported', 'inspect.html'])))
})

test('runs that begin in one second get different folders, in one process and in several', async () => {
  const code = `console.log(require('makemoe/dist/cli/setup/paths').newRunPath('unnamed', ${process.pid}))`
  const several = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, ['-e', code], { cwd: projectRoot() })
    return new Promise<string>((resolve) => child.stdout.on('data', (chunk) => resolve(`${chunk}`.trim())))
  })
  const all = [...Array.from({ length: 3 }, () => newRunPath('unnamed', process.pid)), ...(await Promise.all(several))]
  expect(new Set(all).size).toBe(7)
  for (const path of all) {
    expect(path.startsWith(join(paths.runs(), `unnamed-${process.pid}-`))).toBe(true)
    expect(readdirSync(path)).toEqual([])
    rmSync(path, { recursive: true })
  }
})
