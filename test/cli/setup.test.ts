import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError } from 'makemoe'
import { describe, expect, test } from 'vitest'
import { paths, projectRoot } from '../../lib/dist/cli/setup/paths'
import { tensorflowWheel } from '../../lib/dist/cli/setup/platform'
import { findPython, setup } from '../../lib/dist/cli/setup/setup'

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

test('findPython takes $PYTHON, and says what it got if that is none', () => {
  expect(findPython()).toMatch(/python/)
  const { PYTHON } = process.env
  process.env.PYTHON = '/bin/false'
  expect(() => findPython()).toThrow(/expected Python 3\.10 or newer, got none/)
  if (PYTHON === undefined) delete process.env.PYTHON
  else process.env.PYTHON = PYTHON
})

test('a finished set-up says nothing and takes well under 3 seconds', async () => {
  const lines: string[] = []
  const start = Date.now()
  await setup({ jupyter: false, text: false }, (line) => lines.push(line))
  expect(Date.now() - start).toBeLessThan(3000)
  expect(lines).toEqual([])
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
