/**
 * Balancing without a loss (Wang et al. 2024, 2408.15664; DeepSeek-V3, 2412.19437, section 2.1.2): a bias for each expert is added to what
 * decides the choice, never to the gates. After each step bias_e <- bias_e + gamma * sign(mean demand - demand_e), then the biases are
 * centered. The papers' gamma is 0.001.
 */

import { tf, type Variable } from '../../../engine/tensor/tf'
import { Module } from '../../nn/module'
import { buffer } from '../../nn/parameter'
import type { BalancingState } from '../contracts'
import type { RoutingRecord } from '../routing-record'

/** The biases of one layer's experts. */
export class BalancingBias extends Module implements BalancingState {
  /** [E], in the units of what the router compares: logits, or a sigmoid's scores. */
  readonly bias: Variable

  /** @param gamma how far a bias moves in a step */
  constructor(
    numExperts: number,
    private readonly gamma: number,
  ) {
    super()
    this.bias = buffer(tf.zeros([numExperts]))
  }

  update({ demand }: RoutingRecord): void {
    tf.tidy(() => {
      const asked = tf.cast(demand, 'float32')
      const moved = tf.add(this.bias, tf.mul(tf.sign(tf.sub(tf.mean(asked), asked)), this.gamma))
      this.bias.assign(tf.sub(moved, tf.mean(moved)))
    })
  }
}

export const balancingBias = ({ numExperts }: { readonly numExperts: number }, gamma: number): BalancingBias =>
  new BalancingBias(numExperts, gamma)
