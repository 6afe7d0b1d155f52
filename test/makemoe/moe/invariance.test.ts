/**
 * What may depend on what: on tokens, batches and weights drawn at random. Where a property must fail (experts that choose, capacity in
 * evaluation), the test asks for a counterexample.
 */
import fc from 'fast-check'
import {
  type Context,
  createStreams,
  type dropPolicies,
  experts,
  gradientsOf,
  type LanguageModelConfig,
  presets,
  routers,
  SparseMoE,
  SparseMoELanguageModel,
  type Tensor,
  tf,
} from 'makemoe'
import { describe, expect, test } from 'vitest'
import { cases, relativeError } from '../../support'

const [B, T, V] = [3, 5, 7]
const base = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: cases(1, 2), blockSize: T, vocabSize: V, dropout: 0, numExperts: 4 }
const names = <Name extends string>(table: Readonly<Record<Name, unknown>>): Name[] => Object.keys(table) as Name[]
const routerNames = names(routers)
const configOf = (router: (typeof routerNames)[number], more: Partial<LanguageModelConfig> = {}): LanguageModelConfig => ({
  ...base,
  router,
  topK: router === 'switch' ? 1 : 2,
  ...more,
})

const token = fc.integer({ min: 0, max: V - 1 })
/** Sequences that differ from their first token on: equal tokens would tie, and a tie goes to the first in the batch. */
const batches = fc
  .tuple(
    fc.uniqueArray(token, { minLength: B, maxLength: B }),
    fc.array(fc.array(token, { minLength: T - 1, maxLength: T - 1 }), { minLength: B, maxLength: B }),
  )
  .map(([firsts, rests]) => firsts.map((first, b) => [first, ...(rests[b] ?? [])]))
const seeds = fc.integer({ min: 0, max: 1e6 })

/** Logits in evaluation, [B][T * V]; what is drawn depends on the seed alone. */
function logitsOf(config: LanguageModelConfig, seed: number, ids: readonly (readonly number[])[]): Float32Array[] {
  return tf.tidy(() => {
    const streams = createStreams(seed)
    const model = new SparseMoELanguageModel(config, streams.init)
    const x = tf.tensor2d(ids.flat(), [ids.length, T], 'int32')
    const logits = model.forward(x, { training: false, streams })
    const rows = tf.unstack(logits).map((row) => row.dataSync() as Float32Array)
    model.dispose()
    for (const { counter } of Object.values(streams)) counter.dispose()
    return rows
  })
}

/** Whether a property holds on some cases; without shrinking, because some must fail. */
const holds = <Args extends [unknown, ...unknown[]]>(property: fc.IProperty<Args>): boolean =>
  !fc.check(property, { numRuns: cases(3, 30), seed: 5, endOnFailure: true }).failed
const close = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => relativeError(a, b) < 1e-4
const closeRows = (a: readonly Float32Array[], b: readonly Float32Array[]): boolean => a.every((row, i) => close(row, b[i] as Float32Array))

/** A changed token leaves alone what stands before it in its sequence. */
const causal = (config: LanguageModelConfig): boolean =>
  holds(
    fc.property(batches, seeds, token, fc.integer({ min: 1, max: T - 1 }), (ids, seed, other, at) => {
      const changed = [(ids[0] as number[]).with(at, other), ...ids.slice(1)]
      const [before, after] = [ids, changed].map((batch) => (logitsOf(config, seed, batch)[0] as Float32Array).slice(0, at * V))
      return close(before as Float32Array, after as Float32Array)
    }),
  )

/** A sequence has the same logits alone. */
const independent = (config: LanguageModelConfig): boolean =>
  holds(
    fc.property(batches, seeds, (ids, seed) =>
      closeRows(
        logitsOf(config, seed, ids),
        ids.map((row) => logitsOf(config, seed, [row])[0] as Float32Array),
      ),
    ),
  )

/** Sequences in another order have the same logits, in that order. */
const equivariant = (config: LanguageModelConfig): boolean =>
  holds(
    fc.property(batches, seeds, fc.shuffledSubarray([0, 1, 2], { minLength: B, maxLength: B }), (ids, seed, order) => {
      const logits = logitsOf(config, seed, ids)
      const permuted = logitsOf(
        config,
        seed,
        order.map((i) => ids[i] as number[]),
      )
      return closeRows(
        permuted,
        order.map((i) => logits[i] as Float32Array),
      )
    }),
  )

