/**
 * An op without a gradient, through which a gradient should flow: the error names the op and the line that called it in the forward pass,
 * where tfjs's own knows neither.
 */
import { TensorError } from '../../base/errors'
import { onTape } from './runtime'

let place: () => string | undefined = () => undefined

/** Until the returned function is called, errors also name the place where the op is called, such as the module. */
export function namePlaces(placeOf: () => string | undefined): () => void {
  place = placeOf
  return () => {
    place = () => undefined
  }
}

/** Gives every op without a gradient one that throws. */
export function nameMissingGradients(): void {
  onTape((node) => {
    if (node.gradient) return
    const where = place()
    const error = new TensorError(
      `cannot trace the gradient of ${node.kernelName}: the op has none; if none should flow through it, give it tf.stopGradient(x)` +
        (where ? `\n  in ${where}` : ''),
    )
    node.gradient = () => {
      throw error
    }
  })
}
