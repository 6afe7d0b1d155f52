/**
 * SparseMoE: a router and E experts in place of one feed-forward network; each token pays for K of them (Shazeer et al. 2017, section 2).
 * y(x) = sum over the chosen e of G(x)_e * dropout(Expert_e(x)) + sum over the shared s of dropout(Shared_s(x)).
 */
import { at } from '../checked'
import { ConfigError } from '../errors'
import type { Context, RoutingRecord } from '../nn/context'
import { dropout } from '../nn/dropout'
import { Module } from '../nn/module'
import { concatRows, splitRows } from '../tensor/rows'
import { lastSize, matrixShape } from '../tensor/shape'
import { type Tensor, tf } from '../tensor/tf'
import { expertCapacity } from './capacity'
import type { BalancingLoss, BalancingState, DropPolicy, ExpertModule, RouterModule, Routing } from './contracts'
import { type Capacity, collectRows, combine, type DispatchPlan, dispatchRows, planDispatch, renormalizedGates } from './dispatch'
import type { DropPolicyName } from './parts'
import { allGates } from './router/top-k-gating'
import { entropy, routingMetrics } from './routing-metrics'

/** A balancing loss under the name that it is logged by. */
export interface WeightedLoss {
  readonly name: string
  readonly weight: number
  readonly loss: BalancingLoss
}

export interface SparseMoEOptions {
  /** The dropout rate behind the experts. */
  readonly dropout?: number
  /** Capacity while training, as a multiple of the even share; undefined: no token is dropped. */
  readonly capacityFactor?: number | undefined
  /** The same in evaluation (ST-MoE: 1.25 and 2; Zoph et al. 2022, section 4); undefined: as `capacityMode` says. */
  readonly evalCapacityFactor?: number | undefined
  /** What holds in evaluation without a factor of its own: no capacity (`training`, the default), or training's (`always`), as in the original. */
  readonly capacityMode?: 'training' | 'always'
  /** Pairs that an expert may serve at least, however small the factor; default 1, the original's 0. */
  readonly minCapacity?: number
  /** Which pairs are dropped. Default: `rank`; the original's: `order`. */
  readonly dropPolicy?: DropPolicyName | DropPolicy
  /** What becomes of a token's gates when one of its choices is dropped: nothing (default), or they are scaled to the same sum. */
  readonly gatesAfterDrop?: 'kept' | 'renormalized'
  /** Experts that every token passes through (DeepSeekMoE, 2401.06066, section 3.2). */
  readonly shared?: readonly ExpertModule[]
  readonly losses?: readonly WeightedLoss[]
  readonly balancing?: BalancingState | undefined
}

/** A sparse mixture of experts. */
export class SparseMoE extends Module {
  readonly router: RouterModule
  readonly experts: readonly ExpertModule[]
  readonly shared: readonly ExpertModule[]
  readonly balancing: BalancingState | undefined
  private readonly options: SparseMoEOptions

  constructor(router: RouterModule, experts: readonly ExpertModule[], options: SparseMoEOptions = {}) {
    super()
    const factor = options.capacityFactor ?? options.evalCapacityFactor
    if (router.looksAcrossTokens && factor !== undefined)
      throw new ConfigError(`capacityFactor: got ${factor} with experts that choose, expected none: each serves its even share`)
    this.router = router
    this.experts = experts
    this.shared = options.shared ?? []
    this.balancing = options.balancing
    this.options = options
  }

