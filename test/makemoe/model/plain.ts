/** The model on plain numbers in double precision, written from the papers' equations, as a reference that shares nothing with lib. */
import type { LanguageModelConfig } from 'makemoe'

type Row = number[]
export type Weights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: ArrayLike<number> }>

const sum = (xs: Row): number => xs.reduce((a, b) => a + b, 0)
const plus = (a: Row, b: Row): Row => a.map((x, i) => x + (b[i] as number))
const times = (a: Row, k: number): Row => a.map((x) => x * k)
const dot = (a: Row, b: Row): number => sum(a.map((x, i) => x * (b[i] as number)))
const same = (x: Row): Row => x
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const softmax = (xs: Row): Row => {
  const largest = Math.max(...xs)
  const all = xs.map((x) => Math.exp(x - largest))
  return times(all, 1 / sum(all))
}

/** erf in double precision: e^(-x^2) 2 / sqrt(pi) * sum of 2^n x^(2n+1) / (1 3 5 ... (2n+1)) (Abramowitz & Stegun 1964, 7.1.6). */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x)
  let [term, total] = [x, 0]
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    total += term
    term *= (2 * x * x) / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total
}

/** What a layer drew, if it drew. */
export interface Draws {
  /** For the router: [N * E]; N(0, 1) if it is noisy, uniform if it is random. */
  readonly router?: ArrayLike<number>
  /** For the drop policy random: uniform, [N * K], choice by choice. */
  readonly policy?: ArrayLike<number>
}

/** The capacity factor that holds; undefined: none. */
export function capacityFactorOf(config: LanguageModelConfig, training: boolean): number | undefined {
  if (training) return config.capacityFactor
  return config.evalCapacityFactor ?? (config.capacityMode === 'always' ? config.capacityFactor : undefined)
}

export interface PlainResult {
  readonly loss: number
  /** The sum of the switch losses of the layers, before their weight. */
  readonly switchLoss: number
  /** How far the closest decision was from going the other way. */
  readonly margin: number
  readonly load: readonly number[][]
}

/**
 * The loss of a batch without dropout.
 * @param state weights under PyTorch's names, [out, in]
 * @param drawn of each layer
 */
