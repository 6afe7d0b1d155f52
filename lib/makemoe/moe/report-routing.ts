/** What follows a layer's forward pass: observers see its routing, its metrics are reported, and it is balanced. */
import { tf } from '../../engine/tensor/tf'
import { type LayerRouting, wholeBatch } from './batch-share'
import type { MixtureContext } from './context'
import type { BalancingLoss, BalancingState } from './contracts'
import { scatterGates } from './router/top-k-gating'
import { entropy, routingMetrics } from './routing-metrics'
import type { RoutingRecord } from './routing-record'

/** A balancing loss under the name that it is logged by. */
export interface WeightedLoss {
  readonly name: string
  readonly weight: number
  readonly loss: BalancingLoss
}

/** What balances a layer. */
export interface Balancing {
  readonly losses?: readonly WeightedLoss[]
  readonly balancing?: BalancingState | undefined
}

/** Notifies the observer, reports metrics, adds balancing losses and updates balancing; computes nothing that nobody wants. */
export function reportRouting(routing: LayerRouting, { losses = [], balancing }: Balancing, ctx: MixtureContext): void {
  const { layer = 0, observer, report, addLoss, share = wholeBatch } = ctx
  observer?.(routingRecord(routing, layer))
  if (!report && !(addLoss && (balancing || losses.length > 0))) return
  const record = routingRecord(share.routingOfBatch(routing), layer)
  if (report) for (const [name, value] of Object.entries(routingMetrics(record))) report(`routing/${name}`, value)
  if (!addLoss) return
  for (const { name, weight, loss } of losses) addLoss(name, tf.mul(loss(record), weight))
  balancing?.update(record)
}

/** The record of a layer's routing; what is costly is computed when it is read. */
export function routingRecord({ routing, plan, tokens }: LayerRouting, layer: number): RoutingRecord {
  const { experts, gates, logits, compared, noise, partial = false } = routing
  const { demand } = plan
  return {
    layer,
    tokens,
    experts,
    gates,
    logits,
    ...(compared ? { compared } : {}),
    ...(noise ? { noise } : {}),
    demand,
    get load() {
      return plan.load
    },
    drops: plan.drops && !partial, // what experts did not choose is not dropped
    get probabilities() {
      return routing.probabilities?.() ?? tf.softmax(logits)
    },
    get allGates() {
      return scatterGates(experts, gates, demand.size)
    },
    get dropped() {
      return tf.sub(tf.sum(demand), tf.sum(plan.load))
    },
    get entropy() {
      return tf.mean(entropy(gates))
    },
  }
}
