/** The expert with a squared ReLU in place of the ReLU (So et al. 2021, Primer, 2109.08668, section 4.1): Linear(C, F), max(0, x)^2, Linear(F, C). */
import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Make } from '../contracts'
import { Expert } from './relu'

/** A two-layer perceptron, $\mathrm{relu}(x W_1 + b_1)^2 W_2 + b_2$; hidden width F, default 4C; [rows, C] -> [rows, C]. */
export class SquaredReluExpert extends Expert {
  /** max(0, x W1 + b1)^2 W2 + b2; [rows, C] -> [rows, C] */
  override forward(x: Tensor): Tensor {
    return this.down.forward(tf.square(tf.relu(this.up.forward(x))))
  }
}

export const squaredReluExpert: Make<SquaredReluExpert> = ({ nEmbed, expertWidth }, stream, init) =>
  new SquaredReluExpert(nEmbed, stream, { width: expertWidth, expert: init.expert, residual: init.residual })
