import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(__dirname, '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
type Package = { version: string; engines: { node: string }; scripts: Record<string, string>; files: string[] }
const project = JSON.parse(read('package.json')) as Package
const lib = JSON.parse(read('lib/package.json')) as Package

test('the container has what the bare machine has, and runs one of its commands', () => {
  const tested = /--include=(\S+)/.exec(read('test/bare-machine.sh'))?.[1]?.split(',') ?? []
  const installed = /--no-install-recommends (.*?) \\/.exec(read('.devcontainer/Dockerfile'))?.[1]?.split(' ') ?? []
  expect(installed.filter((name) => name !== 'git').sort()).toEqual(tested.sort())
  const { onCreateCommand } = JSON.parse(read('.devcontainer/devcontainer.json')) as { onCreateCommand: string }
  expect(read('test/bare-machine.sh')).toContain(onCreateCommand)
})

test('the container, .nvmrc and the packages agree on Node', () => {
  const major = Number(read('.nvmrc'))
  expect(read('.devcontainer/Dockerfile')).toContain(`FROM node:${major}-`)
  for (const { engines } of [project, lib]) expect(major).toBeGreaterThanOrEqual(Number(/\d+/.exec(engines.node)?.[0]))
  expect(lib.engines).toEqual(project.engines)
  expect(lib.version).toBe(project.version)
})

test('editors are offered the same extensions', () => {
  const { customizations } = JSON.parse(read('.devcontainer/devcontainer.json')) as { customizations: { vscode: { extensions: string[] } } }
  const { recommendations } = JSON.parse(read('.vscode/extensions.json')) as { recommendations: string[] }
  expect(customizations.vscode.extensions).toEqual(recommendations)
  expect(read('.vscode/settings.json')).toContain('.venv/bin/python') // whose kernelspecs the notebooks name
})

test('npm commands that contributors and the workflow are given are there', () => {
  for (const file of [
    '.github/CONTRIBUTING.md',
    '.github/workflows/ci.yml',
    '.github/ISSUE_TEMPLATE/bug.yml',
    '.github/ISSUE_TEMPLATE/idea.yml',
  ]) {
    const names = [...read(file).matchAll(/npm run ([\w-]+)/g)].map(([, name = '']) => name)
    expect(names.length, file).toBeGreaterThan(0)
    for (const name of names) expect(project.scripts[name], `${file}: npm run ${name}`).toBeDefined()
  }
})

test("a bug report asks for the doctor's page", () =>
  expect(read('.github/ISSUE_TEMPLATE/bug.yml')).toMatch(/npm run doctor.*required: true/s))
