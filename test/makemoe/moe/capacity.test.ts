/** Capacity: on routings drawn at random, for every drop policy. */
import fc from 'fast-check'
import {
  combine,
  createStreams,
  dropPolicies,
  expertCapacity,
  presets,
  type RoutingRecord,
  SparseMoELanguageModel,
  type Tensor,
  tf,
  topKGating,
} from 'makemoe'
import { collectRows, dispatchRows, planDispatch, renormalizedGates } from 'makemoe/dist/makemoe/moe/dispatch'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

const policies = Object.keys(dropPolicies) as (keyof typeof dropPolicies)[]
const ctx = { training: true, streams: createStreams(6) }

const routings = fc.record({
  N: fc.integer({ min: 1, max: 12 }),
  E: fc.integer({ min: 1, max: 5 }),
  choices: fc.integer({ min: 1, max: 3 }),
  limit: fc.integer({ min: 0, max: 9 }),
  policy: fc.constantFrom(...policies),
  seed: fc.integer({ min: 0, max: 1e6 }),
})

/** Random logits [N, E], their routing and its plan under a capacity. */
function plan({ N, E, choices, limit, policy, seed }: typeof routings extends fc.Arbitrary<infer Drawn> ? Drawn : never) {
  const logits = tf.randomNormal([N, E], 0, 2, 'float32', seed + 1) as Tensor
  const { experts, gates } = topKGating(logits, Math.min(choices, E))
  return { logits, experts, gates, K: Math.min(choices, E), plan: planDispatch({ experts, gates }, E, { limit, policy }, ctx) }
}

/** Which pairs are served, [N][K]. */
function servedPairs({ slotOfPair, load }: ReturnType<typeof planDispatch>): boolean[][] {
  const S = tf.sum(load).dataSync()[0] as number
  return (tf.transpose(slotOfPair).arraySync() as number[][]).map((row) => row.map((slot) => slot < S))
}

const always = (check: (drawn: Parameters<typeof plan>[0]) => void): void =>
  fc.assert(
    fc.property(routings, (drawn) => tf.tidy(() => check(drawn))),
    { numRuns: 60, seed: 9 },
  )

describe('every drop policy, on random routings', () => {
  test('an expert serves what is asked, or its capacity if that is less; each slot is a pair of its own', () => {
    always((drawn) => {
      const { experts, plan: made } = plan(drawn)
      const chosen = experts.arraySync() as number[][]
      const asked = Array.from({ length: drawn.E }, (_, e) => chosen.flat().filter((choice) => choice === e).length)
      expect(made.demand.arraySync()).toEqual(asked)
      expect(made.load.arraySync()).toEqual(asked.map((count) => Math.min(count, drawn.limit)))
      const served = servedPairs(made)
      const byExpert = Array.from(
        { length: drawn.E },
        (_, e) => chosen.flatMap((row, n) => row.filter((choice, k) => choice === e && served[n]?.[k])).length,
      )
      expect(byExpert).toEqual(made.load.arraySync())
      expect(new Set(made.pairOfSlot.dataSync()).size).toBe(made.pairOfSlot.size)
    })
  })
  test('no gradient for a dropped choice: not for its gate, nor, through renormalized gates, for its logit', () => {
    always((drawn) => {
      const { logits, gates, K, plan: made } = plan(drawn)
      const x = tf.randomNormal([drawn.N, 3], 0, 1, 'float32', 4) as Tensor
      const served = servedPairs(made)
      const rows = collectRows(dispatchRows(x, made), made) // as if each expert were the identity
      const byGate = tf
        .grad((gates) => tf.sum(combine(rows, gates)))(gates)
        .arraySync() as number[][]
      for (const [n, row] of served.entries())
        for (const [k, kept] of row.entries()) if (!kept) expect(Math.abs(byGate[n]?.[k] ?? Number.NaN)).toBe(0)
      const renormalized = (logits: Tensor): Tensor =>
        tf.sum(tf.mul(renormalizedGates(topKGating(logits, K).gates, made), tf.randomNormal([drawn.N, K], 0, 1, 'float32', 5)))
      const byLogit = tf.grad(renormalized)(logits).arraySync() as number[][]
      const { experts } = topKGating(logits, K)
      for (const [n, row] of (experts.arraySync() as number[][]).entries())
        for (const [k, e] of row.entries()) if (!served[n]?.[k]) expect(Math.abs(byLogit[n]?.[e] as number)).toBeLessThan(1e-6)
    })
  })
  test("renormalized gates: a dropped pair's is 0, the others keep their ratio and the token's sum", () => {
    always((drawn) => {
      const { gates, plan: made } = plan(drawn)
      const [before, after] = [gates, renormalizedGates(gates, made)].map((each) => each.arraySync() as number[][])
      for (const [n, row] of servedPairs(made).entries()) {
        const sum = (before?.[n] ?? []).reduce((total, gate) => total + gate, 0)
        const kept = row.reduce((total, served, k) => total + (served ? (before?.[n]?.[k] ?? 0) : 0), 0)
        for (const [k, served] of row.entries()) expect(after?.[n]?.[k]).toBeCloseTo(served ? ((before?.[n]?.[k] ?? 0) * sum) / kept : 0, 5)
      }
    })
  })
})