  /**
   * @param x [..., C]
   * @returns the same shape
   */
  forward(x: Tensor, ctx: Context): Tensor {
    const rows = tf.reshape(x, [-1, lastSize(x)]) // [N, C]
    const routing = this.route(rows, ctx)
    const capacity = this.capacity(routing, ctx)
    const plan = planDispatch(routing, this.experts.length, capacity, ctx)

    const inputs = splitRows(dispatchRows(rows, plan), plan.load) // E of [load_e, C]
    const outputs = this.experts.map((expert, e) => expert.forward(at(inputs, e)))
    const served = this.dropout(collectRows(concatRows(outputs, plan.load), plan), ctx) // [K, N, C]
    const renormalized = capacity && this.options.gatesAfterDrop === 'renormalized'
    const chosen = combine(served, renormalized ? renormalizedGates(routing.weights, plan) : routing.weights) // [N, C]
    const all = this.shared.reduce((sum, expert) => tf.add(sum, this.dropout(expert.forward(rows), ctx)), chosen)

    this.tell(routing, plan, x.shape.slice(0, -1), ctx)
    return tf.reshape(all, x.shape)
  }

  private route(rows: Tensor, ctx: Context): Routing {
    const balancing = this.balancing?.bias
    const route = (bias?: Tensor): Routing =>
      this.router.forward(rows, ctx, balancing && bias ? tf.add(balancing, bias) : (bias ?? balancing))
    return ctx.intervene?.(route, ctx.layer ?? 0) ?? route()
  }

  private dropout(x: Tensor, ctx: Context): Tensor {
    return dropout(x, this.options.dropout ?? 0, ctx)
  }

  /** The capacity factor that holds; undefined: no capacity. */
  private capacityFactor(training: boolean): number | undefined {
    const { capacityFactor, evalCapacityFactor, capacityMode = 'training' } = this.options
    if (training) return capacityFactor
    return evalCapacityFactor ?? (capacityMode === 'always' ? capacityFactor : undefined)
  }

  private capacity({ indices }: Routing, ctx: Context): Capacity | undefined {
    const { minCapacity = 1, dropPolicy = 'rank' } = this.options
    const factor = this.capacityFactor(ctx.training)
    if (factor === undefined) return undefined
    const [N, K] = matrixShape(indices, 'router: indices')
    return { limit: expertCapacity(N, K, this.experts.length, factor, minCapacity), policy: dropPolicy }
  }

  /** Tells whoever listens, and balances; nothing is computed when nobody does. */
  private tell(routing: Routing, plan: DispatchPlan, tokens: readonly number[], ctx: Context): void {
    const record = routingRecord(routing, plan, tokens, ctx.layer ?? 0)
    ctx.observer?.(record)
    if (ctx.report) for (const [name, value] of Object.entries(routingMetrics(record))) ctx.report(`routing/${name}`, value)
    for (const { name, weight, loss } of this.options.losses ?? []) ctx.addLoss?.(name, tf.mul(loss(record), weight))
    if (ctx.addLoss) this.balancing?.update(record)
  }

  /** Whether the output for one sequence of a batch is the same whatever the others are. */
  rowsAreIndependent(training: boolean): boolean {
    return this.capacityFactor(training) === undefined && !this.router.looksAcrossTokens
  }

  /** Whether the router decides for a token by later ones too. */
  looksAhead(): boolean {
    return this.router.looksAcrossTokens ?? false
  }

  /** How many parameters a token meets if it is sent to `topK` experts. */
  activeParameterCount(topK: number): number {
    const all = this.experts.reduce((sum, expert) => sum + expert.parameterCount(), 0)
    return this.parameterCount() - (all * (this.experts.length - topK)) / this.experts.length
  }
}

/** What is costly is computed when it is first read. */
function routingRecord(routing: Routing, plan: DispatchPlan, tokens: readonly number[], layer: number): RoutingRecord {
  const { indices, weights, logits } = routing
  const { demand, load } = plan
  const drops = plan.drops && !routing.partial // what experts did not choose is not dropped
  return {
    layer,
    tokens,
    indices,
    weights,
    logits,
    ...(routing.noise ? { noise: routing.noise } : {}),
    demand,
    load,
    drops,
    get probabilities() {
      return routing.probabilities?.() ?? tf.softmax(logits)
    },
    get gates() {
      return allGates(indices, weights, demand.size)
    },
    get dropped() {
      return tf.sub(tf.sum(demand), tf.sum(load))
    },
    get entropy() {
      return tf.mean(entropy(weights))
    },
  }
}