describe('in evaluation, without capacity', () => {
  test.each(routerNames)('%s: a later token changes nothing before it, unless experts choose', (router) => {
    expect(causal(configOf(router))).toBe(router !== 'expert-choice')
  })
  // What a random router draws depends on the place in the batch.
  test.each(routerNames.filter((name) => name !== 'random'))('%s: sequences are independent, unless experts choose', (router) => {
    const config = configOf(router)
    expect(independent(config)).toBe(router !== 'expert-choice')
    expect(new SparseMoELanguageModel(config, createStreams(1).init).rowsAreIndependent(false)).toBe(router !== 'expert-choice')
    expect(equivariant(config)).toBe(true)
  })
  test.each(names(experts))('expert %s: all three hold', (expert) => {
    const config = configOf('topk', { expert, sharedExperts: 1 })
    expect([causal(config), independent(config), equivariant(config)]).toEqual([true, true, true])
  })
})

describe('capacity in evaluation makes tokens compete', () => {
  const limited = (dropPolicy: keyof typeof dropPolicies) =>
    configOf('topk', { capacityFactor: undefined, evalCapacityFactor: 0.5, dropPolicy, initialization: 'kaiming' })
  test('by rank: later tokens and other sequences matter, their order does not', () => {
    const config = limited('rank')
    expect([causal(config), independent(config), equivariant(config)]).toEqual([false, false, true])
  })
  test("in order, the original's: later tokens do not matter, earlier sequences do", () => {
    const config = limited('order')
    expect([causal(config), independent(config), equivariant(config)]).toEqual([true, false, false])
  })
})

describe('dense = capacity at infinity = dropless', () => {
  /** The objective's value and gradients, by parameter. */
  const valueAndGradients = (config: LanguageModelConfig, seed: number, ids: number[][], loss: typeof sparse) => {
    const streams = createStreams(seed)
    const model = new SparseMoELanguageModel(config, streams.init)
    const x = tf.tensor2d(ids, [B, T], 'int32')
    return gradientsOf(() => loss(model, x, { training: true, streams }), model.parameters())
  }
  const sparse = (model: SparseMoELanguageModel, x: Tensor, ctx: Context): Tensor => model.loss(x, x, ctx)
  /** Every expert serves every token; the gates alone decide. */
  const dense = (model: SparseMoELanguageModel, x: Tensor, ctx: Context): Tensor => {
    for (const { moe } of model.blocks) {
      if (!(moe instanceof SparseMoE)) throw new Error('expected a SparseMoE')
      const { router, experts } = moe
      moe.forward = (x, ctx) => {
        const rows = tf.reshape(x, [B * T, -1])
        const { experts: chosen, gates } = router.forward(rows, ctx)
        const allGates = tf.sum(tf.mul(tf.oneHot(chosen, experts.length, 1, 0, 'float32'), tf.expandDims(gates, -1)), 1)
        const outputs = experts.map((expert, e) => tf.mul(expert.forward(rows), tf.slice(allGates, [0, e], [-1, 1])))
        return tf.reshape(tf.addN(outputs), x.shape)
      }
    }
    return model.loss(x, x, ctx)
  }
  test.each(routerNames)('%s: in value and gradient', (router) => {
    const property = fc.property(batches, seeds, (ids, seed) =>
      tf.tidy(() => {
        const config = configOf(router)
        const unlimited = router === 'expert-choice' ? config : { ...config, capacityFactor: 1e6 }
        const [dropless, infinite, all] = [
          valueAndGradients(config, seed, ids, sparse),
          valueAndGradients(unlimited, seed, ids, sparse),
          valueAndGradients(config, seed, ids, dense),
        ] as const
        for (const other of [infinite, all]) {
          expect(other.loss.dataSync()[0]).toBeCloseTo(dropless.loss.dataSync()[0] as number, 5)
          const [expected, got] = [dropless, other].map(({ gradients }) =>
            tf.concat(gradients.map((gradient) => tf.reshape(gradient, [-1]))).dataSync(),
          )
          expect(relativeError(got as Float32Array, expected as Float32Array)).toBeLessThan(1e-4)
        }
      }),
    )
    fc.assert(property, { numRuns: cases(2, 20) })
  })
})
