/**
 * The SwiGLU expert (Shazeer 2020, 2002.05202, eq. 6; Mixtral's): (silu(x Wg) * x W1) W2, where the gate decides what passes. Its default
 * width 8C/3 gives it as many parameters as a ReLU expert of width 4C. Unlike the paper's, its layers have biases, as the original's do.
 */

import type { RandomStream } from '../../../engine/tensor/streams'
import { type Tensor, tf } from '../../../engine/tensor/tf'
import { kaimingNormal } from '../../nn/initializers'
import { Linear } from '../../nn/linear'
import { Module } from '../../nn/module'
import type { ExpertModule, Make } from '../contracts'
import type { ExpertOptions } from './relu'

/**
 * A gated two-layer perceptron, $(\mathrm{silu}(x W_g + b_g) \odot (x W_1 + b_1)) W_2 + b_2$; hidden width F, default 8C/3;
 * [rows, C] -> [rows, C] (Shazeer 2020, 2002.05202, eq. 6).
 */
export class SwigluExpert extends Module implements ExpertModule {
  readonly gate: Linear
  readonly up: Linear
  readonly down: Linear

  constructor(nEmbed: number, stream: RandomStream, { width = Math.round((8 * nEmbed) / 3), expert, residual }: ExpertOptions = {}) {
    super()
    this.gate = new Linear(nEmbed, width, stream, { init: expert ?? kaimingNormal })
    this.up = new Linear(nEmbed, width, stream, { init: expert ?? kaimingNormal })
    this.down = new Linear(width, nEmbed, stream, { init: residual ?? kaimingNormal })
  }

  /** (silu(x Wg + bg) * (x W1 + b1)) W2 + b2; [rows, C] -> [rows, C] */
  forward(x: Tensor): Tensor {
    return this.down.forward(tf.mul(tf.silu(this.gate.forward(x)), this.up.forward(x)))
  }
}

export const swigluExpert: Make<SwigluExpert> = ({ nEmbed, expertWidth }, stream, init) =>
  new SwigluExpert(nEmbed, stream, { width: expertWidth, expert: init.expert, residual: init.residual })
