import { Block, type Context, createStreams, Expert, MultiHeadAttention, SparseMoE, TopkRouter, tf } from 'makemoe'
import { describe, test } from 'vitest'
import { expectClose } from '../../support'

const streams = createStreams(3)
const evaluating: Context = { training: false, streams }
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('SparseMoELanguageModel', () => {
  test('a Block keeps the shape and passes the residual', () => {
    const moe = new SparseMoE(new TopkRouter(8, 2, 1, streams.init), [new Expert(8, streams.init), new Expert(8, streams.init)])
    const block = new Block(8, new MultiHeadAttention(8, 2, 6, streams.init), moe)
    for (const variable of block.parameters()) variable.assign(tf.zeros(variable.shape))
    const x = random(2, 3, 8)
    expectClose(block.forward(x, evaluating), x, 1e-12)
  })
})
