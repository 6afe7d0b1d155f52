/**
 * SparseMoE: a router and E experts in place of one feed-forward network; each token pays for K of them (Shazeer et al. 2017, section 2).
 * y(x) = sum over the chosen e of G(x)_e * dropout(Expert_e(x)) + sum over the shared s of dropout(Shared_s(x)).
 */
import { at } from '../../base/assertions'
import { ConfigError } from '../../base/errors'
import { concatRows, splitRows } from '../../engine/tensor/rows'
import { lastSize, matrixShape } from '../../engine/tensor/shape'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import type { BatchShare, Context, RoutingRecord } from '../nn/context'
import { dropout } from '../nn/dropout'
import { Module } from '../nn/module'
import { expertCapacity } from './capacity'
import type { BalancingLoss, BalancingState, DropPolicy, ExpertModule, RouterModule, Routing } from './contracts'
import { type Capacity, collectRows, combine, type DispatchPlan, dispatchRows, planDispatch, renormalizedGates } from './dispatch'
import type { DropPolicyName } from './parts'
import { scatterGates } from './router/top-k-gating'
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

    const outputs = this.serve(dispatchRows(rows, plan), plan, capacity, ctx) // [S, C]
    const served = this.dropout(collectRows(outputs, plan), ctx) // [K, N, C]
    const renormalized = capacity && this.options.gatesAfterDrop === 'renormalized'
    const chosen = combine(served, renormalized ? renormalizedGates(routing.gates, plan) : routing.gates) // [N, C]
    const all = this.shared.reduce((sum, expert) => tf.add(sum, this.dropout(expert.forward(rows), ctx)), chosen)

    this.tell(routing, plan, x.shape.slice(0, -1), ctx)
    return tf.reshape(all, x.shape)
  }

  /** Each expert on its rows, which lie side by side: [S, C] -> [S, C]. */
  private serve(rows: Tensor, plan: DispatchPlan, capacity: Capacity | undefined, { share }: Context): Tensor {
    const apply = (e: number, input: Tensor): Tensor => at(this.experts, e).forward(input)
    const [, N] = matrixShape(plan.slotOfPair, 'dispatch: slots')
    // A token has no expert twice, so that an expert gets at most all tokens.
    if (share?.serve) return share.serve(apply, rows, plan, Math.min(capacity?.limit ?? N, N))
    const inputs = splitRows(rows, plan.load) // E of [load_e, C]
    return concatRows(
      inputs.map((input, e) => apply(e, input)),
      plan.load,
    )
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

  private capacity({ experts }: Routing, ctx: Context): Capacity | undefined {
    const { minCapacity = 1, dropPolicy = 'rank' } = this.options
    const factor = this.capacityFactor(ctx.training)
    if (factor === undefined) return undefined
    const [N, K] = matrixShape(experts, 'router: experts')
    return { limit: expertCapacity(N, K, this.experts.length, factor, minCapacity), policy: dropPolicy }
  }

  /** Tells whoever listens, and balances; nothing is computed when nobody does. */
  private tell(routing: Routing, plan: DispatchPlan, tokens: readonly number[], ctx: Context): void {
    const layer = ctx.layer ?? 0
    const own = routingRecord(routing, plan, tokens, layer)
    ctx.observer?.(own)
    const { losses = [] } = this.options
    if (!ctx.report && !(ctx.addLoss && (this.balancing || losses.length > 0))) return
    const record = ctx.share ? routingRecord(...wholeBatch(ctx.share, routing, plan, tokens), layer) : own
    if (ctx.report) for (const [name, value] of Object.entries(routingMetrics(record))) ctx.report(`routing/${name}`, value)
    for (const { name, weight, loss } of losses) ctx.addLoss?.(name, tf.mul(loss(record), weight))
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

  /** How many parameters a token meets in the mean if it is sent to `topK` experts; one that several experts share counts once. */
  activeParameterCount(topK: number): number {
    const E = this.experts.length
    const holders = new Map<Variable, number>()
    for (const parameter of this.experts.flatMap((expert) => expert.parameters())) holders.set(parameter, (holders.get(parameter) ?? 0) + 1)
    for (const parameter of [this.router, ...this.shared].flatMap((module) => module.parameters())) holders.delete(parameter)
    /** The share of tokens that are sent to none of an expert's n holders, if all choices are as likely. */
    const idleShare = (n: number): number =>
      Array.from({ length: n }, (_, i) => Math.max(0, E - topK - i) / (E - i)).reduce((product, share) => product * share, 1)
    const idle = [...holders].reduce((sum, [{ size }, n]) => sum + size * idleShare(n), 0)
    return Math.round(this.parameterCount() - idle)
  }
}

/** The decisions of all processes for the whole batch, which balance and metrics are about. */
function wholeBatch(
  { gather }: BatchShare,
  { experts, gates, logits, probabilities, partial, noise }: Routing,
  { load, drops }: DispatchPlan,
  tokens: readonly number[],
): [Routing, Pick<DispatchPlan, 'demand' | 'load' | 'drops'>, readonly number[]] {
  const [N] = matrixShape(logits, 'router: logits')
  const E = lastSize(logits)
  const local = [
    tf.stopGradient(tf.cast(experts, 'float32')),
    gates,
    logits,
    ...(probabilities ? [probabilities()] : []),
    ...(noise ? [noise.noisy, noise.deviation()] : []),
  ]
  const [chosen, wholeGates, scores, ...rest] = tf.split(gather(tf.concat(local, 1)), local.map(lastSize), 1) as [
    Tensor,
    Tensor,
    Tensor,
    ...Tensor[],
  ]
  const wholeExperts = tf.cast(tf.stopGradient(chosen), 'int32')
  const share = probabilities && rest.shift()
  const [noisy, deviation] = rest
  const routing: Routing = {
    experts: wholeExperts,
    gates: wholeGates,
    logits: scores,
    ...(share ? { probabilities: () => share } : {}),
    ...(partial === undefined ? {} : { partial }),
    ...(noisy && deviation ? { noise: { noisy, deviation: () => deviation } } : {}),
  }
  const demand = tf.sum(tf.oneHot(tf.reshape(wholeExperts, [-1]), E, 1, 0, 'int32'), 0)
  let served: Tensor | undefined
  const plan = {
    demand,
    drops,
    get load() {
      served ??= tf.cast(tf.sum(gather(tf.expandDims(tf.cast(load, 'float32'), 0)), 0), 'int32')
      return served
    },
  }
  const [first = 1, ...others] = tokens
  return [routing, plan, [(first * (wholeExperts.shape[0] ?? N)) / N, ...others]]
}

/** What is costly is computed when it is first read. */
function routingRecord(
  routing: Routing,
  plan: Pick<DispatchPlan, 'demand' | 'load' | 'drops'>,
  tokens: readonly number[],
  layer: number,
): RoutingRecord {
  const { experts, gates, logits } = routing
  const { demand } = plan
  const drops = plan.drops && !routing.partial // what experts did not choose is not dropped
  return {
    layer,
    tokens,
    experts,
    gates,
    logits,
    ...(routing.noise ? { noise: routing.noise } : {}),
    demand,
    get load() {
      return plan.load
    },
    drops,
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
