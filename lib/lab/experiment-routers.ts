/**
 * Routers that answer a question of the laboratory and are no part to train with: tables of something else than the token's id, and a
 * single choice whose gate is not always 1.
 */
import { at } from '../base/assertions'
import { ConfigError } from '../base/errors'
import { matrixShape } from '../engine/tensor/shape'
import { type Tensor, tf, type Variable } from '../engine/tensor/tf'
import type { MakePart } from '../makemoe/model/model-parts'
import type { RouterModule, Routing } from '../makemoe/moe/contracts'
import { hashTable, requireVocabulary } from '../makemoe/moe/router/hash'
import { LinearRouter } from '../makemoe/moe/router/linear-router'
import { chooseTopK } from '../makemoe/moe/router/top-k-gating'
import type { Context } from '../makemoe/nn/context'
import { Module } from '../makemoe/nn/module'
import { buffer } from '../makemoe/nn/parameter'

/** The row of a table for each token, int32 [N], from the token ids, int32 [B, T]. */
type RowsOf = (ids: Tensor) => Tensor

/** Experts from a table, gates 1 / K, as the hash router has them (Roller et al. 2021, 2106.04426), but of rows that a function says. */
class TableRouter extends Module implements RouterModule {
  /** @param table the experts of each row, float32 [rows, K] */
  constructor(
    readonly table: Variable,
    private readonly numExperts: number,
    private readonly rowsOf: RowsOf,
  ) {
    super()
  }

  /** e = table[row]; G(x) = 1 / K */
  forward(x: Tensor, { tokenIds }: Context): Routing {
    const [N, K] = [matrixShape(x, 'table router: tokens')[0], matrixShape(this.table, 'table router: table')[1]]
    if (tokenIds?.size !== N) throw new ConfigError(`table router: got ${tokenIds?.size ?? 'no'} token ids, expected ${N}`)
    const experts = tf.cast(tf.gather(this.table, this.rowsOf(tokenIds)), 'int32') // [N, K]
    return { experts, gates: tf.fill([N, K], 1 / K), logits: tf.zeros([N, this.numExperts]) }
  }
}

/** By the position in the context. For whole windows: while writing, a token does not see its own position. */
export const byPosition: MakePart<RouterModule> = ({ blockSize, numExperts, topK }, stream) =>
  new TableRouter(hashTable(blockSize, numExperts, topK, stream), numExperts, (ids) => {
    const [B, T] = matrixShape(ids, 'router by position: token ids')
    return tf.reshape(tf.tile(tf.expandDims(tf.range(0, T, 1, 'int32'), 0), [B, 1]), [B * T])
  })

/** By the token's id and the one before; a window's first token has a row of its own. For whole windows, too. */
export const byLastTwo: MakePart<RouterModule> = ({ vocabSize: V, numExperts, topK }, stream) =>
  new TableRouter(hashTable((V + 1) * V, numExperts, topK, stream), numExperts, (ids) => {
    const [B, T] = matrixShape(ids, 'router by the last two: token ids')
    const before = tf.concat([tf.fill([B, 1], V, 'int32'), tf.slice(ids, [0, 0], [B, T - 1])], 1) // [B, T]
    return tf.reshape(tf.add(tf.mul(before, tf.scalar(V, 'int32')), ids), [B * T])
  })

/**
 * By the token's id, from a table that evens the load of a text (Roller et al. 2021, section 3.1, "balanced"): frequent ids first, each to the
 * K experts that have least; the order is disturbed by up to a half, so that layers differ.
 * @param counts how often each id occurs in the text
 */
export const byBalancedTable =
  (counts: readonly number[]): MakePart<RouterModule> =>
  ({ vocabSize, numExperts, topK }, stream) => {
    const V = requireVocabulary('by a balanced table', vocabSize)
    const drawn = stream.uniform([V])
    const noise = drawn.dataSync()
    drawn.dispose()
    const table = balancedTable(
      Array.from({ length: V }, (_, id) => counts[id] ?? 0),
      { numExperts, topK, noise },
    )
    return new TableRouter(buffer(tf.tensor2d(table, [V, topK])), numExperts, (ids) => tf.reshape(ids, [ids.size]))
  }

/** [V][K]: for each id the experts with least load when its turn comes, the most frequent first. */
export function balancedTable(
  counts: readonly number[],
  { numExperts, topK, noise }: { readonly numExperts: number; readonly topK: number; readonly noise: ArrayLike<number> },
): number[][] {
  const order = [...counts.keys()].sort((a, b) => at(counts, b) * (0.5 + (noise[b] ?? 0)) - at(counts, a) * (0.5 + (noise[a] ?? 0)))
  const load = new Array<number>(numExperts).fill(0)
  const table: number[][] = counts.map(() => [])
  for (const id of order) {
    const emptiest = [...load.keys()].sort((a, b) => at(load, a) - at(load, b)).slice(0, topK)
    for (const expert of emptiest) load[expert] = at(load, expert) + at(counts, id)
    table[id] = emptiest
  }
  return table
}

/** One choice whose gate is its sigmoid, not normalized: what `sigmoid` with K = 1 would be if it did not divide a gate by itself. */
class SigmoidGateRouter extends LinearRouter implements RouterModule {
  /** s = sigmoid(x W + b), e = argmax s; G(x) = s_e */
  forward(x: Tensor, _ctx?: Context, bias?: Tensor): Routing {
    const logits = this.scores.forward(x) // [N, E]
    const compared = tf.sigmoid(logits)
    const { values, experts } = chooseTopK(compared, this.topK, bias)
    return { experts, gates: values, logits, compared }
  }
}

/** Sigmoid gates as they are. */
export const sigmoidGate: MakePart<RouterModule> = ({ nEmbed, numExperts, topK }, stream, init) =>
  new SigmoidGateRouter(nEmbed, numExperts, topK, stream, { init: init.router })
