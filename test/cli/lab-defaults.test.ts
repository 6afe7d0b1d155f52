import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeLabDefaults } from 'makemoe/dist/cli/lab-defaults'
import { afterEach, beforeEach, expect, test } from 'vitest'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lab-'))
  mkdirSync(join(folder, 'settings'))
  mkdirSync(join(folder, 'workspaces'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test("a wide list of files at first, and a person's own layout from then on", () => {
  const [settings, workspaces] = [join(folder, 'settings'), join(folder, 'workspaces')]
  const layout = join(workspaces, 'default-37a8.jupyterlab-workspace')
  writeLabDefaults(settings, workspaces)
  expect(JSON.parse(readFileSync(layout, 'utf8'))).toMatchObject({
    data: { 'layout-restorer:data': { relativeSizes: [0.335, 0.665, 0] } },
    metadata: { id: 'default' },
  })
  writeFileSync(layout, 'own')
  writeLabDefaults(settings, workspaces)
  expect(readFileSync(layout, 'utf8')).toBe('own')
  expect(Object.keys(JSON.parse(readFileSync(join(settings, 'overrides.json'), 'utf8')) as object)).toHaveLength(2)
})
