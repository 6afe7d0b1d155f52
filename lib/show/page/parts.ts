/** The parts of a mixture that the engine knows by name, as lib/makemoe/moe does: a router, an expert or a drop policy is an entry of its table. */
import { erf, type Linear, layerNorm, type Norm, rmsNorm, sigmoid, softmax, softplus } from './ops'

/** A router's decision for one token, from its E logits (with noise, where there is some). */
export interface Router {
  /** What the K experts are chosen by: the largest of these. [E] */
  readonly scores: (logits: Float32Array) => Float32Array
  /** The gates of the chosen experts, from the scores or the logits. [K] */
  readonly gates: (scores: Float32Array, chosen: readonly number[], logits: Float32Array) => Float32Array
}

const pick = (values: Float32Array, chosen: readonly number[]): Float32Array => Float32Array.from(chosen, (e) => values[e])

/** Softmax over the k largest logits (Shazeer et al. 2017, section 2.1). */
const topKGating: Router = { scores: (logits) => logits, gates: (logits, chosen) => softmax(pick(logits, chosen)) }

export const routers: Readonly<Record<string, Router>> = {
  'noisy-topk': topKGating,
  topk: topKGating,
  /** Sigmoids, normalized (DeepSeek-V3, 2412.19437, section 2.1.2). */
  sigmoid: {
    scores: (logits) => logits.map(sigmoid),
    // s / sum of s = softmax(log s), where log s = -softplus(-logit): also where every s is too small for a number.
    gates: (_, chosen, logits) => softmax(pick(logits, chosen).map((logit) => -softplus(-logit))),
  },
  /** The probability among all experts (Fedus et al. 2021, section 2.1). */
  switch: { scores: (logits) => softmax(logits.slice()), gates: pick },
  /** By the token's id, gates equal (Roller et al. 2021, 2106.04426); a table stands in for the logits. */
  hash: { scores: (logits) => logits, gates: (_, chosen) => new Float32Array(chosen.length).fill(1 / chosen.length) },
  /** By the token's id, gates from roots of softplus, normalized. */
  'hash-gated': {
    scores: (logits) => logits,
    gates: (_, chosen, logits) => softmax(pick(logits, chosen).map((logit) => 0.5 * Math.log(Math.max(softplus(logit), 1e-30)))),
  },
}

/** Routers that cannot run here, and why. */
export const refusedRouters: Readonly<Record<string, string>> = {
  'expert-choice': 'its experts choose among all tokens, later ones too, so that it cannot write',
  random: 'it draws its experts anew in each pass, so that there is nothing to show',
}

/** Reads the Linear of this name and size from the weights. */
export type ReadLinear = (name: string, nIn: number, nOut: number) => Linear
/** An expert of C inputs and outputs; without a width, its kind's own. */
export type MakeExpert = (name: string, linear: ReadLinear, C: number, width: number | undefined) => Linear

export const experts: Readonly<Record<string, MakeExpert>> = {
  /** max(0, x W1 + b1) W2 + b2 (Vaswani et al. 2017, section 3.3) */
  relu(name, linear, C, width = 4 * C) {
    const up = linear(`${name}.net.0`, C, width)
    const down = linear(`${name}.net.2`, width, C)
    return (x, rows) => {
      const hidden = up(x, rows)
      for (let i = 0; i < hidden.length; i++) if (hidden[i] < 0) hidden[i] = 0
      return down(hidden, rows)
    }
  },
  /** gelu(x W1 + b1) W2 + b2, with gelu(x) = x Phi(x) (Hendrycks & Gimpel 2016) */
  gelu(name, linear, C, width = 4 * C) {
    const up = linear(`${name}.net.0`, C, width)
    const down = linear(`${name}.net.2`, width, C)
    return (x, rows) => {
      const hidden = up(x, rows)
      for (let i = 0; i < hidden.length; i++) hidden[i] *= 0.5 * (1 + erf(hidden[i] * Math.SQRT1_2))
      return down(hidden, rows)
    }
  },
  /** (silu(x Wg + bg) * (x W1 + b1)) W2 + b2 (Shazeer 2020, 2002.05202, eq. 6) */
  swiglu(name, linear, C, width = Math.round((8 * C) / 3)) {
    const gate = linear(`${name}.gate`, C, width)
    const up = linear(`${name}.up`, C, width)
    const down = linear(`${name}.down`, width, C)
    return (x, rows) => {
      const hidden = up(x, rows)
      const gates = gate(x, rows)
      for (let i = 0; i < hidden.length; i++) hidden[i] *= gates[i] * sigmoid(gates[i])
      return down(hidden, rows)
    }
  },
  /** max(0, x W1 + b1)^2 W2 + b2 (So et al. 2021, 2109.08668, section 4.1) */
  relu2(name, linear, C, width = 4 * C) {
    const up = linear(`${name}.net.0`, C, width)
    const down = linear(`${name}.net.2`, width, C)
    return (x, rows) => {
      const hidden = up(x, rows)
      for (let i = 0; i < hidden.length; i++) hidden[i] = Math.max(hidden[i], 0) ** 2
      return down(hidden, rows)
    }
  },
}

/** Makes a normalization of rows; `read` gives what it learned by name: `weight`, `bias`. */
export type MakeNorm = (read: (name: string) => Float32Array) => Norm

export const norms: Readonly<Record<string, MakeNorm>> = {
  layer(read) {
    const [gain, bias] = [read('weight'), read('bias')]
    return (x) => layerNorm(x, gain, bias)
  },
  rms(read) {
    const gain = read('weight')
    return (x) => rmsNorm(x, gain)
  },
}

/** A token's k-th choice. */
export interface Pair {
  readonly row: number
  readonly k: number
  readonly expert: number
  readonly gates: Float32Array
}

/** The order in which a full expert's tokens are served; negative if a comes first. */
export const dropPolicies: Readonly<Record<string, (a: Pair, b: Pair) => number>> = {
  order: (a, b) => a.row - b.row || a.k - b.k,
  rank: (a, b) => a.k - b.k || b.gates[b.k] - a.gates[a.k] || a.row - b.row,
}

/** Looks a part up. @throws Error that names those there are */
export function part<Part>(kind: string, table: Readonly<Record<string, Part>>, name: string): Part {
  if (!Object.hasOwn(table, name)) throw new Error(`${kind}: the engine has ${Object.keys(table).join(', ')}; this model has ${name}`)
  return table[name]
}
