/** A layer's routing of the whole batch: what all processes decided, gathered in the batch's order. */
import { lastSize, matrixShape } from '../../engine/tensor/shape'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { LayerRouting } from '../../makemoe/moe/batch-share'
import type { Routing } from '../../makemoe/moe/contracts'
import type { Collectives } from './collectives'

/**
 * Gathers a routing, in one message for all that is float32 [N, ...]; the load is gathered if it is read.
 * N tokens in each process, E experts.
 */
export function gatherRouting(collectives: Collectives, { routing, plan, tokens }: LayerRouting): LayerRouting {
  const { experts, gates, logits, probabilities, compared, partial, noise } = routing
  const [N, E] = matrixShape(logits, 'router: logits')
  const comparedAlone = compared !== logits && compared !== noise?.noisy ? compared : undefined // else it is sent already
  const local = [
    tf.stopGradient(tf.cast(experts, 'float32')),
    gates,
    logits,
    ...(probabilities ? [probabilities()] : []),
    ...(comparedAlone ? [tf.stopGradient(comparedAlone)] : []),
    ...(noise ? [noise.noisy, noise.deviation()] : []),
  ]
  const gathered = tf.split(collectives.gather(tf.concat(local, 1)), local.map(lastSize), 1)
  const [chosen, wholeGates, wholeLogits, ...rest] = gathered as [Tensor, Tensor, Tensor, ...Tensor[]]
  const wholeExperts = tf.cast(tf.stopGradient(chosen), 'int32')
  const wholeProbabilities = probabilities && rest.shift()
  const wholeComparedAlone = comparedAlone && rest.shift()
  const [noisy, deviation] = rest
  const wholeCompared = compared && (wholeComparedAlone ?? (compared === logits ? wholeLogits : noisy))
  const whole: Routing = {
    experts: wholeExperts,
    gates: wholeGates,
    logits: wholeLogits,
    ...(wholeProbabilities ? { probabilities: () => wholeProbabilities } : {}),
    ...(wholeCompared ? { compared: wholeCompared } : {}),
    ...(partial === undefined ? {} : { partial }),
    ...(noisy && deviation ? { noise: { noisy, deviation: () => deviation } } : {}),
  }
  const demand = tf.sum(tf.oneHot(tf.reshape(wholeExperts, [-1]), E, 1, 0, 'int32'), 0)
  let load: Tensor | undefined
  const [first = 1, ...others] = tokens
  return {
    routing: whole,
    plan: {
      demand,
      drops: plan.drops,
      get load() {
        load ??= tf.cast(tf.sum(collectives.gather(tf.expandDims(tf.cast(plan.load, 'float32'), 0)), 0), 'int32')
        return load
      },
    },
    tokens: [(first * (wholeExperts.shape[0] ?? N)) / N, ...others],
  }
}
