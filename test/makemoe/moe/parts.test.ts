import { balances, createStreams, dropPolicies, experts, kaimingInit, presets, routers, SparseMoELanguageModel, tf } from 'makemoe'
import { describe, expect, test } from 'vitest'

const config = { ...presets.corrected, nEmbed: 6, nHead: 2, nLayer: 1, blockSize: 4, vocabSize: 5, numExperts: 3, topK: 2, dropout: 0 }

describe('every part of the tables is made by its name', () => {
  const stream = createStreams(1).init
  test.each(Object.entries(routers))('router %s', (name, make) => {
    const topK = name === 'switch' ? 1 : 2
    const tokenIds = tf.tensor2d([[0, 1, 4, 2]], undefined, 'int32')
    const { experts, gates, logits, partial } = make({ ...config, topK }, stream, kaimingInit).forward(tf.ones([4, 6]), {
      training: false,
      streams: createStreams(2),
      tokenIds,
    })
    const choices = partial ? 3 : topK
    expect([experts.shape, gates.shape, logits.shape]).toEqual([
      [4, choices],
      [4, choices],
      [4, 3],
    ])
  })
  test.each(Object.entries(experts))('expert %s, of a given width', (_name, make) => {
    const [narrow, wide] = [1, 7].map((expertWidth) => make({ ...config, expertWidth }, stream, kaimingInit))
    expect(wide?.forward(tf.ones([2, 6])).shape).toEqual([2, 6])
    expect(wide?.parameterCount()).toBeGreaterThan(narrow?.parameterCount() ?? 0)
  })
  test('drop policies without chance, hand-worked: gates [0.6, 0.4] and [0.7, 0.3]; pairs 0 and 1 are first choices, 2 and 3 second ones', () => {
    const gates = tf.tensor2d([
      [0.6, 0.4],
      [0.7, 0.3],
    ])
    const { random: _random, ...others } = dropPolicies
    const orders = Object.fromEntries(Object.entries(others).map(([name, policy]) => [name, policy(gates).arraySync()]))
    expect(orders).toEqual({ order: [0, 2, 1, 3], rank: [1, 0, 2, 3] })
  })
  test('the drop policy random: every order of four pairs, each about as often', () => {
    const ctx = { training: true, streams: createStreams(5) }
    const counts = new Map<string, number>()
    for (let i = 0; i < 240; i++) {
      const order = dropPolicies.random(tf.ones([2, 2]), ctx).arraySync() as number[]
      expect([...order].sort()).toEqual([0, 1, 2, 3])
      counts.set(order.join(), (counts.get(order.join()) ?? 0) + 1)
    }
    expect(counts.size).toBe(24)
    for (const count of counts.values()) expect(Math.abs(count - 10)).toBeLessThan(4 * Math.sqrt(10))
    expect(() => dropPolicies.random(tf.ones([2, 2]))).toThrow(/got no context/)
  })
  test.each(Object.entries<object>(balances))('balance %s adds its loss in a model', (name, method) => {
    const streams = createStreams(3)
    const model = new SparseMoELanguageModel({ ...config, balance: name }, streams.init)
    const names: string[] = []
    const x = tf.zeros([1, 4], 'int32')
    model.loss(x, x, { training: true, streams, addLoss: (added) => void names.push(added) })
    expect(names).toEqual('loss' in method ? [name] : []) // a bias balances without a loss
  })
})
