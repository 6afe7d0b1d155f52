import fc from 'fast-check'
import { type Config, ConfigError, compile, type Metric, type NamedParameter, Optimizer, type Tensor, Trainer, tf } from 'makemoe'
import { type Compile, eager } from 'makemoe/dist/makemoe/train/compile'
import { describe, expect, test } from 'vitest'
import { cases, relativeError } from '../../support'
import { setUp } from './small-model'

const steps = cases(2, 4)

/**
 * Float32 numbers are eps = 2^-23 apart, as parts of themselves. Pieces add the same terms in another order, and nothing else may differ: a
 * mean of N = 64 terms that are rounded by at most eps/2 each is off by about sqrt(N) eps/2 = 4 eps.
 */
const sumInAnotherOrder = 4 * 2 ** -23

/** w <- w - rate g: unlike AdamW, whose steps are the same at any scale of the gradients, it shows a gradient that is a factor off. */
class PlainDescent extends Optimizer {
  constructor(private readonly parameters: readonly NamedParameter[]) {
    super(0.1)
  }

  apply(gradients: readonly Tensor[]): void {
    for (const [i, [, weight]] of this.parameters.entries())
      weight.assign(tf.sub(weight, tf.mul(this.learningRate, gradients[i] as Tensor)))
  }

  state(): readonly NamedParameter[] {
    return []
  }
}

/** Losses and weights after a few steps. */
async function trained(change: Partial<Config>, compileStep: Compile, plain = false) {
  const { model, dataset, config, streams } = setUp({ steps, batchSize: 8, evalInterval: 100, evalIters: 1, nLayer: 1, ...change })
  const losses: number[] = []
  const onMetric = ({ loss }: Metric) => loss !== undefined && losses.push(loss)
  const optimizer = plain ? { optimizer: new PlainDescent(model.namedParameters()) } : {}
  const trainer = new Trainer(model, dataset, config, streams, { compile: compileStep, onMetric, ...optimizer })
  await trainer.run()
  const weights = model.parameters().flatMap((parameter) => [...parameter.dataSync()])
  const { streams: counters } = trainer.state()
  trainer.dispose()
  return { losses, weights, counters }
}

describe.each<[string, Compile]>([
  ['eager', eager],
  ['compiled', compile],
])('%s', (_how, compileStep) => {
  test('pieces make the step of the whole batch, with dropout and routing noise, for any optimizer rule', async () => {
    const drawn = fc.record({
      accumulate: fc.constantFrom(2, 4, 8),
      router: fc.constantFrom<Config['router']>('noisy-topk', 'topk', 'sigmoid'),
      dropout: fc.constantFrom(0, 0.2),
      // A step of Lion is the sign of the gradient, and AdamW's first one nearly so: rounding would decide it where a gradient is near 0.
      clipNorm: fc.constantFrom(undefined, 0.5),
      sharedExperts: fc.constantFrom(0, 1),
    })
    await fc.assert(
      fc.asyncProperty(drawn, async ({ accumulate, ...change }) => {
        const whole = await trained(change, compileStep)
        const pieces = await trained({ ...change, accumulate }, compileStep)
        expect(relativeError(pieces.losses, whole.losses)).toBeLessThan(sumInAnotherOrder)
        expect(pieces.counters).toEqual(whole.counters)
        const far = pieces.weights.filter((weight, i) => Math.abs(weight - (whole.weights[i] ?? Number.NaN)) > 1e-4).length
        expect(far / pieces.weights.length).toBeLessThan(0.01)
      }),
      { numRuns: cases(2, compileStep === eager ? 8 : 12), seed: 1 },
    )
  })
})

test.each([
  [4, undefined],
  [8, 0.5],
])('%s pieces of plain gradient descent differ by the order of sums alone, clipNorm %s', async (accumulate, clipNorm) => {
  const change = { dropout: 0.2, learningRate: 0.1, schedule: 'constant', clipNorm } as const
  const start = setUp({ nLayer: 1 }).model.parameters()
  const whole = await trained(change, compile, true)
  const pieces = await trained({ ...change, accumulate }, compile, true)
  expect(relativeError(pieces.losses, whole.losses)).toBeLessThan(sumInAnotherOrder)
  expect(relativeError(pieces.weights, whole.weights)).toBeLessThan(sumInAnotherOrder)
  const startWeights = start.flatMap((parameter) => [...parameter.dataSync()])
  expect(relativeError(whole.weights, startWeights)).toBeGreaterThan(1e-3)
})

test('nothing is left behind, and pieces are resumed to the bit', async () => {
  const all = cases(4, 6)
  const start = () => setUp({ steps: all, batchSize: 8, accumulate: 4, evalInterval: 100, evalIters: 1, nLayer: 1 })
  const whole = start()
  await new Trainer(whole.model, whole.dataset, whole.config, whole.streams, { compile }).run()
  const first = start()
  const trainer = new Trainer(first.model, first.dataset, first.config, first.streams, { compile })
  const { numTensors } = tf.memory()
  trainer.trainOnce()
  const flat = tf.memory().numTensors
  trainer.trainOnce()
  expect(tf.memory().numTensors).toBe(flat)
  expect(flat).toBeGreaterThanOrEqual(numTensors)
  const state = trainer.state()
  const second = start()
  second.model.parameters().forEach((parameter, i) => {
    const from = first.model.parameters()[i]
    if (from) parameter.assign(from)
  })
  const resumed = new Trainer(second.model, second.dataset, second.config, second.streams, { compile })
  resumed.restore(state)
  for (let i = 2; i < all; i++) resumed.trainOnce()
  const weights = ({ model }: typeof whole) => model.parameters().map((parameter) => [...parameter.dataSync()])
  expect(weights(second)).toEqual(weights(whole))
})

test('a batch that cannot be cut is refused before anything is trained', () => {
  const { model, dataset, config, streams } = setUp({ batchSize: 6 })
  expect(() => new Trainer(model, dataset, { ...config, accumulate: 4 }, streams)).toThrow(ConfigError)
  expect(() => new Trainer(model, dataset, { ...config, accumulate: 4 }, streams)).toThrow(/accumulate: got 4, expected a divisor/)
})
