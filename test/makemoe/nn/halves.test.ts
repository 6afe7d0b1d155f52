import { type Context, createStreams, dropout, LayerNorm, loadStateDict, Module, stateDictOf, type Tensor, tf } from 'makemoe'
import { InHalves } from 'makemoe/dist/makemoe/nn/halves'
import { describe, expect, test } from 'vitest'
import { relativeError } from '../../support'

class Applied extends Module {
  constructor(readonly f: (x: Tensor, ctx?: Context) => Tensor) {
    super()
  }
  forward(x: Tensor, ctx?: Context): Tensor {
    return this.f(x, ctx)
  }
}
const halved = (f: (x: Tensor, ctx?: Context) => Tensor) => new InHalves(new Applied(f))

describe('InHalves', () => {
  const double = (x: Tensor) => tf.mul(x, 2)
  test.each([1, 2, 5])('a batch of %i: the function of the whole, in order', (B) => {
    const sizes: number[] = []
    const x = tf.range(0, B * 3).reshape([B, 3])
    const module = halved((x) => {
      sizes.push(x.shape[0] ?? 0)
      return double(x)
    })
    expect(module.forward(x).arraySync()).toEqual(double(x).arraySync())
    expect(sizes).toEqual(B === 1 ? [1] : [Math.ceil(B / 2), Math.floor(B / 2)])
  })
  test('dropout draws what it would draw for the whole, several times, and leaves no tensors', () => {
    const x = tf.ones([5, 4])
    const twice = (x: Tensor, ctx?: Context) => (ctx ? dropout(dropout(x, 0.5, ctx), 0.25, ctx) : x)
    const context = () => ({ training: true, streams: createStreams(7) })
    const [whole, halves] = [context(), context()]
    const before = tf.memory().numTensors
    tf.tidy(() => {
      const expected = twice(x, whole).dataSync()
      expect(Array.from(halved(twice).forward(x, halves).dataSync())).toEqual(Array.from(expected))
      expect(new Set(expected).size).toBe(2)
    })
    expect(tf.memory().numTensors).toBe(before)
    expect(halves.streams.dropout.counter.dataSync()).toEqual(whole.streams.dropout.counter.dataSync())
  })
  test('gradients pass through one module and through two in a row', () => {
    const x = tf.tensor2d([[1], [2], [3]])
    const [first, second] = [halved((half) => tf.square(half)), halved((half) => tf.mul(half, 3))]
    const gradient = (f: (x: Tensor) => Tensor) =>
      tf
        .grad((x) => tf.sum(f(x)))(x)
        .dataSync()
    expect(
      relativeError(
        gradient((x) => first.forward(x)),
        [2, 4, 6],
      ),
    ).toBe(0)
    expect(
      relativeError(
        gradient((x) => second.forward(first.forward(x))),
        [6, 12, 18],
      ),
    ).toBe(0)
  })
  test('halves that were freed are cut anew', () => {
    const [first, second] = [halved(double), halved(double)]
    const joined = tf.tidy(() => first.forward(tf.ones([4, 1])))
    expect(Array.from(second.forward(joined).dataSync())).toEqual([4, 4, 4, 4])
  })
  test('is seen in the tree, and names and checkpoints are those of the inner module', () => {
    class Model extends Module {
      constructor(readonly norm: Module) {
        super()
      }
    }
    const [plain, halved] = [new Model(new LayerNorm(3)), new Model(new InHalves(new LayerNorm(3)))]
    expect(halved.describe()).toMatch(/\n {2}norm: InHalves\(LayerNorm\) \(6\)\n {4}weight \[3\]/)
    expect(halved.namedParameters().map(([name]) => name)).toEqual(plain.namedParameters().map(([name]) => name))
    expect(stateDictOf(halved)).toEqual(stateDictOf(plain))
    loadStateDict(halved, stateDictOf(plain))
  })
})
