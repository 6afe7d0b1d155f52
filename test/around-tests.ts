/**
 * Around each test: what it made is disposed after it, and then as many tensors are there as before, because the next file is tested in the
 * same process. Vitest hears from the process too, which a test that waits for a program keeps busy.
 */
import fc from 'fast-check'
import { tf } from 'makemoe'
import { afterAll, afterEach, beforeEach, expect } from 'vitest'

fc.configureGlobal({ seed: Number(process.env.TEST_SEED ?? 20_261_124) }) // a test may have its own

const engine = tf.engine()
const names = (): Set<string> => new Set(Object.keys(engine.registeredVariables))

/** Tensors that are no variables: a variable of an earlier test may be collected at any time. */
const tensors = (): number => tf.memory().numTensors - names().size

/** @returns what disposes all that was made in the meantime */
function clean(): () => Promise<void> {
  const [before, variables] = [tensors(), names()]
  engine.startScope()
  return async () => {
    engine.endScope()
    for (const name of names()) if (!variables.has(name)) engine.registeredVariables[name]?.dispose()
    // The numbers of a variable that was collected just now are freed in a moment.
    for (let wait = 0; tensors() !== before && wait < 20; wait++) await new Promise((resolve) => setTimeout(resolve, wait))
    expect(tensors() - before, 'tensors that were left behind').toBe(0)
  }
}

const cleanFile = clean()
afterAll(cleanFile)
let cleanTest = async () => {}
beforeEach(() => {
  cleanTest = clean()
})
afterEach(() => cleanTest())
afterEach(() => new Promise((resolve) => setTimeout(resolve, 0)))
