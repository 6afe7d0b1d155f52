import { type Context, createStreams, NoisyTopkRouter, tf } from 'makemoe'
import { noisyLogits } from 'makemoe/dist/makemoe/moe/router/noisy-topk'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../../support'

const streams = createStreams(3)
const training: Context = { training: true, streams }
const evaluating: Context = { training: false, streams }
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('routers', () => {
  test('noisyLogits adds noise times softplus', () => {
    expectClose(noisyLogits(tf.tensor2d([[1]]), tf.tensor2d([[0]]), tf.tensor2d([[2]])), [1 + 2 * Math.log(2)], 1e-6)
  })
  test('NoisyTopkRouter is noisy in training; in evaluation only if asked to be', () => {
    const x = random(6, 4)
    const gates = (router: NoisyTopkRouter, ctx: Context) => JSON.stringify(router.forward(x, ctx).allGates.arraySync())
    const differs = (router: NoisyTopkRouter, ctx: Context) => new Set([1, 2, 3].map(() => gates(router, ctx))).size > 1
    const router = new NoisyTopkRouter(4, 8, 2, streams.init)
    expect(differs(router, training)).toBe(true)
    expect(differs(router, evaluating)).toBe(false)
    expect(differs(new NoisyTopkRouter(4, 8, 2, streams.init, 'always'), evaluating)).toBe(true)
  })
})
