/** A router's answer, checked before it is used: a router may be a person's own. */
import { ShapeError, TensorError } from '../../base/errors'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { Routing } from './contracts'

const expected = '{ experts: int32 [N, K], gates: float32 [N, K], logits: float32 [N, E] }'

const isTensor = (value: unknown): value is Tensor => value instanceof tf.Tensor

/**
 * Checks what a router returned. N tokens, K choices, E experts.
 * @returns it
 * @throws TensorError if tensors are missing or of another type; ShapeError if their shapes do not fit
 */
export function checkRouting(routing: Routing, numExperts: number): Routing {
  const fields: Readonly<Record<string, unknown>> = { ...routing }
  const { experts, gates, logits } = fields
  if (!isTensor(experts) || !isTensor(gates) || !isTensor(logits)) {
    const names = Object.keys(fields)
    throw new TensorError(`router: got ${names.length > 0 ? `{ ${names.join(', ')} }` : typeof routing}, expected ${expected}`)
  }
  const [N, K] = experts.shape
  const fits = experts.rank === 2 && gates.shape.join() === `${N},${K}` && logits.shape.join() === `${N},${numExperts}`
  if (experts.dtype !== 'int32' || gates.dtype !== 'float32' || logits.dtype !== 'float32' || !fits) {
    const got = Object.entries({ experts, gates, logits }).map(([name, { dtype, shape }]) => `${name}: ${dtype} [${shape.join(', ')}]`)
    const Fault = fits ? TensorError : ShapeError
    throw new Fault(`router: got { ${got.join(', ')} }, expected ${expected} with E = ${numExperts}`)
  }
  return routing
}
