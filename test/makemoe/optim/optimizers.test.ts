import {
  AdamW,
  CharTokenizer,
  CheckpointError,
  compile,
  createStreams,
  Dataset,
  Lion,
  type MakeOptimizer,
  type NamedParameter,
  Optimizer,
  optimizers,
  presets,
  SparseMoELanguageModel,
  type Tensor,
  Trainer,
  tf,
  type Variable,
  validateConfig,
} from 'makemoe'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

const named = (...values: number[][]): NamedParameter[] => values.map((value, i) => [`p${i}`, tf.variable(tf.tensor1d(value))])
const first = (parameters: readonly NamedParameter[]): Variable => (parameters[0] as NamedParameter)[1]

describe('AdamW', () => {
  test('hand-worked first step: decay, then a step of lr against the sign', () => {
    const parameters = named([1, -2])
    const optimizer = new AdamW(parameters, { learningRate: 0.1, weightDecay: 0.5 })
    optimizer.apply([tf.tensor1d([3, -4])])
    expectClose(first(parameters), [1 * 0.95 - 0.1, -2 * 0.95 + 0.1], 1e-6)
    const state = new Map(optimizer.state())
    expect([...state.keys()]).toEqual(['beta1_power', 'beta2_power', 'm.p0', 'v.p0']) // what checkpoints have been holding since the first
    expect(state.get('beta1_power')?.dataSync()[0]).toBeCloseTo(0.9, 6)
  })
  test('epsilon is added to the corrected root: a first step of lr g / (|g| + epsilon)', () => {
    const parameters = named([1, -2])
    new AdamW(parameters, { learningRate: 0.1, weightDecay: 0, epsilon: 0.5 }).apply([tf.tensor1d([1, -2])])
    expectClose(first(parameters), [1 - 0.1 / 1.5, -2 + 0.2 / 2.5], 1e-5)
  })
})

describe('Lion', () => {
  test('two hand-worked steps: the sign of the interpolation, decay of the old weight, then the momentum', () => {
    const parameters = named([1, -2])
    const optimizer = new Lion(parameters, { learningRate: 0.1, weightDecay: 0.5, beta1: 0.9, beta2: 0.5 })
    optimizer.apply([tf.tensor1d([3, -4])])
    // m = 0: u = sign(0.1 g) = (1, -1); p - 0.1 (u + 0.5 p) = (1 - 0.15, -2 + 0.2); m = (1.5, -2)
    expectClose(first(parameters), [0.85, -1.8], 1e-6)
    // g against m: 0.9 * 1.5 - 0.1 * 20 < 0, and 0.9 * -2 + 0.1 * 10 < 0
    optimizer.apply([tf.tensor1d([-20, 10])])
    expectClose(first(parameters), [0.85 - 0.1 * (-1 + 0.425), -1.8 - 0.1 * (-1 - 0.9)], 1e-6)
    expectClose(first(optimizer.state()), [0.5 * 1.5 - 10, 0.5 * -2 + 5], 1e-6)
  })
})

/** An optimizer that lib does not have: heavy-ball momentum (Polyak 1964). */
class Momentum extends Optimizer {
  private readonly velocity: readonly NamedParameter[]
  constructor(
    private readonly parameters: readonly NamedParameter[],
    { learningRate }: { learningRate: number },
  ) {
    super(learningRate)
    this.velocity = parameters.map(([name, { shape }]) => [`velocity.${name}`, tf.variable(tf.zeros(shape), false)])
  }
  apply(gradients: readonly Tensor[]): void {
    for (const [i, [, parameter]] of this.parameters.entries()) {
      const [, velocity] = this.velocity[i] as NamedParameter
      velocity.assign(tf.add(tf.mul(velocity, 0.9), gradients[i] as Tensor))
      parameter.assign(tf.sub(parameter, tf.mul(this.learningRate, velocity)))
    }
  }
  state() {
    return this.velocity
  }
}

