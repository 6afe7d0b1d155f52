/**
 * How the weights of a whole model start: one initializer for each role.
 */
import type { MixtureInit } from '../moe/contracts'
import { type Initializer, kaimingNormal, lecunNormal, normalInit, xavierNormal, zeros } from '../nn/initializers'

/** An initializer for each role that a weight can have. */
export interface ModelInit extends MixtureInit {
  /** Queries, keys, values. */
  readonly attention: Initializer
  /** The layers that write to the residual stream: attention's projection, and each expert's second layer. */
  readonly residual: Initializer
  readonly embedding: Initializer
  /** The last layer, whose outputs are the logits. */
  readonly head: Initializer
}

/** The original's: Kaiming-normal for every Linear, router and head included, and N(0, 1) for embeddings. The first loss is about 5.3. */
export const kaimingInit: ModelInit = {
  attention: kaimingNormal,
  residual: kaimingNormal,
  expert: kaimingNormal,
  router: kaimingNormal,
  embedding: normalInit(1),
  head: kaimingNormal,
}

/**
 * Kaiming for the layers of the residual branches, as the original, but N(0, 1 / fanIn) for queries, keys and values, which no ReLU follows
 * (scores start with deviation 1 at scale 1 / sqrt(headSize)), and small weights for router and head: the first loss is about ln V, and
 * no expert starts with an advantage.
 */
export const scaledInit: ModelInit = {
  ...kaimingInit,
  attention: lecunNormal,
  router: normalInit(0.02),
  head: normalInit(0.02),
}

/** Xavier for attention and experts (Glorot & Bengio 2010, eq. 12), router and head as in `scaledInit`. */
export const xavierInit: ModelInit = { ...scaledInit, attention: xavierNormal, expert: xavierNormal, residual: xavierNormal }

/**
 * `xavierInit` with zeros in the layers that write to the residual stream, so that each block starts as the identity, but for the biases
 * (Goyal et al. 2017, 1706.02677, section 5.1; Zhang et al. 2019, Fixup, 1901.09321).
 */
export const zeroResidualInit: ModelInit = { ...xavierInit, residual: zeros }

/** The initializations by name: config field `initialization`, option `--initialization`. A new one is a line here. */
export const initializations = {
  scaled: scaledInit,
  kaiming: kaimingInit,
  xavier: xavierInit,
  'zero-residual': zeroResidualInit,
} as const satisfies Record<string, ModelInit>
