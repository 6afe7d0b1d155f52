import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { SetupError } from 'makemoe'
import { paths, projectRoot } from 'makemoe/dist/cli/setup/paths'
import { tensorflowWheel } from 'makemoe/dist/cli/setup/platform'
import { findPython, remedyFor, runProgram } from 'makemoe/dist/cli/setup/program'
import { type Report, withProgress } from 'makemoe/dist/cli/setup/progress'
import { setup } from 'makemoe/dist/cli/setup/setup'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

afterEach(() => vi.unstubAllEnvs())

describe('platforms', () => {
  test.each([
    ['linux', 'x64', false, 'tensorflow-cpu'],
    ['linux', 'x64', true, 'tensorflow'],
    ['linux', 'arm64', false, 'tensorflow'],
    ['darwin', 'arm64', false, 'tensorflow'],
  ] as const)('%s %s (gpu %s) has a pinned wheel', (platform, arch, gpu, name) => {
    const wheel = tensorflowWheel(platform, arch, gpu)
    expect(wheel.package).toBe(name)
    expect(wheel.sha256).toMatch(/^[0-9a-f]{64}$/)
  })
  test.each([
    ['win32', 'x64', false, /WSL2/],
    ['darwin', 'x64', false, /Apple silicon/],
    ['darwin', 'arm64', true, /leave out --gpu/],
  ] as const)('%s %s (gpu %s) is refused with a remedy', (platform, arch, gpu, remedy) => {
    let error: unknown
    try {
      tensorflowWheel(platform, arch, gpu)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(SetupError)
    expect((error as SetupError).remedy).toMatch(remedy)
  })
})

test('findPython takes $PYTHON, and says what it got if that is not Python', () => {
  expect(findPython()).toMatch(/python/)
  vi.stubEnv('PYTHON', '/bin/false')
  expect(() => findPython()).toThrow(/expected Python 3\.10 or newer, got none/)
})

test('a finished setup says nothing and takes well under 3 seconds', async () => {
  const lines: string[] = []
  const start = Date.now()
  await setup({ jupyter: false, text: false }, (line) => lines.push(line))
  expect(Date.now() - start).toBeLessThan(3000)
  expect(lines).toEqual([])
})

test.each([
  ['OSError: [Errno 28] No space left on device', /free about 3 GB/],
  ['ERROR: THESE PACKAGES DO NOT MATCH THE HASHES', /differs from its pinned checksum/],
  ['NewConnectionError: failed', /check the network/],
  ['No module named pip', /install python3-pip/],
  ['something else', /^try again$/],
])('a program that prints "%s" and fails gives the remedy %s', async (printed, remedy) => {
  expect(remedyFor(printed, 'try again')).toMatch(remedy)
  const script = `console.error(${JSON.stringify(printed)}); process.exit(3)`
  const failure = runProgram(process.execPath, ['-e', script], 'try again')
  await expect(failure).rejects.toMatchObject({ remedy: expect.stringMatching(remedy), message: expect.stringContaining('ended with 3') })
  await expect(failure).rejects.toBeInstanceOf(SetupError)
})

describe('progress', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())
  const step = async (report: Report): Promise<string> => {
    report('fetched', { done: 68.4, total: 274, unit: 'MB' })
    await vi.advanceTimersByTimeAsync(1100)
    report('unpacking')
    await vi.advanceTimersByTimeAsync(300)
    return 'done'
  }
  test('a terminal shows a bar with what it counts, then the seconds, and is left clean', async () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 100 })
    const lines: string[] = []
    let shown = ''
    terminal.on('data', (written) => {
      shown += written
    })
    const result = await withProgress('TensorFlow', step, (line) => lines.push(line), terminal as unknown as NodeJS.WriteStream)
    await vi.advanceTimersByTimeAsync(0)
    expect(result).toBe('done')
    expect(lines).toEqual([])
    expect(shown).toContain('TensorFlow ██████░░░░░░░░░░░░░░░░░░ fetched 68 of 274 MB, 1 s')
    expect(shown).toContain('TensorFlow unpacking, 1 s')
    expect(shown.endsWith('\u001b[1G\u001b[2K')).toBe(true)
  })
  test('elsewhere a plain line comes after a second', async () => {
    const lines: string[] = []
    const output = Object.assign(new PassThrough(), { isTTY: false }) as unknown as NodeJS.WriteStream
    await withProgress('TensorFlow', step, (line) => lines.push(line), output)
    expect(lines).toEqual(['TensorFlow: fetched 68 of 274 MB ... (1 s)'])
    expect(output.read()).toBeNull()
  })
  test('a failure passes through', async () => {
    const failing = withProgress('TensorFlow', () => Promise.reject(new Error('no')), console.log)
    await expect(failing).rejects.toThrow('no')
  })
})

test('every Python package is pinned with checksums', () => {
  for (const file of ['jupyter.txt', 'cuda.txt']) {
    const requirements = readFileSync(paths.beside(file), 'utf8')
      .split(/\n(?=\S)/)
      .filter((line) => !line.startsWith('#'))
    expect(requirements.length).toBeGreaterThan(10)
    for (const requirement of requirements) expect(requirement).toMatch(/^[a-z0-9-]+==[\s\S]*--hash=sha256:/)
  }
  expect(projectRoot()).toBe(join(__dirname, '..', '..'))
})
