/**
 * The whole forward pass of the model on plain arrays: token ids in, logits for the next token out. It reads beside the papers (Vaswani et
 * al. 2017; Shazeer et al. 2017), runs in a browser, and is a second opinion on what TensorFlow computes. Evaluation only: no dropout, no
 * gradient, one sequence at a time. Routing noise and dropped tokens only where the config wants them in evaluation too, as the original
 * does. Weights have PyTorch's names and layouts: a Linear's is [out, in].
 */
import { add, type MakeLinear, plainLinear, rotate, softmax, softplus } from './ops'
import { type EngineConfig, isNoisy, type LayerParameters, ngramRows, type Parameters, readParameters, type Weights } from './parameters'
import { dropPolicies, type Pair, part, type Router, refusedRouters, routers } from './parts'

/** What a layer's router decided for one position. */
export interface Routing {
  readonly layer: number
  readonly position: number
  /** The router's logits of all experts, before noise. [E] */
  readonly logits: Float32Array
  /** The chosen experts, best first. [K] */
  readonly experts: readonly number[]
  /** How much each of them counts; 0 if it was full and dropped this token. [K] */
  readonly gates: Float32Array
}

/** A text in the making: what is known of its positions so far, and the experts that are switched off for it. */
export interface Sequence {
  ids: readonly number[]
  /** Each layer's, [T, C]. */
  readonly keys: readonly Float32Array[]
  readonly values: readonly Float32Array[]
  /** layer * numExperts + expert; after a change, set `ids` to []. */
  readonly off: Set<number>
}

export interface ForwardOptions {
  /** Called for each layer and each position that is computed. */
  readonly observe?: (routing: Routing) => void
  /** Draws from N(0, 1), for routing noise. */
  readonly normal?: () => number
}

/** Scores that make a hash router's choice: K for the first expert of a token's id, down to 1 for its last. [rows, E] */
function lookUp(ids: readonly number[], table: Float32Array, E: number, K: number): Float32Array {
  const scores = new Float32Array(ids.length * E)
  for (const [row, id] of ids.entries()) for (let k = 0; k < K; k++) scores[row * E + table[id * K + k]] = K - k
  return scores
}

/** The row of the n-gram that ends at t: its ids, plus 1 (0: none), are the digits of a number to the base V + 1, modulo the rows. */
function ngramRow(ids: readonly number[], t: number, { ngram = 1, vocabSize }: EngineConfig): number {
  let row = 0
  for (let i = t - ngram + 1; i <= t; i++) row = (row * ((vocabSize + 1) % ngramRows) + (i < 0 ? 0 : ids[i] + 1)) % ngramRows
  return row
}

/** The model. T positions, C nEmbed, D head size, E experts, K of them chosen, V vocabulary. */
export class Engine {
  /** The names of the tensors that it computes with. */
  readonly tensors: ReadonlySet<string>
  /** Whether a position's output stays when the text grows, so that its keys and values can be kept. */
  readonly cacheable: boolean
  private readonly parameters: Parameters
  private readonly router: Router
  private readonly dropOrder: (a: Pair, b: Pair) => number
  /** Tokens that an expert serves at most among T. */
  private readonly capacity: (T: number) => number

  /**
   * @param makeLinear the plain loop, or kernel.ts's
   * @throws Error if the engine cannot run this checkpoint, with the reason
   */
  constructor(
    readonly config: EngineConfig,
    weights: Weights,
    makeLinear: MakeLinear = plainLinear,
  ) {
    const { numExperts, topK, minCapacity, capacityFactor, evalCapacityFactor, capacityMode, router, firstRouters = 'none' } = config
    if (firstRouters !== 'none') throw new Error(`first routers ${firstRouters}: the engine has one router for all layers`)
    if (Object.hasOwn(refusedRouters, router)) throw new Error(`router ${router}: ${refusedRouters[router]}`)
    this.router = part('router', routers, config.router)
    this.parameters = readParameters(config, weights, makeLinear)
    this.tensors = this.parameters.tensors
    const factor = evalCapacityFactor ?? (capacityMode === 'always' ? capacityFactor : undefined) ?? Number.POSITIVE_INFINITY
    this.dropOrder = factor === Number.POSITIVE_INFINITY ? () => 0 : part('drop policy', dropPolicies, config.dropPolicy)
    this.capacity = (T) => Math.max(minCapacity, Math.floor(((T * topK) / numExperts) * factor))
    this.cacheable = !isNoisy(config) && factor === Number.POSITIVE_INFINITY
  }

