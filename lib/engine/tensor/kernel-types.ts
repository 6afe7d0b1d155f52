/** Types for tfjs kernels and gradients, whose own declarations say nothing about which inputs, attributes and saved tensors there are. */
import type { Tensor, tf } from './runtime'

export type KernelFunc = NonNullable<ReturnType<typeof tf.getKernel>>['kernelFunc']
type GradFunc = NonNullable<ReturnType<typeof tf.getGradient>>['gradFunc']

/** A kernel of named inputs and attributes. */
export const kernel =
  <Inputs, Attributes = unknown>(run: (inputs: Inputs, attributes: Attributes) => Tensor | Tensor[]): KernelFunc =>
  ({ inputs, attrs }) =>
    run(inputs as Inputs, attrs as Attributes)

/** The gradient of a kernel: from dy, a list if the kernel has several outputs, and what was saved, the gradient of each input by name. */
export const gradient =
  <Dy extends Tensor | Tensor[], Saved extends readonly Tensor[], Attributes = unknown>(
    gradientsOf: (dy: Dy, saved: Saved, attributes: Attributes) => Record<string, () => Tensor>,
  ): GradFunc =>
  (dy, saved, attributes) =>
    gradientsOf(dy as Dy, saved as readonly Tensor[] as Saved, attributes as Attributes)
