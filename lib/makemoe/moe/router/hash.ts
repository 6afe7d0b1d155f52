/**
 * The hash router (Roller et al. 2021, Hash Layers, 2106.04426, section 3.1, "random hash"): a token's experts follow from its id alone, by
 * a table drawn once for each layer. Nothing is learned, and the gates are equal. Where the paper's table has one expert for an id, ours
 * has K different ones.
 */
import { ConfigError } from '../../../base/errors'
import type { RandomStream } from '../../../engine/tensor/streams'
import { type Tensor, tf, type Variable } from '../../../engine/tensor/tf'
import type { Context } from '../../nn/context'
import { Module } from '../../nn/module'
import { buffer } from '../../nn/parameter'
import type { Make, RouterModule, RouterTraits, Routing } from '../contracts'
import { checkTopK } from './top-k-gating'

/** A table of K different experts for each of V ids, drawn at random: float32 [V, K]. */
export const hashTable = (vocabSize: number, numExperts: number, topK: number, stream: RandomStream): Variable =>
  buffer(tf.tidy(() => tf.cast(tf.topk(stream.uniform([vocabSize, numExperts]), topK).indices, 'float32')))

/**
 * The experts of the tokens that are now passed: int32 [N, K].
 * @param x [N, C]
 * @throws ConfigError if the context has no token ids, one for each row of x
 */
export function chosenByTable(table: Variable, x: Tensor, { tokenIds }: Context): Tensor {
  const [N = 0] = x.shape
  if (tokenIds?.size !== N)
    throw new ConfigError(`router hash: got ${tokenIds?.size ?? 'no'} token ids, expected one for each of ${N} tokens`)
  return tf.cast(tf.gather(table, tf.reshape(tokenIds, [N])), 'int32')
}

/** @throws ConfigError outside a language model, whose tokens have ids */
export function requireVocabulary(router: string, vocabSize: number | undefined): number {
  if (vocabSize === undefined)
    throw new ConfigError(`router: got ${router} without a vocabSize, expected a language model, whose tokens have ids`)
  return vocabSize
}

/** A router that looks ids up in a table. */
export class HashRouter extends Module implements RouterModule {
  /** The experts of each id, float32 [V, K]; saved with the checkpoint. */
  readonly table: Variable

  /** @throws ConfigError if topK is not from 1 to numExperts */
  constructor(
    vocabSize: number,
    readonly numExperts: number,
    readonly topK: number,
    stream: RandomStream,
  ) {
    super()
    checkTopK(numExperts, topK)
    this.table = hashTable(vocabSize, numExperts, topK, stream)
  }

  /**
   * e = table[id]; G(x) = 1 / K
   * @throws ConfigError if the context has no token ids, one for each row of x
   */
  forward(x: Tensor, ctx: Context): Routing {
    const [N = 0] = x.shape
    const experts = chosenByTable(this.table, x, ctx) // [N, K]
    return { experts, gates: tf.fill([N, this.topK], 1 / this.topK), logits: tf.zeros([N, this.numExperts]) }
  }
}

const make: Make<HashRouter> = ({ vocabSize, numExperts, topK }, stream) =>
  new HashRouter(requireVocabulary('hash', vocabSize), numExperts, topK, stream)

export const hashRouter = Object.assign(make, { comparesScores: false } satisfies RouterTraits)
