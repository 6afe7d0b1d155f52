/**
 * tfjs under the names by which code imports it. Each copy of it has gradients, variables and tensors of its own, which fail beside those of
 * another; so the code of cells and of a person's files gets lib's for every name.
 */

/** tfjs, its core, and what contains it. */
export const tfjsModules: readonly string[] = ['', '-core', '-node', '-node-gpu'].map((end) => `@tensorflow/tfjs${end}`)

/** lib's TensorFlow as a module, so that `import * as` and `import { }` find its functions. */
export function tfjsModule(): object {
  const { tf }: typeof import('./tf') = require('./tf')
  return Object.defineProperty(tf, '__esModule', { value: true, configurable: true })
}
