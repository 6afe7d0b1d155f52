/** Every shape of mixture works: value, gradient, and eager = graph, on configurations drawn at random. */
import fc from 'fast-check'
import {
  compile,
  createStreams,
  dropPolicies,
  experts,
  gradientsOf,
  type LanguageModelConfig,
  presets,
  routers,
  SparseMoELanguageModel,
  type StateDict,
  type Streams,
  type Tensor,
  tf,
} from 'makemoe'
import { expect, test } from 'vitest'
import { cases } from '../../support'
import { capacityFactorOf, plainLoss } from './plain'

const names = <Name extends string>(table: Readonly<Record<Name, unknown>>) => fc.constantFrom(...(Object.keys(table) as Name[]))

const drawn = fc
  .record({
    numExperts: fc.integer({ min: 1, max: 6 }),
    choices: fc.integer({ min: 1, max: 6 }),
    nLayer: fc.integer({ min: 1, max: 2 }),
    nHead: fc.integer({ min: 1, max: 3 }),
    headSize: fc.integer({ min: 1, max: 5 }),
    blockSize: fc.integer({ min: 1, max: 5 }),
    vocabSize: fc.integer({ min: 2, max: 7 }),
    router: names(routers),
    expert: names(experts),
    expertWidth: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    sharedExperts: fc.integer({ min: 0, max: 2 }),
    balance: fc.constantFrom('none', 'switch:0.5'),
    capacityFactor: fc.option(fc.constantFrom(0.01, 0.3, 0.5, 1, 1.7, 1000), { nil: undefined }),
    evalCapacityFactor: fc.option(fc.constantFrom(0.3, 1, 2), { nil: undefined }),
    gatesAfterDrop: fc.constantFrom('kept', 'renormalized'),
    capacityMode: fc.constantFrom('training', 'always'),
    minCapacity: fc.constantFrom(0, 1, 3),
    dropPolicy: names(dropPolicies),
    attentionScale: fc.constantFrom('headSize', 'nEmbed'),
    noiseMode: fc.constantFrom('training', 'always'),
    initialization: fc.constantFrom('kaiming', 'scaled', 'xavier', 'zero-residual'),
    positions: fc.constantFrom('learned', 'rope'),
    norm: fc.constantFrom('layer', 'rms'),
    qkNorm: fc.constantFrom('none', 'rms'),
    embeddings: fc.constantFrom('separate', 'tied'),
    ngram: fc.integer({ min: 1, max: 4 }),
  })
  .map(
    ({ headSize, choices, ...config }): LanguageModelConfig => ({
      ...presets.corrected,
      dropout: 0,
      ...config,
      nEmbed: config.nHead * (config.positions === 'rope' ? 2 * headSize : headSize), // rotations are of pairs
      topK: config.router === 'switch' ? 1 : Math.min(choices, config.numExperts),
      ...(config.router === 'expert-choice' ? { capacityFactor: undefined, evalCapacityFactor: undefined } : {}),
    }),
  )

interface Case {
  readonly config: LanguageModelConfig
  readonly batchSize: number
  readonly seed: number
  readonly training: boolean
}

