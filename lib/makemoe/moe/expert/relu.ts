/**
 * The original's expert: the feed-forward network of a transformer, Linear(C, 4C), ReLU, Linear(4C, C); 4 is the width ratio of Vaswani et
 * al. 2017, section 3.3. The original's dropout behind it is applied by SparseMoE to all experts' rows at once: each (token, expert) pair
 * still has its own mask.
 */

import type { RandomStream } from '../../../engine/tensor/streams'
import { type Tensor, tf } from '../../../engine/tensor/tf'
import { type Initializer, kaimingNormal } from '../../nn/initializers'
import { Linear } from '../../nn/linear'
import { Module } from '../../nn/module'
import type { ExpertModule, Make } from '../contracts'

export interface ExpertOptions {
  /** Hidden width. */
  readonly width?: number | undefined
  /** How the first layer starts. Default: Kaiming-normal, as the original. */
  readonly expert?: Initializer
  /** How the second layer starts. Default: Kaiming-normal. */
  readonly residual?: Initializer
}

/** A two-layer perceptron, $\mathrm{relu}(x W_1 + b_1) W_2 + b_2$; hidden width F, default 4C; [rows, C] -> [rows, C]
 * (Vaswani et al. 2017, section 3.3, eq. 2). */
export class Expert extends Module implements ExpertModule {
  readonly up: Linear
  readonly down: Linear
  protected override readonly stateNames = { up: 'net.0', down: 'net.2' }

  constructor(nEmbed: number, stream: RandomStream, { width = 4 * nEmbed, expert, residual }: ExpertOptions = {}) {
    super()
    this.up = new Linear(nEmbed, width, stream, { init: expert ?? kaimingNormal })
    this.down = new Linear(width, nEmbed, stream, { init: residual ?? kaimingNormal })
  }

  /** max(0, x W1 + b1) W2 + b2; [rows, C] -> [rows, C] */
  forward(x: Tensor): Tensor {
    return this.down.forward(tf.relu(this.up.forward(x)))
  }
}

export const reluExpert: Make<Expert> = ({ nEmbed, expertWidth }, stream, init) =>
  new Expert(nEmbed, stream, { width: expertWidth, expert: init.expert, residual: init.residual })
