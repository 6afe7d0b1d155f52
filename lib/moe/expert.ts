/**
 * Expert: the feed-forward network of a transformer, one of several. Linear(C, 4C), ReLU, Linear(4C, C); 4 is the width ratio of Vaswani
 * et al. 2017, section 3.3. The original's dropout behind it is applied by SparseMoE to all experts' rows at once: each (token, expert)
 * pair still has its own mask.
 */
import { type Initializer, kaimingNormal } from '../nn/init'
import { Linear } from '../nn/linear'
import { Module } from '../nn/module'
import type { RandomStream } from '../tensor/streams'
import { type Tensor, tf } from '../tensor/tf'

/** What SparseMoE needs of an expert: rows in, rows out. */
export interface ExpertModule extends Module {
  /**
   * @param x [rows, C]; how many rows is known only at run time, and may be none
   * @returns [rows, C]
   */
  forward(x: Tensor): Tensor
}

/** A two-layer perceptron with a ReLU. */
export class Expert extends Module implements ExpertModule {
  readonly up: Linear
  readonly down: Linear
  protected override readonly stateNames = { up: 'net.0', down: 'net.2' }

  /** @param init how the two layers start; default Kaiming-normal, as the original */
  constructor(nEmbed: number, stream: RandomStream, init: { readonly expert?: Initializer; readonly residual?: Initializer } = {}) {
    super()
    this.up = new Linear(nEmbed, 4 * nEmbed, stream, { init: init.expert ?? kaimingNormal })
    this.down = new Linear(4 * nEmbed, nEmbed, stream, { init: init.residual ?? kaimingNormal })
  }

  /** max(0, x W1 + b1) W2 + b2; [rows, C] -> [rows, C] */
  forward(x: Tensor): Tensor {
    return this.down.forward(tf.relu(this.up.forward(x)))
  }
}
