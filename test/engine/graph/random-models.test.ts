/**
 * Random small models and batches: compiled and eager code give the same loss and the same gradients.
 */
import fc from 'fast-check'
import {
  type Context,
  compile,
  createStreams,
  gradientsOf,
  Linear,
  Module,
  presets,
  type RandomStream,
  type RouterModule,
  SparseMoELanguageModel,
  type Tensor,
  tf,
  topKGating,
} from 'makemoe'
import { describe, expect, test } from 'vitest'
import { cases, relativeError } from '../../support'

const runs = cases(12, 1000)

/** All tokens go to the same experts, so that the others get none. */
class ConstantRouter extends Module implements RouterModule {
  constructor(
    readonly numExperts: number,
    readonly topK: number,
    readonly first: number,
  ) {
    super()
  }
  forward(x: Tensor) {
    const scores = Float32Array.from({ length: this.numExperts }, (_, e) => ((e - this.first + this.numExperts) % this.numExperts) * -0.5)
    const logits = tf.mul(tf.ones([x.shape[0] as number, 1]), tf.tensor2d(scores, [1, this.numExperts]))
    return { ...topKGating(logits, this.topK), logits }
  }
}

/** An expert that looks at all of its rows, joins them with others and cuts them again. */
class Mixing extends Module {
  readonly map: Linear
  constructor(width: number, stream: RandomStream) {
    super()
    this.map = new Linear(width, width, stream)
  }
  forward(x: Tensor, _ctx?: Context): Tensor {
    const [rows, width] = x.shape as [number, number]
    const padded = tf.concat([tf.ones([1, width]), x, x], 0)
    const [, a, b] = tf.split(padded, [1, rows, rows], 0) as [Tensor, Tensor, Tensor]
    const flat = tf.reshape(tf.add(a, tf.tanh(b)), [-1])
    return this.map.forward(tf.reshape(tf.mul(flat, 0.5), [-1, width]))
  }
}

const sketch = fc
  .record({
    B: fc.integer({ min: 1, max: 3 }),
    T: fc.integer({ min: 1, max: 5 }),
    heads: fc.constantFrom(1, 2),
    headSize: fc.constantFrom(1, 2, 4),
    nLayer: fc.constantFrom(1, 1, 1, 1, 1, 2),
    numExperts: fc.integer({ min: 1, max: 7 }),
    topK: fc.integer({ min: 1, max: 7 }),
    capacityFactor: fc.constantFrom(undefined, undefined, 0.5, 1, 1.5),
    capacityMode: fc.constantFrom('training', 'always'),
    minCapacity: fc.constantFrom(0, 1),
    dropPolicy: fc.constantFrom('rank', 'order'),
    sharedExperts: fc.constantFrom(0, 0, 1),
    dropout: fc.constantFrom(0, 0.25),
    router: fc.constantFrom('noisy-topk', 'topk', 'sigmoid', 'constant'),
    expert: fc.constantFrom('relu', 'swiglu', 'mixing'),
    alone: fc.constantFrom(true, true, true, false), // the mixture of the first block, or the whole model
    training: fc.boolean(),
    seed: fc.integer({ min: 0, max: 1e6 }),
  })
  .map((drawn) => ({ ...drawn, topK: Math.min(drawn.topK, drawn.numExperts) }))

describe('compiled and eager agree', () => {
  test(`in loss and gradients, for ${runs} random models`, { timeout: 120_000 + 2000 * runs }, async () => {
    await fc.assert(
      fc.asyncProperty(sketch, async ({ B, T, heads, headSize, router, expert, alone, training, seed, ...rest }) => {
        await new Promise((resolve) => setTimeout(resolve, 0)) // vitest must hear from this process now and then
        tf.engine().startScope()
        try {
          const names = { ...(router !== 'constant' && { router }), ...(expert !== 'mixing' && { expert }) }
          const config = { ...presets.corrected, ...rest, ...names, nEmbed: heads * headSize, nHead: heads, blockSize: T, vocabSize: 5 }
          const components = {
            ...(router === 'constant' && { router: () => new ConstantRouter(rest.numExperts, rest.topK, seed % rest.numExperts) }),
            ...(expert === 'mixing' && { expert: (_config: unknown, stream: RandomStream) => new Mixing(heads * headSize, stream) }),
          }
          const results = [false, true].map((compiled) => {
            const streams = createStreams(seed)
            const model = new SparseMoELanguageModel(config as never, streams.init, components)
            const { moe } = model.blocks[0] as (typeof model.blocks)[number]
            const parameters = (alone ? moe : model).parameters()
            const loss = (x: Tensor, y: Tensor): Tensor => {
              const ctx = { training, streams }
              return alone ? tf.mean(tf.square(tf.sub(moe.forward(x, ctx), y))) : model.loss(x, y, ctx)
            }
            const step = (x: Tensor, y: Tensor) => gradientsOf(() => loss(x, y), parameters)
            const random = (): Tensor => (alone ? streams.data.normal([B, T, heads * headSize]) : streams.data.integers([B, T], 0, 5))
            const [x, y] = [random(), random()]
            const run = compiled ? compile(step) : step
            const { loss: value, gradients } = run(x, y)
            const numbers = [value, ...gradients].map((tensor) => tensor.dataSync().slice())
            if ('dispose' in run) (run as unknown as { dispose(): void }).dispose()
            for (const variable of [...model.parameters(), ...Object.values(streams).map(({ counter }) => counter)]) variable.dispose()
            return numbers
          }) as [Float32Array[], Float32Array[]]
          const scale = Math.max(...results[0].slice(1).map((gradient) => Math.max(...gradient.map(Math.abs))), 1e-3)
          for (const [i, eager] of results[0].entries()) {
            const graph = results[1][i] as Float32Array
            if (i === 0) expect(relativeError(graph, eager)).toBeLessThan(1e-5)
            else
              for (let j = 0; j < eager.length; j++)
                expect(Math.abs((graph[j] as number) - (eager[j] as number)) / scale).toBeLessThan(1e-4)
          }
        } finally {
          tf.engine().endScope()
        }
      }),
      { numRuns: runs },
    )
  })
})
