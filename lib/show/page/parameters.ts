/**
 * What the engine computes with, read from a checkpoint's tensors and checked: PyTorch's names and layouts, a Linear's weight is [out, in].
 * A tensor that is missing, of another shape, or left over is refused: then the model is not what its config says.
 */
import type { Linear, MakeLinear, Norm } from './ops'
import { experts, norms, part } from './parts'

/** What the engine reads of a model's config. */
export interface EngineConfig {
  readonly vocabSize: number
  readonly blockSize: number
  readonly nEmbed: number
  readonly nHead: number
  readonly nLayer: number
  readonly numExperts: number
  readonly topK: number
  readonly router: string
  readonly firstRouters?: string | undefined
  readonly expert: string
  readonly expertWidth?: number | undefined
  readonly sharedExperts: number
  readonly balance: string
  readonly attentionScale: string
  readonly noiseMode: string
  readonly capacityMode: string
  readonly capacityFactor?: number | undefined
  readonly evalCapacityFactor?: number | undefined
  readonly minCapacity: number
  readonly dropPolicy: string
  readonly gatesAfterDrop?: string | undefined
  readonly positions?: string | undefined
  readonly norm?: string | undefined
  readonly qkNorm?: string | undefined
  readonly ngram?: number | undefined
}

/** Named tensors; a `Map` is one. `get` may compute a tensor when it is asked for. */
export interface Weights {
  keys(): Iterable<string>
  get(name: string): { readonly shape: readonly number[]; readonly values: Float32Array } | undefined
}

export interface LayerParameters {
  readonly ln1: Norm
  /** Queries of all heads, then keys, then values. C -> 3C */
  readonly qkv: Linear
  /** Of one head's query and key; absent: they stay as they are. */
  readonly queryNorm: Norm | undefined
  readonly keyNorm: Norm | undefined
  readonly proj: Linear
  readonly ln2: Norm
  /** C -> E; absent where a table decides, and gates are equal. */
  readonly router: Linear | undefined
  /** A hash router's table: the experts of each token id, best first. [V, K] */
  readonly table: Float32Array | undefined
  /** C -> E; only where routing is noisy in evaluation too. */
  readonly noise: Linear | undefined
  /** What a balancing method adds to the scores that experts are chosen by. [E] */
  readonly bias: Float32Array | undefined
  readonly experts: readonly Linear[]
  /** Those that every token passes through. */
  readonly shared: readonly Linear[]
}

export interface Parameters {
  /** [V, C] */
  readonly tokens: Float32Array
  /** [blockSize, C]; absent: queries and keys are rotated. */
  readonly positions: Float32Array | undefined
  /** [ngramRows, C]; absent: tokens have no embedding together. */
  readonly ngrams: Float32Array | undefined
  readonly layers: readonly LayerParameters[]
  readonly lnFinal: Norm
  readonly head: Linear
  /** The names of the tensors that were read. */
  readonly tensors: ReadonlySet<string>
}

/** Rows of the table of n-grams. */
export const ngramRows = 16381

/** Whether a router of this config draws noise in evaluation. */
export const isNoisy = ({ router, noiseMode }: EngineConfig): boolean => router === 'noisy-topk' && noiseMode === 'always'

/** @throws Error that says which tensor is missing, of another shape, or unknown */
export function readParameters(config: EngineConfig, weights: Weights, makeLinear: MakeLinear): Parameters {
  const { vocabSize, blockSize, nEmbed: C, nHead, nLayer, numExperts: E, topK: K } = config
  const unread = new Set(weights.keys())
  const tensors = new Set<string>()
  const get = (name: string, ...shape: number[]): Float32Array => {
    const tensor = weights.get(name)
    if (!tensor) throw new Error(`the checkpoint has no tensor ${name}, expected one of shape [${shape}]`)
    if (tensor.shape.join() !== shape.join()) throw new Error(`the checkpoint's ${name} has shape [${tensor.shape}], expected [${shape}]`)
    unread.delete(name)
    tensors.add(name)
    return tensor.values
  }
  const makeNorm = part('norm', norms, config.norm ?? 'layer')
  const norm = (name: string): Norm => makeNorm((learned) => get(`${name}.${learned}`, C))
  const headNorm = (name: string): Norm | undefined =>
    config.qkNorm === 'rms' ? norms.rms(() => get(`${name}.weight`, C / nHead)) : undefined
  const linear = (name: string, nIn: number, nOut: number): Linear =>
    makeLinear(get(`${name}.weight`, nOut, nIn), get(`${name}.bias`, nOut))
  const qkv = (name: string): Linear => {
    const size = (C / nHead) * C
    const weight = new Float32Array(3 * C * C)
    for (const [i, role] of ['query', 'key', 'value'].entries())
      for (let h = 0; h < nHead; h++) {
        weight.set(get(`${name}.heads.${h}.${role}.weight`, C / nHead, C), (i * nHead + h) * size)
        unread.delete(`${name}.heads.${h}.tril`) // the causal mask, which we do not need
      }
    return makeLinear(weight, new Float32Array(3 * C))
  }
  const makeExpert = part('expert', experts, config.expert)
  const hashed = ['hash', 'hash-gated'].includes(config.router)
  const layer = (l: number): LayerParameters => {
    const at = `blocks.${l}`
    const mixture = `${at}.smoe`
    const expertsOf = (name: string, count: number): Linear[] =>
      Array.from({ length: count }, (_, e) => makeExpert(`${mixture}.${name}.${e}`, linear, C, config.expertWidth))
    const noise = isNoisy(config) ? linear(`${mixture}.router.noise_linear`, C, E) : undefined
    if (config.router === 'noisy-topk') for (const name of ['weight', 'bias']) unread.delete(`${mixture}.router.noise_linear.${name}`) // else for training alone
    return {
      ln1: norm(`${at}.ln1`),
      qkv: qkv(`${at}.sa`),
      queryNorm: headNorm(`${at}.sa.q_norm`),
      keyNorm: headNorm(`${at}.sa.k_norm`),
      proj: linear(`${at}.sa.proj`, C, C),
      ln2: norm(`${at}.ln2`),
      router: config.router === 'hash' ? undefined : linear(`${mixture}.router.topkroute_linear`, C, E),
      table: hashed ? get(`${mixture}.router.table`, vocabSize, K) : undefined,
      noise,
      bias: /\b(bias|quantile)\b/.test(config.balance) ? get(`${mixture}.balancing.bias`, E) : undefined,
      experts: expertsOf('experts', E),
      shared: expertsOf('shared', config.sharedExperts),
    }
  }
  const parameters = {
    tokens: get('token_embedding_table.weight', vocabSize, C),
    positions: config.positions === 'rope' ? undefined : get('position_embedding_table.weight', blockSize, C),
    ngrams: (config.ngram ?? 1) > 1 ? get('ngram_embedding_table.weight', ngramRows, C) : undefined,
    layers: Array.from({ length: nLayer }, (_, l) => layer(l)),
    lnFinal: norm('ln_f'),
    head: linear('lm_head', C, vocabSize),
    tensors,
  }
  const [extra] = unread
  if (extra !== undefined) throw new Error(`the checkpoint has ${unread.size} tensors that this engine does not know, ${extra} for one`)
  return parameters
}