  /** An empty text. */
  sequence(): Sequence {
    const { nLayer, blockSize, nEmbed } = this.config
    const rows = (): Float32Array[] => Array.from({ length: nLayer }, () => new Float32Array(blockSize * nEmbed))
    return { ids: [], keys: rows(), values: rows(), off: new Set() }
  }

  /**
   * Logits for the token after each position that is computed. Positions whose tokens equal those of the sequence's last call are not
   * computed again, except the last one.
   * @param ids [T], T from 1 to blockSize
   * @returns [n, V], of the last n positions; n = T for a new sequence
   */
  forward(ids: readonly number[], sequence: Sequence, options: ForwardOptions = {}): Float32Array {
    const { nEmbed: C, vocabSize: V, blockSize } = this.config
    const T = ids.length
    if (T < 1 || T > blockSize) throw new Error(`got ${T} tokens, expected 1 to ${blockSize}`)
    const bad = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < V))
    if (bad !== undefined) throw new Error(`got the token ${bad}, expected 0 to ${V - 1}`)
    let from = 0
    if (this.cacheable) while (from < T - 1 && ids[from] === sequence.ids[from]) from++
    sequence.ids = [] // until the keys and values below are all there

    const { tokens, positions, ngrams, layers, lnFinal, head } = this.parameters
    const n = T - from
    const x = new Float32Array(n * C)
    for (let t = from; t < T; t++) {
      const ngram = ngramRow(ids, t, this.config) * C
      for (let c = 0; c < C; c++)
        x[(t - from) * C + c] = tokens[ids[t] * C + c] + (positions?.[t * C + c] ?? 0) + (ngrams?.[ngram + c] ?? 0)
    }
    for (const [l, layer] of layers.entries()) {
      const { ln1, qkv, proj, ln2 } = layer
      add(x, proj(this.attention(layer, qkv(ln1(x), n), sequence.keys[l], sequence.values[l], from), n))
      add(x, this.mixture(ln2(x), ids, l, from, sequence.off, options))
    }
    sequence.ids = [...ids]
    return head(lnFinal(x), n)
  }

  /**
   * Each position collects the values of the positions up to itself, weighted by how well its query fits their keys.
   * @param qkv [T - from, 3C]; queries and keys are normalized and rotated first, where the model does it
   * @returns [T - from, C]
   */
  private attention(
    { queryNorm, keyNorm }: LayerParameters,
    qkv: Float32Array,
    keys: Float32Array,
    values: Float32Array,
    from: number,
  ): Float32Array {
    const { nEmbed: C, nHead, attentionScale, positions } = this.config
    const D = C / nHead
    const scale = 1 / Math.sqrt(attentionScale === 'nEmbed' ? C : D)
    const y = new Float32Array(qkv.length / 3)
    for (let row = 0, t = from; row < y.length; row += C, t++) {
      const q = 3 * row
      for (const [i, norm] of [queryNorm, keyNorm].entries()) {
        const rows = qkv.subarray(q + i * C, q + (i + 1) * C)
        if (norm) rows.set(norm(rows))
        if (positions === 'rope') rotate(rows, D, t)
      }
      keys.set(qkv.subarray(q + C, q + 2 * C), t * C)
      values.set(qkv.subarray(q + 2 * C, q + 3 * C), t * C)
      for (let h = 0; h < C; h += D) {
        const scores = new Float32Array(t + 1)
        for (let s = 0; s <= t; s++) {
          let score = 0
          for (let d = h; d < h + D; d++) score += qkv[q + d] * keys[s * C + d]
          scores[s] = score * scale
        }
        const weights = softmax(scores)
        for (let s = 0; s <= t; s++) {
          const weight = weights[s]
          for (let d = h; d < h + D; d++) y[row + d] += weight * values[s * C + d]
        }
      }
    }
    return y
  }

  /** Every row goes to the K experts that its router prefers and gets the sum of their outputs, weighted by the gates. */
  private mixture(
    x: Float32Array,
    ids: readonly number[],
    l: number,
    from: number,
    off: ReadonlySet<number>,
    { observe, normal }: ForwardOptions,
  ): Float32Array {
    const { nEmbed: C, numExperts: E } = this.config
    const { experts, shared } = this.parameters.layers[l]
    const rows = x.length / C
    const routings = this.route(x, ids, l, from, off, normal)
    const pairs = routings.flatMap(({ experts, gates }, row) => experts.map((expert, k): Pair => ({ row, k, expert, gates })))
    const limit = this.capacity(rows)
    if (limit < rows) pairs.sort(this.dropOrder)
    const sums = routings.map(({ gates }) => gates.reduce((a, b) => a + b))
    const served: Pair[][] = Array.from({ length: E }, () => [])
    for (const pair of pairs)
      if (served[pair.expert].length < limit) served[pair.expert].push(pair)
      else pair.gates[pair.k] = 0
    if (limit < rows && this.config.gatesAfterDrop === 'renormalized')
      for (const [row, { gates }] of routings.entries()) {
        const kept = gates.reduce((a, b) => a + b)
        for (let k = 0; k < gates.length; k++) gates[k] *= sums[row] / (kept || 1)
      }
    if (observe) for (const routing of routings) observe(routing)

    const y = new Float32Array(x.length)
    for (const [e, expert] of experts.entries()) {
      const input = new Float32Array(served[e].length * C)
      for (const [i, { row }] of served[e].entries()) input.set(x.subarray(row * C, (row + 1) * C), i * C)
      const output = expert(input, served[e].length)
      for (const [i, { row, k, gates }] of served[e].entries()) for (let c = 0; c < C; c++) y[row * C + c] += gates[k] * output[i * C + c]
    }
    for (const expert of shared) add(y, expert(x, rows))
    return y
  }

  /** Each row's K experts, best first, and their gates. */
  private route(
    x: Float32Array,
    ids: readonly number[],
    l: number,
    from: number,
    off: ReadonlySet<number>,
    normal: ForwardOptions['normal'],
  ): Routing[] {
    const { nEmbed: C, numExperts: E, topK } = this.config
    const { router, table, noise, bias } = this.parameters.layers[l]
    if (noise && !normal) throw new Error('this model routes with noise in evaluation too: pass `normal`')
    const alive = Array.from({ length: E }, (_, e) => e).filter((e) => !off.has(l * E + e))
    if (alive.length < topK) throw new Error(`layer ${l} has ${alive.length} experts left, expected at least ${topK}`)
    const rows = x.length / C
    const lookedUp = table && lookUp(ids.slice(from), table, E, topK)
    const allLogits = router?.(x, rows) ?? lookedUp ?? new Float32Array()
    const deviations = noise?.(x, rows).map(softplus)
    return Array.from({ length: rows }, (_, row): Routing => {
      const logits = allLogits.slice(row * E, (row + 1) * E)
      // H(x) = logits + N(0, 1) * softplus(x W_noise) (Shazeer et al. 2017, eq. 4)
      const noisy = deviations && normal ? logits.map((logit, e) => logit + normal() * deviations[row * E + e]) : logits
      const scores = this.router.scores(noisy)
      const biased = bias ? scores.map((score, e) => score + bias[e]) : scores
      const preferences = lookedUp?.subarray(row * E, (row + 1) * E) ?? biased
      const experts = alive.toSorted((a, b) => preferences[b] - preferences[a] || a - b).slice(0, topK)
      return { layer: l, position: from + row, logits, experts, gates: this.router.gates(scores, experts, noisy) }
    })
  }
}
