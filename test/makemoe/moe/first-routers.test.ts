import {
  compile,
  createStreams,
  generate,
  presets,
  routers,
  SparseMoE,
  SparseMoELanguageModel,
  stateDictOf,
  type Tensor,
  tf,
  validateConfig,
} from 'makemoe'
import { parseFirstRouters } from 'makemoe/dist/makemoe/moe/router/by-layer'
import { HashGatedRouter } from 'makemoe/dist/makemoe/moe/router/hash-gated'
import { checkShares } from 'makemoe/dist/runs/cluster/member'
import { Engine } from 'makemoe/dist/show/page/engine'
import { expect, test } from 'vitest'
import { expectClose } from '../../support'

const tiny = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 4, blockSize: 6, numExperts: 3, vocabSize: 7, router: 'topk' } as const
const ctx = { training: false, streams: createStreams(1) }

test('each layer has the router that the text says, the others the config’s', () => {
  expect(parseFirstRouters('none')).toEqual([])
  expect(parseFirstRouters('hash*2, sigmoid')).toEqual(['hash', 'hash', 'sigmoid'])
  const model = new SparseMoELanguageModel({ ...tiny, firstRouters: 'hash*2,sigmoid' }, createStreams(1).init)
  const kinds = model.blocks.map(({ moe }) => (moe instanceof SparseMoE ? moe.router.constructor.name : ''))
  expect(kinds).toEqual(['HashRouter', 'HashRouter', 'SigmoidRouter', 'TopkRouter'])
})

test('such a model computes as a graph what it does op by op, and writes the same with its cache as without', () => {
  const model = new SparseMoELanguageModel({ ...tiny, firstRouters: 'hash*2,hash-gated' }, createStreams(2).init)
  const ids = tf.tensor2d([[1, 2, 3, 4, 5, 6]], [1, 6], 'int32')
  expectClose(compile((ids: Tensor) => model.forward(ids, ctx))(ids), model.forward(ids, ctx), 1e-5)
  const write = (cached: boolean): number[][] =>
    [...generate(model, [[1]], { tokens: 9, streams: createStreams(5), cached })].map((row) => [...row])
  expect(write(true)).toEqual(write(false))
})

test('the page refuses routers that differ by layer; a team refuses experts that choose in any layer', () => {
  const config = { ...tiny, firstRouters: 'hash' }
  const model = new SparseMoELanguageModel(config, createStreams(1).init)
  expect(() => new Engine(config, stateDictOf(model))).toThrow('first routers hash: the engine has one router for all layers')
  const { vocabSize: _, ...shared } = { ...tiny, batchSize: 4, firstRouters: 'expert-choice' }
  expect(() => checkShares(validateConfig(shared), 2, 'data')).toThrow(/router: got expert-choice with 2 workers/)
})

test.each([
  ['hsh*2', /firstRouters: got hsh, expected none or some of .*hash/],
  ['hash*0', /firstRouters: got hash\*0, expected hash\*LAYERS with a number of layers >= 1/],
  ['hash*', /firstRouters: got hash\*/],
  ['hash*5', /firstRouters: got routers for 5 layers, expected at most nLayer \(4\)/],
])('%s is refused', (firstRouters, message) => {
  const { vocabSize: _, ...config } = tiny
  expect(() => validateConfig({ ...config, firstRouters })).toThrow(message)
})

test('hash-gated, hand-worked: the table says who, the roots of softplus how much, however small', () => {
  const router = new HashGatedRouter(2, 3, 2, createStreams(1).init, { vocabSize: 1 })
  router.table.assign(tf.tensor2d([[2, 0]]))
  router.scores.weight.assign(tf.tensor2d([1, 0, 0, 0, 0, 1], [2, 3]))
  router.scores.bias?.assign(tf.zeros([3]))
  const route = (x: number[]) => router.forward(tf.tensor2d([x]), { ...ctx, tokenIds: tf.zeros([1, 1], 'int32') })
  const [first, second] = [Math.sqrt(Math.log1p(Math.exp(2))), Math.sqrt(Math.log1p(Math.exp(-1)))] // logits: -1 of expert 0, 2 of expert 2
  expect([...route([-1, 2]).experts.dataSync()]).toEqual([2, 0])
  expectClose(route([-1, 2]).gates, [first / (first + second), second / (first + second)], 1e-6)
  expectClose(route([-900, -900]).gates, [0.5, 0.5], 1e-6)
  const slope = tf.grad((x) => tf.sum(tf.mul(router.forward(x, { ...ctx, tokenIds: tf.zeros([1, 1], 'int32') }).gates, [[1, 0]])))
  for (const x of [...slope(tf.tensor2d([[-900, -900]])).dataSync()]) expect(x).not.toBeNaN()
  expect(Object.keys(routers)).toContain('hash-gated')
})
