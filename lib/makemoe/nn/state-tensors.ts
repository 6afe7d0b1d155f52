/** A state_dict: named tensors as plain numbers, in PyTorch's names and layouts, from which modules take theirs one by one. */
import { at } from '../../base/assertions'
import { CheckpointError } from '../../base/errors'

/** A named tensor in PyTorch's layout, as plain numbers. */
export interface StateTensor {
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/** Named tensors, in PyTorch's names and layouts. */
export type StateDict = Map<string, StateTensor>

/**
 * Takes one tensor out of a state_dict.
 * @throws CheckpointError if it is missing or has another shape
 */
export function takeState(state: StateDict, name: string, shape: readonly number[]): StateTensor {
  const found = state.get(name)
  if (!found) throw new CheckpointError(`the checkpoint has no tensor ${name}, expected one of shape [${shape.join(', ')}]`)
  if (found.shape.join() !== shape.join())
    throw new CheckpointError(`the checkpoint's ${name} has shape [${found.shape.join(', ')}], expected [${shape.join(', ')}]`)
  state.delete(name)
  return found
}

/**
 * Gives a state_dict every name of something that it has under one of them.
 * @param names of tensors, or prefixes of names
 * @throws CheckpointError if it has two values for the same
 */
export function completeNames(state: StateDict, names: readonly string[]): void {
  for (const from of names)
    for (const [name, tensor] of [...state].filter(([name]) => name.startsWith(from) && (from.endsWith('.') || name === from)))
      for (const to of names) {
        const other = `${to}${name.slice(from.length)}`
        const known = state.get(other)
        if (known && !isSame(known, tensor))
          throw new CheckpointError(`the checkpoint's ${name} and ${other} differ, expected the same: the model has one parameter for both`)
        state.set(other, tensor)
      }
}

const isSame = (a: StateTensor, b: StateTensor): boolean =>
  a === b || (a.shape.join() === b.shape.join() && a.values.every((value, i) => Object.is(value, b.values[i])))

/** The transpose of a row-major matrix. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[c * rows + r] = at(values, r * columns + c)
  return result
}
