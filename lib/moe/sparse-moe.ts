/**
 * SparseMoE: a router and E experts in place of one feed-forward network; each token pays for K of them (Shazeer et al. 2017, section 2).
 * y(x) = sum over the chosen e of G(x)_e * dropout(Expert_e(x)).
 */
import type { Context, RoutingRecord } from '../nn/context'
import { dropout } from '../nn/dropout'
import { Module } from '../nn/module'
import { concatRows, splitRows } from '../tensor/rows'
import { type Tensor, tf } from '../tensor/tf'
import { expertCapacity } from './capacity'
import { type Capacity, collectRows, combine, type DispatchPlan, dispatchRows, planDispatch } from './dispatch'
import type { ExpertModule } from './expert'
import type { RouterModule, Routing } from './router'

export interface SparseMoEOptions {
  /** The layer's number, for whoever observes the routing. */
  readonly layer?: number
  /** Probability of a zero behind the experts. */
  readonly dropout?: number
  /** Capacity as a multiple of the even share; undefined: no token is dropped. */
  readonly capacityFactor?: number | undefined
  /**
   * `training` (default): by choice rank, then gate; only while training; never below 1.
   * `makemoe`: in the order of tokens, always, and possibly 0.
   */
  readonly capacityRule?: 'training' | 'makemoe'
}

/** A sparse mixture of experts. */
export class SparseMoE extends Module {
  readonly router: RouterModule
  readonly experts: readonly ExpertModule[]
  private readonly options: SparseMoEOptions

  constructor(router: RouterModule, experts: readonly ExpertModule[], options: SparseMoEOptions = {}) {
    super()
    this.router = router
    this.experts = experts
    this.options = options
  }

  /**
   * @param x [..., C]
   * @returns the same shape
   */
  forward(x: Tensor, ctx: Context): Tensor {
    const width = x.shape[x.rank - 1] as number
    const rows = tf.reshape(x, [-1, width])
    const tokens = rows.shape[0] as number
    const routing = this.router.forward(rows, ctx)
    const topK = routing.indices.shape[1] as number
    const plan = planDispatch(routing.indices, routing.weights, this.experts.length, this.capacity(tokens, topK, ctx))

    const inputs = splitRows(dispatchRows(rows, plan), plan.load)
    const outputs = this.experts.map((expert, e) => expert.forward(inputs[e] as Tensor))
    const served = dropout(collectRows(concatRows(outputs, plan.load), plan), this.options.dropout ?? 0, ctx)
    ctx.observer?.(this.record(routing, plan))
    return tf.reshape(combine(served, routing.weights), x.shape)
  }

  private capacity(tokens: number, topK: number, ctx: Context): Capacity | undefined {
    const { capacityFactor, capacityRule = 'training' } = this.options
    if (capacityFactor === undefined) return undefined
    const limit = (least: number): number => expertCapacity(tokens, topK, this.experts.length, capacityFactor, least)
    if (capacityRule === 'makemoe') return { limit: limit(0), policy: 'flat' }
    return ctx.training ? { limit: limit(1), policy: 'rank' } : undefined
  }

  private record({ gates, indices, logits }: Routing, plan: DispatchPlan): RoutingRecord {
    const pairs = tf.scalar(indices.size, 'int32')
    // 0 log 0 counts as 0.
    const entropy = tf.neg(tf.mean(tf.sum(tf.mul(gates, tf.log(tf.add(gates, 1e-20))), 1)))
    return { layer: this.options.layer ?? 0, gates, indices, logits, load: plan.load, dropped: tf.sub(pairs, tf.sum(plan.load)), entropy }
  }
}