const drawnCases: fc.Arbitrary<Case> = fc.record({
  config: drawn,
  batchSize: fc.integer({ min: 1, max: 3 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
  training: fc.boolean(),
})

/** The cases that a decision closer than float32 tells apart makes undecided are drawn anew. */
const undecided = 2e-4

function check(each: Case): void {
  const streams = createStreams(each.seed)
  const given = createStreams(each.seed)
  const model = new SparseMoELanguageModel(each.config, streams.init)
  try {
    tf.tidy(() => compare(each, model, streams, given))
  } finally {
    model.dispose()
    for (const { counter } of [streams, given].flatMap((all) => Object.values(all))) counter.dispose()
  }
}

function compare({ config, batchSize, training }: Case, model: SparseMoELanguageModel, streams: Streams, given: Streams): void {
  const parameters = model.parameters()
  const ids = streams.data.integers([batchSize, config.blockSize + 1], 0, config.vocabSize)
  const [x, y] = [0, 1].map((from) => tf.slice(ids, [0, from], [batchSize, config.blockSize])) as [Tensor, Tensor]
  const N = batchSize * config.blockSize
  const { noise: same } = given // the layers of a pass draw one after the other, the router before the drop policy
  const noisy = config.router === 'noisy-topk' && (training || config.noiseMode === 'always')
  const counting = capacityFactorOf(config, training) !== undefined
  const draws = Array.from({ length: config.nLayer }, () => ({
    ...(noisy ? { router: same.normal([N, config.numExperts]).dataSync() } : {}),
    ...(config.router === 'random' ? { router: same.uniform([N, config.numExperts]).dataSync() } : {}),
    ...(counting && config.dropPolicy === 'random' ? { policy: same.uniform([N * config.topK]).dataSync() } : {}),
  }))

  const load: number[][] = []
  const step = (x: Tensor, y: Tensor, observing: boolean) => {
    const added: Tensor[] = []
    const ctx = {
      training,
      streams,
      ...(training ? { addLoss: (_name: string, value: Tensor) => void added.push(value) } : {}),
      ...(observing
        ? { report: (name: string, value: Tensor) => void (/load/.test(name) && load.push(value.arraySync() as number[])) }
        : {}),
    }
    return gradientsOf(() => tf.addN([model.loss(x, y, ctx), ...added]), parameters)
  }
  const eager = step(x, y, true)

  // Value: the plain model. Gradient: its directional derivative along a random direction, by central differences in double precision.
  const state: StateDict = new Map()
  model.saveState(state)
  const [xs, ys] = [x.arraySync() as number[][], y.arraySync() as number[][]]
  const weight = training && config.balance !== 'none' ? 0.5 : 0
  const plain = (weights: StateDict | Map<string, { shape: readonly number[]; values: Float64Array }>) =>
    plainLoss(config, weights, xs, ys, training, draws)
  const expected = plain(state)
  fc.pre(expected.margin > undecided)
  const objective = ({ loss, switchLoss }: { loss: number; switchLoss: number }): number => loss + weight * switchLoss
  expect(eager.loss.dataSync()[0]).toBeCloseTo(objective(expected), 4)
  expect(load).toEqual(expected.load)

  const direction = parameters.map((parameter) => given.sampling.normal(parameter.shape))
  const slope = direction.reduce((total, d, i) => total + (tf.sum(tf.mul(d, eager.gradients[i] as Tensor)).dataSync()[0] as number), 0)
  for (const [i, parameter] of parameters.entries()) parameter.assign(direction[i] as Tensor)
  const along: StateDict = new Map()
  model.saveState(along)
  const h = 1e-6
  const moved = (sign: number) =>
    new Map(
      [...state].map(([name, { shape, values }]) => {
        const by = along.get(name)?.values as Float32Array
        return [name, { shape, values: Float64Array.from(values, (value, j) => value + sign * h * (by[j] as number)) }] as const
      }),
    )
  const derivative = (objective(plain(moved(1))) - objective(plain(moved(-1)))) / (2 * h)
  const size = Math.sqrt(eager.gradients.reduce((total, g) => total + (tf.sum(tf.square(g)).dataSync()[0] as number), 0))
  expect(Math.abs(slope - derivative)).toBeLessThan(1e-3 * (1 + size * 3))

  // Eager = graph, from the same weights and the same draws.
  model.loadState(new Map(state))
  streams.noise.counter.assign(tf.scalar(0, 'int32'))
  const compiled = compile((x: Tensor, y: Tensor) => step(x, y, false))
  const graph = compiled(x, y)
  expect(graph.loss.dataSync()[0]).toBeCloseTo(eager.loss.dataSync()[0] as number, 5)
  for (const [i, gradient] of eager.gradients.entries()) {
    const scale = 1e-4 * (1 + size)
    expect(tf.max(tf.abs(tf.sub(gradient, graph.gradients[i] as Tensor))).dataSync()[0]).toBeLessThan(scale)
  }
  compiled.dispose()
}

const shapes = cases(6, 200)

test(`${shapes} configurations: value and gradient against plain numbers, eager = graph`, async () => {
  const property = fc.asyncProperty(drawnCases, async (each) => {
    check(each)
    await new Promise((resolve) => setImmediate(resolve)) // the test runner wants to hear from us now and then
  })
  await fc.assert(property, { numRuns: shapes })
}, 900_000)
