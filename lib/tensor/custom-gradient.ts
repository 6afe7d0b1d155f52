/**
 * A typed `tf.customGrad`: a forward computation with its gradient written beside it. Intermediate tensors are freed after the forward,
 * so whatever the gradient needs goes through `save`.
 */
import { type Tensor, tf } from './tf'

/** What a forward computation returns: its value, and the gradient of every input from dy and the saved tensors. */
export interface WithGradient {
  readonly value: Tensor
  readonly gradient: (dy: Tensor, saved: Tensor[]) => Tensor[]
}

/** Runs `forward` on `inputs` with its own gradient. Tensors that `forward` closes over get none. */
export function customGradient(
  inputs: readonly Tensor[],
  forward: (inputs: Tensor[], save: (tensors: Tensor[]) => void) => WithGradient,
): Tensor {
  const raw = (...args: unknown[]): { value: Tensor; gradFunc: WithGradient['gradient'] } => {
    const save = args.pop() as (tensors: Tensor[]) => void
    const { value, gradient } = forward(args as Tensor[], save)
    return { value, gradFunc: gradient }
  }
  return tf.customGrad(raw as never)(...(inputs as Tensor[]))
}
