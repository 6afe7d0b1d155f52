/**
 * SparseMoE: a router and E experts in place of one feed-forward network; each token pays for K of them (Shazeer et al. 2017, section 2).
 * y(x) = sum over the chosen e of G(x)_e * dropout(Expert_e(x)) + sum over the shared s of dropout(Shared_s(x)).
 */
import { ConfigError } from '../../base/errors'
import { lastSize, matrixShape } from '../../engine/tensor/shape'
import { type Tensor, tf } from '../../engine/tensor/tf'
import { dropout } from '../nn/dropout'
import { Module } from '../nn/module'
import { idleParameterCount } from './active-parameters'
import { wholeBatch } from './batch-share'
import { type CapacityOptions, capacityFactorOf, expertCapacity } from './capacity'
import { checkRouting } from './check-routing'
import type { MixtureContext } from './context'
import type { BalancingState, DropPolicy, ExpertModule, RouterModule, Routing } from './contracts'
import { type Capacity, collectRows, combine, dispatchRows, planDispatch, renormalizedGates } from './dispatch'
import type { DropPolicyName } from './parts'
import { type Balancing, reportRouting } from './report-routing'

/** Options of a SparseMoE; without any: no dropout, no capacity, no balancing. */
export interface SparseMoEOptions extends Balancing, CapacityOptions {
  /** The dropout rate behind the experts. */
  readonly dropout?: number
  /** Which pairs are dropped. Default: `rank`; the original's: `order`. */
  readonly dropPolicy?: DropPolicyName | DropPolicy
  /** A token's other gates when one of its choices is dropped: as they were (`kept`, the default), or scaled to the same sum. */
  readonly gatesAfterDrop?: 'kept' | 'renormalized'
  /** Experts that every token passes through (DeepSeekMoE, 2401.06066, section 3.2). */
  readonly shared?: readonly ExpertModule[]
}

/**
 * A sparse mixture of experts, $y(x) = \sum_e G(x)_e \, E_e(x)$ over the K chosen of E experts; [..., C] -> [..., C]
 * (Shazeer et al. 2017, section 2).
 */
export class SparseMoE extends Module {
  readonly router: RouterModule
  readonly experts: readonly ExpertModule[]
  readonly shared: readonly ExpertModule[]
  readonly balancing: BalancingState | undefined
  private readonly options: SparseMoEOptions

  /**
   * @param router chooses for each row [C] K of the experts
   * @param experts E of them, each [rows, C] -> [rows, C]
   * @throws ConfigError if a capacity is given to experts that choose
   */
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
   * The gated sum of the chosen experts' outputs; what an expert drops is left out of it.
   * @param x [..., C]
   * @returns the same shape
   * @throws TensorError, ShapeError if the router returns something else than a `Routing`
   */
  forward(x: Tensor, ctx: MixtureContext): Tensor {
    const { share = wholeBatch } = ctx
    const rows = tf.reshape(x, [-1, lastSize(x)]) // [N, C]
    const routing = this.route(rows, ctx) // experts and gates [N, K]
    const capacity = this.capacity(routing, ctx)
    const plan = planDispatch(routing, this.experts.length, capacity, ctx)

    const outputs = share.serve(this.experts, dispatchRows(rows, plan), plan) // [S, C]
    const served = this.dropout(collectRows(outputs, plan), ctx) // [K, N, C]
    const renormalized = capacity && this.options.gatesAfterDrop === 'renormalized'
    const chosen = combine(served, renormalized ? renormalizedGates(routing.gates, plan) : routing.gates) // [N, C]
    const all = this.shared.reduce((sum, expert) => tf.add(sum, this.dropout(expert.forward(rows), ctx)), chosen)

    reportRouting({ routing, plan, tokens: x.shape.slice(0, -1) }, this.options, ctx)
    return tf.reshape(all, x.shape)
  }

  private route(rows: Tensor, ctx: MixtureContext): Routing {
    const balancing = this.balancing?.bias
    const route = (bias?: Tensor): Routing =>
      this.router.forward(rows, ctx, balancing && bias ? tf.add(balancing, bias) : (bias ?? balancing))
    return checkRouting(ctx.intervene?.(route, ctx.layer ?? 0) ?? route(), this.experts.length)
  }

  private dropout(x: Tensor, ctx: MixtureContext): Tensor {
    return dropout(x, this.options.dropout ?? 0, ctx)
  }

  private capacity({ experts }: Routing, { training }: MixtureContext): Capacity | undefined {
    const { minCapacity = 1, dropPolicy = 'rank' } = this.options
    const factor = capacityFactorOf(this.options, training)
    if (factor === undefined) return undefined
    const [N, K] = matrixShape(experts, 'router: experts')
    return { limit: expertCapacity(N, K, this.experts.length, factor, minCapacity), policy: dropPolicy }
  }

  /** Whether the output for one sequence of a batch is the same whatever the others are. */
  rowsAreIndependent(training: boolean): boolean {
    return capacityFactorOf(this.options, training) === undefined && !this.router.looksAcrossTokens
  }

  /** Whether the router decides for a token by later ones too. */
  looksAhead(): boolean {
    return this.router.looksAcrossTokens ?? false
  }

  /** Whether evaluating a token twice gives the same output twice: not if its router draws. */
  isDeterministic(): boolean {
    return !this.router.drawsInEvaluation
  }

  /** How many parameters a token meets in the mean if it is sent to `topK` experts. */
  activeParameterCount(topK: number): number {
    return Math.round(this.parameterCount() - idleParameterCount(this.experts, [this.router, ...this.shared], topK))
  }
}