export function plainLoss(
  config: LanguageModelConfig,
  state: Weights,
  x: number[][],
  y: number[][],
  training: boolean,
  drawn: readonly Draws[] = [],
): PlainResult {
  const { nEmbed: C, nHead: H, numExperts: E, topK: K } = config
  const D = C / H
  let margin = Number.POSITIVE_INFINITY
  let switchLoss = 0
  const load: number[][] = []
  const get = (name: string): ArrayLike<number> => {
    const found = state.get(name)
    if (!found) throw new Error(`no ${name}`)
    return found.values
  }
  const matrix = (name: string): Row[] => {
    const [rows = 0, columns = 0] = state.get(name)?.shape ?? []
    const values = get(name)
    return Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => values[r * columns + c] as number))
  }
  const linear = (name: string): ((x: Row) => Row) => {
    const [weight, bias] = [matrix(`${name}.weight`), Array.from(get(`${name}.bias`))]
    return (x) => weight.map((row, o) => dot(row, x) + (bias[o] as number))
  }
  const rmsNorm = (name: string): ((x: Row) => Row) => {
    const gain = get(`${name}.weight`)
    return (x) => x.map((v, c) => (v / Math.sqrt(dot(x, x) / x.length + 1e-5)) * (gain[c] as number))
  }
  const norm = (name: string): ((x: Row) => Row) => {
    if (config.norm === 'rms') return rmsNorm(name)
    const [gain, bias] = [get(`${name}.weight`), get(`${name}.bias`)]
    return (x) => {
      const mean = sum(x) / C
      const deviation = Math.sqrt(sum(x.map((v) => (v - mean) ** 2)) / C + 1e-5)
      return x.map((v, c) => ((v - mean) / deviation) * (gain[c] as number) + (bias[c] as number))
    }
  }
  /** Each pair of numbers as a complex one, times e^(i t theta). */
  const turned = (x: Row, t: number): Row =>
    x.map((v, i) => {
      const [half, d] = [D / 2, i % (D / 2)]
      const angle = t / 10_000 ** (d / half)
      return i < half
        ? v * Math.cos(angle) - (x[d + half] as number) * Math.sin(angle)
        : v * Math.cos(angle) + (x[d] as number) * Math.sin(angle)
    })
  const attention = (at: string): ((rows: Row[]) => Row[]) => {
    const heads = Array.from({ length: H }, (_, h) => ['query', 'key', 'value'].map((role) => matrix(`${at}.heads.${h}.${role}.weight`)))
    const proj = linear(`${at}.proj`)
    const scale = 1 / Math.sqrt(config.attentionScale === 'nEmbed' ? C : D)
    const [queryNorm, keyNorm] = config.qkNorm === 'rms' ? [rmsNorm(`${at}.q_norm`), rmsNorm(`${at}.k_norm`)] : [same, same]
    const positioned = config.positions === 'rope' ? turned : same
    return (rows) => {
      const mixed: Row[] = rows.map(() => [])
      const products = heads.map((head) => head.map((w) => rows.map((x) => w.map((row) => dot(row, x))))) as [Row[], Row[], Row[]][]
      for (const [q, k, v] of products.map(([q, k, v]) => [q.map(queryNorm).map(positioned), k.map(keyNorm).map(positioned), v] as const))
        for (const [t, query] of q.entries()) {
          const weights = softmax(k.slice(0, t + 1).map((key) => dot(query, key) * scale))
          mixed[t]?.push(...weights.map((w, s) => times(v[s] as Row, w)).reduce(plus))
        }
      return mixed.map(proj)
    }
  }
  const expert = (at: string): ((x: Row) => Row) => {
    if (config.expert === 'relu') {
      const [up, down] = [linear(`${at}.net.0`), linear(`${at}.net.2`)]
      return (x) => down(up(x).map((v) => Math.max(0, v)))
    }
    if (config.expert === 'relu2') {
      const [up, down] = [linear(`${at}.net.0`), linear(`${at}.net.2`)]
      return (x) => down(up(x).map((v) => (v > 0 ? v * v : 0)))
    }
    if (config.expert === 'gelu') {
      const [up, down] = [linear(`${at}.net.0`), linear(`${at}.net.2`)]
      return (x) => down(up(x).map((v) => 0.5 * v * (1 + erf(v / Math.SQRT2))))
    }
    const [gate, up, down] = [linear(`${at}.gate`), linear(`${at}.up`), linear(`${at}.down`)]
    return (x) => {
      const g = gate(x)
      return down(up(x).map((v, i) => v * (g[i] as number) * sigmoid(g[i] as number)))
    }
  }
  /** All tokens of the batch at once, since they compete for capacity. */
  const mixture = (at: string, layer: number, rows: Row[]): Row[] => {
    const { router } = config
    const draws = drawn[layer]
    const clean = router === 'hash' || router === 'random' ? () => new Array<number>(E).fill(0) : linear(`${at}.router.topkroute_linear`)
    const noisy = router === 'noisy-topk' && (training || config.noiseMode === 'always')
    const scaleOf = noisy ? linear(`${at}.router.noise_linear`) : undefined
    const byTable = router === 'hash' || router === 'hash-gated'
    const table = byTable ? matrix(`${at}.router.table`).map((row) => row.map(Math.round)) : []
    const logitsOf = rows.map(clean)
    const pairs: { token: number; choice: number; expert: number; gate: number }[] = []
    const P: Row = new Array(E).fill(0)
    /** What the experts are compared by, for one token. */
    const scoresOf = (token: number): Row => {
      const logits = logitsOf[token] as Row
      if (router === 'sigmoid') return logits.map(sigmoid)
      if (router === 'switch' || router === 'expert-choice') return softmax(logits)
      if (router === 'hash') return logits.map((_, e) => ((table[x.flat()[token] as number] as Row).includes(e) ? 1 : 0))
      if (router === 'hash-gated') return logits.map((logit) => Math.sqrt(Math.log1p(Math.exp(logit))))
      if (router === 'random') return logits.map((_, e) => draws?.router?.[token * E + e] as number)
      if (!scaleOf) return logits
      const scales = scaleOf(rows[token] as Row)
      return logits.map((logit, e) => logit + (draws?.router?.[token * E + e] as number) * Math.log1p(Math.exp(scales[e] as number)))
    }
    const gatesOf = (kept: Row): Row => {
      if (router === 'sigmoid' || router === 'hash-gated') return kept.map((score) => score / sum(kept)) // exactly 1 where it is alone
      if (router === 'switch') return kept
      return router === 'hash' || router === 'random' ? kept.map(() => 1 / K) : softmax(kept)
    }
    const scores = rows.map((_, token) => scoresOf(token))
    const note = (better: number | undefined, worse: number | undefined): void => {
      if (better !== undefined && worse !== undefined) margin = Math.min(margin, Math.abs(better - worse))
    }
    for (const [token, own] of scores.entries()) {
      const full = router === 'sigmoid' || router === 'hash-gated' ? times(own, 1 / sum(own)) : softmax(logitsOf[token] as Row)
      for (let e = 0; e < E; e++) P[e] = (P[e] as number) + (full[e] as number) / rows.length
      if (router === 'expert-choice') continue
      const ranked = own.map((score, e) => ({ score, e })).sort((a, b) => b.score - a.score)
      if (!byTable && router !== 'random') for (let k = 0; k < K; k++) note(ranked[k]?.score, ranked[k + 1]?.score)
      const kept = byTable ? (table[x.flat()[token] as number] as Row) : ranked.slice(0, K).map(({ e }) => e)
      const gates = gatesOf(kept.map((e) => own[e] as number))
      for (const [choice, e] of kept.entries()) pairs.push({ token, choice, expert: e, gate: gates[choice] as number })
    }
    if (router === 'expert-choice')
      for (let e = 0; e < E; e++) {
        const ranked = scores.map((own, token) => ({ token, gate: own[e] as number })).sort((a, b) => b.gate - a.gate)
        const served = Math.max(1, Math.floor((rows.length * K) / E))
        note(ranked[served - 1]?.gate, ranked[served]?.gate)
        pairs.push(...ranked.slice(0, served).map(({ token, gate }) => ({ token, choice: 0, expert: e, gate })))
      }
    const counts = (list: typeof pairs): Row => Array.from({ length: E }, (_, e) => list.filter((pair) => pair.expert === e).length)
    switchLoss += E * dot(times(counts(pairs), 1 / pairs.length), P)
    const factor = capacityFactorOf(config, training)
    const counting = factor !== undefined
    const limit = counting ? Math.max(config.minCapacity, Math.floor(((rows.length * K) / E) * factor)) : pairs.length
    if (config.dropPolicy === 'rank') pairs.sort((a, b) => a.choice - b.choice || b.gate - a.gate || a.token - b.token)
    const place = ({ token, choice }: { token: number; choice: number }): number => draws?.policy?.[choice * rows.length + token] as number
    if (counting && config.dropPolicy === 'random') pairs.sort((a, b) => place(b) - place(a))
    const equalGates = router === 'hash' || router === 'random' || (K === 1 && router !== 'switch')
    if (counting && config.dropPolicy === 'rank' && !equalGates)
      for (const [i, pair] of pairs.slice(1).entries()) if (pair.choice === pairs[i]?.choice) note(pairs[i]?.gate, pair.gate)
    const served = pairs.filter((pair, i) => pairs.slice(0, i).filter((other) => other.expert === pair.expert).length < limit)
    load.push(counts(served))
    const routed = Array.from({ length: E }, (_, e) => expert(`${at}.experts.${e}`))
    const shared = Array.from({ length: config.sharedExperts }, (_, s) => expert(`${at}.shared.${s}`))
    const out = rows.map((x) => shared.map((f) => f(x)).reduce(plus, new Array(C).fill(0)))
    for (const pair of served) {
      const row = (routed[pair.expert] as (x: Row) => Row)(rows[pair.token] as Row)
      const of = (list: typeof pairs): number => sum(list.filter(({ token }) => token === pair.token).map(({ gate }) => gate))
      const scale = counting && config.gatesAfterDrop === 'renormalized' ? of(pairs) / of(served) : 1
      out[pair.token] = plus(out[pair.token] as Row, times(row, pair.gate * scale))
    }
    return out
  }

  const tokens = matrix('token_embedding_table.weight')
  const positions =
    config.positions === 'rope' ? x.flat().map(() => new Array<number>(C).fill(0)) : matrix('position_embedding_table.weight')
  const { ngram = 1 } = config
  const ngrams = ngram > 1 ? matrix('ngram_embedding_table.weight') : []
  const ngramOf = (ids: readonly number[], t: number): Row => {
    if (ngram === 1) return new Array<number>(C).fill(0)
    const digits = Array.from({ length: ngram }, (_, j) => BigInt((ids[t - j] ?? -1) + 1))
    const number = digits.reduce((all, digit, j) => all + digit * BigInt(config.vocabSize + 1) ** BigInt(j), 0n)
    return ngrams[Number(number % 16381n)] as Row
  }
  let batch = x.map((ids) => ids.map((id, t) => plus(plus(tokens[id] as Row, positions[t] as Row), ngramOf(ids, t))))
  for (let layer = 0; layer < config.nLayer; layer++) {
    const at = `blocks.${layer}`
    const [ln1, ln2, attend] = [norm(`${at}.ln1`), norm(`${at}.ln2`), attention(`${at}.sa`)]
    batch = batch.map((rows) => {
      const attended = attend(rows.map(ln1))
      return rows.map((row, t) => plus(row, attended[t] as Row))
    })
    const mixed = mixture(`${at}.smoe`, layer, batch.flat().map(ln2))
    batch = batch.map((rows, b) => rows.map((row, t) => plus(row, mixed[b * rows.length + t] as Row)))
  }
  const [lnFinal, head] = [norm('ln_f'), linear('lm_head')]
  const losses = batch.flatMap((rows, b) => rows.map((row, t) => -Math.log(softmax(head(lnFinal(row)))[y[b]?.[t] as number] as number)))
  return { loss: sum(losses) / losses.length, switchLoss, margin, load }
}