describe('in a model', () => {
  const tiny = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 8, vocabSize: 5, dropout: 0, numExperts: 4 }
  /** Loads of a pass over 16 tokens. */
  const observe = (config: object, training: boolean) => {
    const streams = createStreams(4)
    const model = new SparseMoELanguageModel({ ...tiny, ...config }, streams.init)
    const x = streams.data.integers([2, 8], 0, 5)
    const seen: { load: number[]; demand: number[] }[] = []
    const observer = ({ load, demand }: RoutingRecord): void => {
      seen.push({ load: load.arraySync() as number[], demand: demand.arraySync() as number[] })
    }
    const loss = model.loss(x, x, { training, streams, observer }).dataSync()[0] as number
    return { ...(seen[0] as { load: number[]; demand: number[] }), loss, independent: model.rowsAreIndependent(training) }
  }
  test.each([
    [{ capacityFactor: 0.25 }, 0.25, undefined],
    [{ capacityFactor: 0.5, evalCapacityFactor: 1 }, 0.5, 1],
    [{ evalCapacityFactor: 0.25 }, undefined, 0.25],
    [{ capacityFactor: 0.5, capacityMode: 'always' }, 0.5, 0.5],
    [{ capacityFactor: 0.5, capacityMode: 'always', evalCapacityFactor: 2 }, 0.5, 2],
    [{}, undefined, undefined],
  ])('%j: the factor of training is %s, that of evaluation %s', (config, training, evaluation) => {
    for (const [factor, isTraining] of [
      [training, true],
      [evaluation, false],
    ] as const) {
      const { load, demand, independent } = observe(config, isTraining)
      const limit = factor === undefined ? Number.POSITIVE_INFINITY : expertCapacity(16, 2, 4, factor)
      expect(load).toEqual(demand.map((asked) => Math.min(asked, limit)))
      expect(independent).toBe(factor === undefined)
    }
  })
  test('renormalized gates change the loss where pairs are dropped, and nothing where none are', () => {
    const loss = (capacityFactor: number, gatesAfterDrop: string): number => observe({ capacityFactor, gatesAfterDrop }, true).loss
    expect(loss(0.5, 'renormalized')).not.toBeCloseTo(loss(0.5, 'kept'), 4)
    expectClose([loss(4, 'renormalized')], [loss(4, 'kept')], 1e-6)
  })
  test('random drops: others each time, never more than the capacity', () => {
    const streams = createStreams(4)
    const model = new SparseMoELanguageModel({ ...tiny, dropPolicy: 'random', capacityFactor: 0.5 }, streams.init)
    const x = streams.data.integers([2, 8], 0, 5)
    const losses = Array.from({ length: 6 }, () => {
      const observer = ({ load, demand }: RoutingRecord): void => {
        const limit = expertCapacity(16, 2, 4, 0.5)
        expect(load.arraySync()).toEqual((demand.arraySync() as number[]).map((asked) => Math.min(asked, limit)))
      }
      return model.loss(x, x, { training: true, streams, observer }).dataSync()[0]
    })
    expect(new Set(losses).size).toBeGreaterThan(1)
  })
})

test('expertCapacity: the even share times the factor, rounded down, at least 1 by default', () => {
  expect(expertCapacity(512, 2, 8, 1)).toBe(128)
  expect(expertCapacity(512, 2, 8, 1.25)).toBe(160)
  expect(expertCapacity(3, 2, 8, 1)).toBe(1)
  expect(expertCapacity(3, 2, 8, 1, 0)).toBe(0)
})
