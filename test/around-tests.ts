/**
 * Around each test: what it made is disposed after it, and then as many tensors are there as before, because the next file is tested in the
 * same process. Vitest hears from the process too, which a test that waits for a program keeps busy.
 */
import fc from 'fast-check'
import { tf, type Variable } from 'makemoe'
import { afterAll, afterEach, beforeEach, expect } from 'vitest'

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
let cleanTest = () => {}
beforeEach(() => {
  cleanTest = clean()
})
afterEach(() => cleanTest())
afterEach(() => new Promise((resolve) => setTimeout(resolve, 0)))
