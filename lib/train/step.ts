/** One training step: the loss, its gradients, the update. Plain tensors in, tensors out, so that it can be compiled as it is. */
import type { Context, RoutingRecord } from '../nn/context'
import type { NamedParameter } from '../nn/module'
import { op } from '../tensor/op'
import type { Streams } from '../tensor/streams'
import { type Scalar, type Tensor, tf, type Variable } from '../tensor/tf'
import type { Optimizer } from './adamw'

/** The loss of a batch; x and y int32 [B, T]. */
export type Loss = (x: Tensor, y: Tensor) => Tensor

/** What training needs of a model; lib's language model is one, a notebook's own is another. */
export interface Trainable {
  /** A scalar in nats; x and y int32 [B, T]. */
  loss(x: Tensor, y: Tensor, ctx: Context): Tensor
  namedParameters(): NamedParameter[]
}

/**
 * The gradients of a loss by the given parameters, in their order. A parameter that the loss does not reach gets zeros; PyTorch would leave
 * it out of the update, weight decay included.
 */
export function gradientsOf(loss: () => Tensor, parameters: readonly Variable[]): { loss: Tensor; gradients: Tensor[] } {
  const { value, grads } = tf.variableGrads(() => loss() as Scalar, [...parameters])
  return { loss: value, gradients: parameters.map((parameter) => grads[parameter.name] ?? tf.zerosLike(parameter)) }
}

/** A step that trains `parameters` and returns the batch's loss, a scalar. */
export function makeTrainStep(loss: Loss, parameters: readonly Variable[], optimizer: Optimizer): Loss {
  return (x, y) =>
    tf.tidy(() => {
      const result = gradientsOf(() => loss(x, y), parameters)
      optimizer.apply(result.gradients)
      return result.loss
    })
}

/** A step's loss, and what it tells about the model. L layers, E experts; the last three are absent if no layer reports its routing. */
export interface StepReport {
  /** Scalar, in nats. */
  readonly loss: Tensor
  /** The root of the sum of all gradients' squares; scalar. */
  readonly gradientNorm: Tensor
  /** (token, choice) pairs that reached each expert: int32 [L, E]. */
  readonly load?: Tensor
  /** Pairs that were dropped: int32 [L]. */
  readonly dropped?: Tensor
  /** Mean entropy of the gates, in nats: float32 [L]. */
  readonly entropy?: Tensor
}

export type ReportingStep = (x: Tensor, y: Tensor) => StepReport

/** A step that trains a model and also reports the size of the gradient and the routing. */
export function makeReportingStep(model: Trainable, optimizer: Optimizer, streams: Streams): ReportingStep {
  const parameters = model.namedParameters().map(([, variable]) => variable)
  return (x, y) =>
    tf.tidy(() => {
      const seen: Record<'load' | 'dropped' | 'entropy', Tensor[]> = { load: [], dropped: [], entropy: [] }
      const observer = (record: Partial<RoutingRecord>): void => {
        // The forward pass tidies up behind itself; a router of one's own may report less.
        for (const [name, tensors] of Object.entries(seen)) {
          const tensor = record[name as keyof typeof seen]
          if (tensor) tensors.push(tf.keep(tensor))
        }
      }
      const { loss, gradients } = gradientsOf(() => model.loss(x, y, { training: true, streams, observer }), parameters)
      optimizer.apply(gradients)
      const gradientNorm = tf.sqrt(tf.mul(2, tf.addN(gradients.map((gradient) => op('L2Loss', [gradient])))))
      const routing = Object.entries(seen).flatMap(([name, tensors]) => (tensors.length > 0 ? [[name, tf.stack(tensors)]] : []))
      tf.dispose(Object.values(seen).flat())
      return { loss, gradientNorm, ...Object.fromEntries(routing) } as never
    })
}
