/**
 * Around each test: what it made is disposed after it, and then as many tensors are there as before, because the next file is tested in the
 * same process. After each file its environment and working folder are as before too, and the programs that it started have ended. Vitest
 * hears from the process too, which a test that waits for a program keeps busy.
 */
import fc from 'fast-check'
import { tf, type Variable } from 'makemoe'
import { afterAll, afterEach, beforeEach, expect, vi } from 'vitest'

fc.configureGlobal({ seed: Number(process.env.TEST_SEED ?? 20_261_124) }) // a test may have its own

const engine = tf.engine()

/** The variables of this file, held, so that none is collected, and no longer counted, at a moment of its own. */
const made: Variable[] = []
const { makeVariable } = engine
engine.makeVariable = (...options) => {
  const variable = makeVariable.apply(engine, options)
  made.push(variable)
  return variable
}
afterAll(() => {
  engine.makeVariable = makeVariable
})

/** @returns what disposes all that was made in the meantime */
function clean(): () => void {
  const [before, first] = [tf.memory().numTensors, made.length]
  engine.startScope()
  return () => {
    engine.endScope()
    for (const variable of made.splice(first)) if (!variable.isDisposed) variable.dispose()
    expect(tf.memory().numTensors - before, 'tensors that were left behind').toBe(0)
  }
}

const cleanFile = clean()
afterAll(cleanFile)

/** What the next file would meet; vitest's own variables are its affair. */
const surroundings = () => ({
  folder: process.cwd(),
  environment: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'))),
})
const programs = () => process.getActiveResourcesInfo().filter((resource) => resource === 'ProcessWrap').length
const [surroundingsBefore, programsBefore] = [surroundings(), programs()]
afterAll(async () => {
  const left = surroundings()
  process.chdir(surroundingsBefore.folder)
  for (const name of Object.keys(left.environment)) if (!(name in surroundingsBefore.environment)) delete process.env[name]
  Object.assign(process.env, surroundingsBefore.environment) // only the file that left something fails
  expect(left, 'environment and working folder that were left behind').toEqual(surroundingsBefore)
  await vi.waitFor(() => expect(programs() - programsBefore, 'programs that were left running').toBe(0), 2000)
})
let cleanTest = () => {}
beforeEach(() => {
  cleanTest = clean()
})
afterEach(() => cleanTest())
afterEach(() => new Promise((resolve) => setTimeout(resolve, 0)))
