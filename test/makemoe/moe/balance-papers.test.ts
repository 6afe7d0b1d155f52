/** The balancing losses against PyTorch, written from the papers' equations (test/pytorch/balance.py), and against hand-worked numbers. */
import { balances, ConfigError, createStreams, presets, type RoutingRecord, SparseMoELanguageModel, type Tensor, tf } from 'makemoe'
import { topKGating } from 'makemoe/dist/makemoe/moe/router/top-k-gating'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient, fixture, relativeError } from '../../support'

const golden = fixture('balance')
const [N, K, T] = [12, 2, 6]

/** What the noisy router would tell of the golden's tokens. */
function record(logits: Tensor, scale: Tensor, sigmoid = false): RoutingRecord {
  const deviation = tf.softplus(scale)
  const noisy = tf.add(logits, tf.mul(golden.tensor('in.draw'), deviation))
  const { experts, gates, allGates } = topKGating(noisy, K)
  const demand = tf.sum(tf.sum(tf.oneHot(experts, 5, 1, 0, 'int32'), 1), 0)
  const affinity = tf.sigmoid(logits)
  const probabilities = sigmoid ? tf.div(affinity, tf.sum(affinity, -1, true)) : tf.softmax(logits)
  const rest = { layer: 0, tokens: [N / T, T], load: demand, drops: false, dropped: tf.scalar(0, 'int32'), entropy: tf.scalar(0) }
  return { ...rest, experts, gates, allGates, logits, demand, probabilities, noise: { noisy, deviation: () => deviation } }
}

describe('balancing losses equal PyTorch', () => {
  test.each(['importance', 'load', 'switch', 'z', 'sequence', 'sequence-sigmoid'])('%s: value and gradients', (name) => {
    const [method = ''] = name.split('-')
    const { loss } = balances[method as 'z']
    const sigmoid = name !== method
    const [logits, scale] = [golden.tensor('in.logits'), golden.tensor('in.scale')]
    const gradientBy = (which: string, x: Tensor, f: (x: Tensor) => Tensor): void => {
      const { value, grad } = tf.valueAndGrad(f)(x)
      expect(relativeError(value.dataSync(), golden.values(`loss.${name}`))).toBeLessThan(1e-5)
      expect(relativeError(grad.dataSync(), golden.values(`grad.${name}.${which}`))).toBeLessThan(1e-5)
    }
    gradientBy('logits', logits, (logits) => loss(record(logits, scale, sigmoid)))
    if (name === 'importance' || name === 'load') gradientBy('scale', scale, (scale) => loss(record(logits, scale, sigmoid)))
  })
})

describe('by hand', () => {
  test('z: logits (0, ln 3) have logsumexp ln 4', () => {
    expectClose(balances.z.loss({ logits: tf.tensor2d([[0, Math.log(3)]]) } as RoutingRecord), [Math.log(4) ** 2], 1e-6)
  })
  test.each([[1], [2], [3], [4]])(
    'sequence: 1 for an even load of %i choices, also where experts choose and a token has any number',
    (topK) => {
      const E = 4
      const probabilities = tf.fill([8, E], 1 / E)
      const chosen = Array.from({ length: 8 }, (_, token) => Array.from({ length: topK }, (_, k) => (token + k) % E))
      const routed = (experts: number[][]) =>
        ({ experts: tf.tensor2d(experts, undefined, 'int32'), probabilities, tokens: [2, 4] }) as unknown as RoutingRecord
      expectClose(balances.sequence.loss(routed(chosen)), [1], 1e-6)
      expectClose(balances.sequence.loss(routed(chosen.map((row) => [...row, ...Array(E - topK).fill(E)]))), [1], 1e-6)
      // The first half of each sequence has all choices of the second, too.
      const uneven = chosen.map((_, token) => (token % 4 < 2 ? [0, 1, 2, 3] : [E, E, E, E]))
      expectClose(balances.sequence.loss(routed(uneven)), [1], 1e-6)
    },
  )
  test('importance: gates that sum to (3, 1) vary by half of their mean', () => {
    const allGates = tf.tensor2d([
      [1, 0],
      [1, 0],
      [1, 0],
      [0, 1],
    ])
    expectClose(balances.importance.loss({ allGates } as RoutingRecord), [0.25], 1e-6)
  })
  test('sequence: each sequence counts by itself', () => {
    // Two sequences of two tokens, each to an expert of its own: balanced over the batch, not in a sequence. f = (2, 0), P = (3/4, 1/4).
    const probabilities = tf.tensor2d([
      [0.75, 0.25],
      [0.75, 0.25],
      [0.25, 0.75],
      [0.25, 0.75],
    ])
    const experts = tf.tensor2d([[0], [0], [1], [1]], undefined, 'int32')
    expectClose(balances.sequence.loss({ probabilities, experts, tokens: [2, 2] } as unknown as RoutingRecord), [1.5], 1e-6)
  })
  test('z has the gradient of its formula', () => {
    expectGradient((logits) => balances.z.loss({ logits } as RoutingRecord), tf.randomNormal([4, 3], 0, 1, 'float32', 3) as Tensor)
  })
})

const tiny = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, vocabSize: 5, dropout: 0, numExperts: 4 }

describe('in a model', () => {
  test('load wants a noisy router and fewer choices than experts', () => {
    const loss = (config: object): void => {
      const streams = createStreams(4)
      const model = new SparseMoELanguageModel({ ...tiny, balance: 'load:1', ...config }, streams.init)
      const x = streams.data.integers([2, 4], 0, 5)
      model.loss(x, x, { training: true, streams, addLoss: () => {} })
    }
    expect(() => loss({})).not.toThrow()
    expect(() => loss({ router: 'topk' })).toThrow(ConfigError)
    expect(() => loss({ topK: 4 })).toThrow(/fewer choices than experts/)
  })
  test('the bias moves against the demand, stays centered, and is no parameter', () => {
    const streams = createStreams(4)
    const model = new SparseMoELanguageModel({ ...tiny, balance: 'bias:0.1', router: 'topk' }, streams.init)
    expect(model.namedParameters().some(([name]) => name.includes('bias') && name.includes('balancing'))).toBe(false)
    const x = streams.data.integers([2, 4], 0, 5)
    let demand: number[] = []
    const observer = (routing: RoutingRecord): void => {
      demand = Array.from(routing.demand.dataSync())
    }
    model.loss(x, x, { training: true, streams, observer, addLoss: () => {} })
    const state = new Map()
    model.saveState(state)
    const [name, saved] = [...state].find(([name]) => name.includes('balancing')) ?? ['none', { values: [] }]
    const bias: number[] = Array.from(saved.values)
    expect(name).toContain('moe')
    expect(bias.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 6)
    const even = (2 * 4 * 2) / 4
    const uncentered = demand.map((asked) => 0.1 * Math.sign(even - asked))
    const center = uncentered.reduce((sum, value) => sum + value, 0) / 4
    expectClose(
      tf.tensor1d(bias),
      uncentered.map((value) => value - center),
      1e-6,
    )
    // Evaluation leaves it alone.
    model.loss(x, x, { training: false, streams })
    model.saveState(state)
    expect(Array.from((state.get(name) as { values: Float32Array }).values)).toEqual(bias)
  })
})
