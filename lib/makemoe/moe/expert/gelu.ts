/** The expert with a GELU (Hendrycks & Gimpel 2016) in place of the ReLU, as in GPT-2: Linear(C, F), GELU, Linear(F, C). */
import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Make } from '../contracts'
import { Expert } from './relu'

/** A two-layer perceptron with a GELU; hidden width F, default 4C. */
export class GeluExpert extends Expert {
  /** gelu(x W1 + b1) W2 + b2; [rows, C] -> [rows, C] */
  override forward(x: Tensor): Tensor {
    return this.down.forward(tf.gelu(this.up.forward(x)))
  }
}

export const geluExpert: Make<GeluExpert> = ({ nEmbed, expertWidth }, stream, init) =>
  new GeluExpert(nEmbed, stream, { width: expertWidth, expert: init.expert, residual: init.residual })
