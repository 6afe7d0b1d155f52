/**
 * The hash router with learned gates: the table of Hash Layers (Roller et al. 2021, 2106.04426) says who serves a token, a linear map how
 * much each of them counts.
 */
import type { RandomStream } from '../../../engine/tensor/streams'
import { type Tensor, tf, type Variable } from '../../../engine/tensor/tf'
import type { Context } from '../../nn/context'
import type { LinearOptions } from '../../nn/linear'
import type { Make, RouterModule, RouterTraits, Routing } from '../contracts'
import { chosenByTable, hashTable, requireVocabulary } from './hash'
import { LinearRouter } from './linear-router'
import { chosenOf, softmaxOfChosen } from './top-k-gating'

/** s / sum of s with s = sqrt(softplus(z)), as softmax(log s); below 1e-30, where a root has no slope, s stays. */
const normalizedRoots = (logits: Tensor): Tensor => softmaxOfChosen(tf.mul(tf.log(tf.maximum(tf.softplus(logits), 1e-30)), 0.5))

/** Experts from a table, gates from the input: $s = \sqrt{\mathrm{softplus}(x W + b)}$, $G(x)_e = s_e / \sum_{chosen} s$. */
export class HashGatedRouter extends LinearRouter implements RouterModule {
  /** The experts of each id, float32 [V, K]; saved with the checkpoint. */
  readonly table: Variable

  /** @throws ConfigError if topK is not from 1 to numExperts */
  constructor(
    nEmbed: number,
    numExperts: number,
    topK: number,
    stream: RandomStream,
    { vocabSize, ...options }: LinearOptions & { readonly vocabSize: number },
  ) {
    super(nEmbed, numExperts, topK, stream, options)
    this.table = hashTable(vocabSize, numExperts, topK, stream)
  }

  /**
   * e = table[id]; s = sqrt(softplus(x W + b)); G(x)_e = s_e / (sum of the k chosen s)
   * @throws ConfigError if the context has no token ids, one for each row of x
   */
  forward(x: Tensor, ctx: Context): Routing {
    const experts = chosenByTable(this.table, x, ctx) // [N, K]
    const logits = this.scores.forward(x) // [N, E]
    return { experts, gates: normalizedRoots(chosenOf(logits, experts)), logits, probabilities: () => normalizedRoots(logits) }
  }
}

const make: Make<HashGatedRouter> = ({ vocabSize, nEmbed, numExperts, topK }, stream, init) =>
  new HashGatedRouter(nEmbed, numExperts, topK, stream, { vocabSize: requireVocabulary('hash-gated', vocabSize), init: init.router })

export const hashGatedRouter = Object.assign(make, { comparesScores: false } satisfies RouterTraits)
