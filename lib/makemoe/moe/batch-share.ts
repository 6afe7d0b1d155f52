/**
 * The seam between a mixture and several processes that compute one batch together, each its own sequences of it (runs/cluster). What a
 * single process does stands here.
 */
import { at } from '../../base/assertions'
import { concatRows, splitRows } from '../../engine/tensor/rows'
import type { Tensor } from '../../engine/tensor/tf'
import type { ExpertModule, Routing } from './contracts'
import type { DispatchPlan } from './dispatch'

/** A layer's decisions and their plan, from which a record is made. */
export interface LayerRouting {
  readonly routing: Routing
  readonly plan: Pick<DispatchPlan, 'demand' | 'load' | 'drops'>
  /** The shape of the tokens before they became rows. */
  readonly tokens: readonly number[]
}

/** A process's share of a batch. S slots. */
export interface BatchShare {
  /**
   * Each expert on its rows.
   * @param rows float32 [S, C] in slot order
   * @returns their outputs, float32 [S, C]
   */
  serve(experts: readonly ExpertModule[], rows: Tensor, plan: DispatchPlan): Tensor
  /**
   * A layer's routing of the whole batch, from that of this process's sequences. What is computed from it must be the same in all processes;
   * its gradient is then right once gradients are averaged over the processes.
   */
  routingOfBatch(routing: LayerRouting): LayerRouting
}

/** The single process, which has the whole batch and all experts. */
export const wholeBatch: BatchShare = {
  serve(experts, rows, { load }) {
    const inputs = splitRows(rows, load) // E of [load_e, C]
    return concatRows(
      inputs.map((input, e) => at(experts, e).forward(input)),
      load,
    )
  },
  routingOfBatch: (routing) => routing,
}
