/**
 * The AdamW update of one parameter (Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2) as TensorFlow's fused
 * ResourceApplyAdam. As a function it takes and gives tensors; a compiled step applies it to the variables in place.
 */
import { backend, composite, type TensorMetadata } from './op'
import { type Tensor, tf } from './tf'

/** The state of AdamW for one parameter; all of the parameter's shape. */
export interface AdamState {
  readonly parameter: Tensor
  /** First moment. */
  readonly m: Tensor
  /** Second moment. */
  readonly v: Tensor
}

/** Scalars of the update, as float32 tensors. */
export interface AdamScalars {
  /** beta1^t and beta2^t, t counted from 1. */
  readonly beta1Power: Tensor
  readonly beta2Power: Tensor
  readonly learningRate: Tensor
  readonly beta1: Tensor
  readonly beta2: Tensor
  /** TensorFlow adds it outside the bias correction: eps * sqrt(1 - beta2^t) gives PyTorch's formula. */
  readonly epsilon: Tensor
  /** Decoupled weight decay: the parameter is first multiplied by this (1 - lr * decay). */
  readonly keep: Tensor
}

const scratch = ['adam/parameter', 'adam/m', 'adam/v'] as const

/**
 * parameter' = keep * parameter - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m' / (sqrt(v') + epsilon).
 * @returns the new state; the old tensors are left as they are
 */
export function applyAdam(state: AdamState, gradient: Tensor, s: AdamScalars): AdamState {
  const inputs = [state.parameter, state.m, state.v, s.beta1Power, s.beta2Power, s.learningRate, s.beta1, s.beta2, s.epsilon, gradient]
  const node = backend()
  if (node.binding.applyAdam) {
    const ids = node.getInputTensorIds([...inputs, s.keep])
    const [parameter, m, v] = node.binding.applyAdam(ids).map((metadata: TensorMetadata) => node.createOutputTensor(metadata))
    return { parameter, m, v } as AdamState
  }
  const decayed = tf.mul(state.parameter, s.keep)
  const [parameter, m, v] = composite([decayed, ...inputs.slice(1)], (ids, run) => {
    const dtype = { type: 'float32' }
    const handles = scratch.map((shared_name, i) => {
      const [handle] = run('VarHandleOp', [], { dtype, shape: { shape: state.parameter.shape }, shared_name, container: '' })
      run('AssignVariableOp', [handle as number, ids[i] as number], { dtype }, 0)
      return handle as number
    })
    run('ResourceApplyAdam', [...handles, ...ids.slice(3)], { T: dtype, use_locking: false, use_nesterov: false }, 0)
    const results = handles.map((handle) => run('ReadVariableOp', [handle], { dtype })[0] as number)
    for (const handle of handles) run('DestroyResourceOp', [handle], { ignore_lookup_error: false }, 0)
    return results
  })
  decayed.dispose()
  return { parameter, m, v } as AdamState
}
