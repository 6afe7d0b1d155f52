/**
 * A typed `tf.customGrad`: a forward computation with its gradient written beside it. Intermediate tensors are freed after the forward,
 * so whatever the gradient needs is named in `save`.
 */
import { type Tensor, tf } from './tf'

/** What a forward computation returns: its value, and what the gradient needs. */
export interface Forward<Saved extends readonly Tensor[]> {
  readonly value: Tensor
  readonly save: Saved
}

/**
 * Runs `forward` on `inputs` with its own gradient. Tensors that the functions close over get none.
 * @param gradient the gradient of every input, from dy and what was saved
 * @example customGradient([x], (x) => ({ value: tf.square(x), save: [x] }), (dy, [x]) => [tf.mul(dy, tf.mul(2, x))])
 */
export function customGradient<Inputs extends readonly Tensor[] | [], const Saved extends readonly Tensor[]>(
  inputs: Inputs,
  forward: (...inputs: Inputs) => Forward<Saved>,
  gradient: (dy: Tensor, saved: Saved) => { readonly [I in keyof Inputs]: Tensor },
): Tensor {
  // tfjs's own type knows neither how many inputs there are nor that the last argument is its function to save with.
  const raw = (...args: unknown[]): { value: Tensor; gradFunc: (dy: Tensor, saved: Tensor[]) => Tensor[] } => {
    const save = args.pop() as (tensors: readonly Tensor[]) => void
    const result = forward(...(args as unknown as Inputs))
    save(result.save)
    return { value: result.value, gradFunc: (dy, saved) => [...gradient(dy, saved as unknown as Saved)] }
  }
  return tf.customGrad(raw as Parameters<typeof tf.customGrad>[0])(...inputs)
}