const text = 'the quick brown fox jumps over the lazy dog. '.repeat(40)
const tokenizer = CharTokenizer.fromText(text)
const config = validateConfig({
  ...presets.corrected,
  nEmbed: 16,
  nHead: 2,
  nLayer: 1,
  blockSize: 8,
  numExperts: 4,
  steps: 30,
  batchSize: 4,
  evalInterval: 100,
  evalIters: 1,
  schedule: 'constant',
})
const everyOptimizer: [string, MakeOptimizer][] = [...Object.entries(optimizers), ['a new one', (...args) => new Momentum(...args)]]

describe.each(everyOptimizer)('%s', (_name, make) => {
  const start = (wrap = compile) => {
    const streams = createStreams(1)
    const model = new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize }, streams.init)
    const optimizer = make(model.namedParameters(), { learningRate: 5e-3, weightDecay: 0.01 })
    return { model, trainer: new Trainer(model, new Dataset(tokenizer.encode(text), 8), config, streams, { compile: wrap, optimizer }) }
  }
  const weights = (model: SparseMoELanguageModel) => model.parameters().map((parameter) => Array.from(parameter.dataSync()))
  const losses = (trainer: Trainer, steps: number) => Array.from({ length: steps }, () => trainer.trainOnce().loss)

  test('learns, and the graph computes what eager mode does', () => {
    const graph = losses(start().trainer, 60)
    expect(Math.min(...graph.slice(-5))).toBeLessThan((graph[0] as number) - 0.3)
    const eager = losses(start((fn) => fn as never).trainer, 5)
    for (const [i, loss] of eager.entries()) expect(loss).toBeCloseTo(graph[i] as number, 3)
  })
  test('a cosine schedule starts from its own learning rate', () => {
    const streams = createStreams(1)
    const model = new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize }, streams.init)
    const optimizer = make(model.namedParameters(), { learningRate: 5e-3, weightDecay: 0.01 })
    const cosine = { ...config, learningRate: 1, schedule: 'cosine', steps: 10 } as const
    const trainer = new Trainer(model, new Dataset(tokenizer.encode(text), 8), cosine, streams, { optimizer })
    expect(trainer.trainOnce(true).learning_rate).toBeCloseTo(5e-3, 8) // after a rise of one step
    trainer.trainOnce()
    expect(trainer.trainOnce(true).learning_rate).toBeLessThan(5e-3)
    expect(optimizer.learningRate.dataSync()[0]).toBeLessThan(5e-3)
  })
  test('resumes to the bit, in graph mode', () => {
    const whole = start()
    losses(whole.trainer, 9)
    const before = start()
    losses(before.trainer, 4)
    const after = start()
    for (const [i, parameter] of after.model.parameters().entries())
      assignParameter(parameter, Float32Array.from((before.model.parameters()[i] as Variable).dataSync()))
    after.trainer.restore(before.trainer.state())
    losses(after.trainer, 5)
    expect(weights(after.model)).toEqual(weights(whole.model))
  })
  test("another optimizer's state is refused, and changes nothing", () => {
    const { trainer } = start()
    const { optimizer, ...state } = trainer.state()
    expect(() => trainer.restore({ ...state, optimizer: new Map() })).toThrow(CheckpointError)
    const extra = new Map(optimizer).set('extra', { shape: [], values: Float32Array.of(1) })
    expect(() => trainer.restore({ ...state, optimizer: extra })).toThrow(/has extra, which this optimizer has no place for/)
    expect(trainer.state().optimizer).toEqual(optimizer)
  })
})

test('the config knows the names of the table', () => {
  expect(validateConfig({ ...presets.corrected, optimizer: 'lion' }).optimizer).toBe('lion')
  expect(() => validateConfig({ ...presets.corrected, optimizer: 'sgd' })).toThrow(/optimizer: got sgd, expected.*lion/)
})
