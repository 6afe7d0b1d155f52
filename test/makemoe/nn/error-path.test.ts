import { compile, createStreams, crossEntropy, Dataset, Embedding, Linear, Module, type Tensor, Trainer, tf } from 'makemoe'
import type { Compile } from 'makemoe/dist/makemoe/train/compile'
import { eager } from 'makemoe/dist/makemoe/train/compile'
import { describe, expect, test } from 'vitest'
import { twoLayers } from '../../support'

/** Decides by a value, which no graph can, or adds up shapes that do not fit. */
class Faulty extends Module {
  constructor(private readonly fault: 'reads' | 'shapes') {
    super()
  }
  forward(x: Tensor): Tensor {
    if (this.fault === 'shapes') return tf.add(x, tf.zeros([3]))
    return Number(tf.sum(x).dataSync()[0]) > 0 ? x : tf.neg(x)
  }
}

/** A reader's own model. */
class Bigram extends Module {
  readonly embedding: Embedding
  readonly stages: readonly Faulty[]
  readonly head: Linear
  constructor(fault: 'reads' | 'shapes') {
    super()
    const { init } = createStreams(1)
    this.embedding = new Embedding(5, 4, init)
    this.stages = [new Faulty(fault)]
    this.head = new Linear(4, 5, init)
  }
  forward(ids: Tensor): Tensor {
    let x = this.embedding.forward(ids)
    for (const stage of this.stages) x = stage.forward(x)
    return this.head.forward(x)
  }
  loss(x: Tensor, y: Tensor): Tensor {
    return crossEntropy(this.forward(x), y)
  }
}

const dataset = new Dataset(
  Int32Array.from({ length: 200 }, (_, i) => i % 5),
  4,
)
const config = { ...twoLayers, batchSize: 2, steps: 1, evalIters: 1 }

describe("a model of one's own", () => {
  const trainerOf = (fault: 'reads' | 'shapes', compileStep: Compile) =>
    new Trainer(new Bigram(fault), dataset, config, createStreams(1), { compile: compileStep })
  const message = async (run: () => unknown): Promise<string> => {
    try {
      await run()
    } catch (error) {
      return (error as Error).message
    }
    return 'no error'
  }
  test.each<['reads' | 'shapes', Compile]>([
    ['reads', compile],
    ['shapes', compile],
    ['shapes', eager],
  ])('an error in a step or an evaluation names the module (%s)', async (fault, compileStep) => {
    for (const run of [(trainer: Trainer<Bigram>) => trainer.trainOnce(), (trainer: Trainer<Bigram>) => trainer.evaluate()])
      expect(await message(() => run(trainerOf(fault, compileStep)))).toMatch(/\n {2}in stages\.0: Faulty/)
  })
  test('that is no Module gets its errors as they are', async () => {
    const model = { loss: () => tf.zeros([2]).reshape([3]), namedParameters: () => [] }
    const trainer = new Trainer(model, dataset, config, createStreams(1))
    expect(await message(() => trainer.evaluate())).toMatch(/^Input to reshape .*has 3$/)
  })
})
