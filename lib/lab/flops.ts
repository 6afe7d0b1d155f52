/** Floating-point operations of one token's forward pass: two for each weight that the token meets in a matrix product, and attention's own. */
import type { SparseMoELanguageModel } from '../makemoe/model/language-model'

/**
 * 2 * (weights of matrices that a token meets) + 4 T C for each layer: scores and weighted sum over all T positions, as they are computed.
 * Biases, norms and embeddings take part in no product. Of routed experts a token meets K of E. A training step costs three times as much:
 * the backward pass has two products for each of the forward's.
 * @returns operations per token
 */
export function flopsPerToken(model: SparseMoELanguageModel): number {
  const { nLayer, nEmbed, blockSize, topK, numExperts } = model.config
  const weights = model.namedParameters().reduce((sum, [name, { shape, size }]) => {
    if (shape.length < 2 || /^(token|position|ngram)Embedding\./.test(name)) return sum
    return sum + (/\.moe\.experts\.\d+\./.test(name) ? (size * topK) / numExperts : size)
  }, 0)
  return 2 * weights + 4 * blockSize * nEmbed * nLayer
}
