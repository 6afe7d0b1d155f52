import {
  createStreams,
  Expert,
  Module,
  type RouterModule,
  type Routing,
  routers,
  ShapeError,
  SparseMoE,
  TensorError,
  TopkRouter,
  tf,
  zeros,
} from 'makemoe'
import type { NamedRouter } from 'makemoe/dist/makemoe/moe/contracts'
import { acrossTokens } from 'makemoe/dist/makemoe/moe/router/by-layer'
import { expect, test } from 'vitest'

const streams = createStreams(1)
const ctx = { training: false, streams }
const x = tf.randomUniform([3, 4], -1, 1, 'float32', 5)

/** A mixture of two experts with a router that returns this. */
function forward(routing: unknown): () => unknown {
  class Mine extends Module implements RouterModule {
    forward(): Routing {
      return routing as Routing // what a person's router may return
    }
  }
  const moe = new SparseMoE(new Mine(), [new Expert(4, streams.init), new Expert(4, streams.init)])
  return () => moe.forward(x, ctx)
}
const good = () => new TopkRouter(4, 2, 1, streams.init).forward(x)

test("what lib's router returns passes", () => expect(forward(good())).not.toThrow())

test.each<[string, () => unknown, typeof TensorError | typeof ShapeError, RegExp]>([
  [
    'the shape of before',
    () => ({ indices: good().experts, weights: good().gates }),
    TensorError,
    /router: got \{ indices, weights \}, expected \{ experts: int32 \[N, K\], gates/,
  ],
  ['nothing', () => undefined, TensorError, /router: got undefined, expected/],
  ['a tensor', () => good().gates, TensorError, /router: got \{ .*, expected \{ experts/],
  ['experts as numbers', () => ({ ...good(), experts: [[0], [1], [0]] }), TensorError, /router: got \{ .*experts.*expected/],
  ['experts as float32', () => ({ ...good(), experts: tf.cast(good().experts, 'float32') }), TensorError, /experts: float32 \[3, 1\]/],
  ['gates of all experts', () => ({ ...good(), gates: good().logits }), ShapeError, /gates: float32 \[3, 2\].*expected .* with E = 2/],
  ['logits of another number of experts', () => ({ ...good(), logits: tf.zeros([3, 5]) }), ShapeError, /logits: float32 \[3, 5\]/],
])('%s: the error says what was got and what was expected', (_what, routing, type, message) => {
  const run = forward(routing())
  expect(run).toThrow(type)
  expect(run).toThrow(message)
})

test.each(Object.entries<NamedRouter>(routers))('%s says of itself before it is made what it says afterwards', (name, make) => {
  const init = { router: zeros, expert: zeros, residual: zeros }
  const router = make({ nEmbed: 4, numExperts: 2, topK: 1, vocabSize: 3, noiseMode: 'training' }, streams.init, init)
  expect(make.looksAcrossTokens ?? false).toBe(router.looksAcrossTokens ?? false)
  expect(acrossTokens({ router: 'topk', firstRouters: name })).toBe(router.looksAcrossTokens ? name : undefined)
})
