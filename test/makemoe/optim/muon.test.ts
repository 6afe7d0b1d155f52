import fc from 'fast-check'
import { AdamW, createStreams, Muon, type NamedParameter, optimizers, presets, SparseMoELanguageModel, type Tensor, tf } from 'makemoe'
import { orthogonalized } from 'makemoe/dist/makemoe/optim/muon'
import { ParameterGroups } from 'makemoe/dist/makemoe/optim/parameter-groups'
import { roleOf } from 'makemoe/dist/makemoe/optim/roles'
import { describe, expect, test } from 'vitest'
import { expectClose, partsGolden } from '../../support'

interface Golden {
  readonly shape: [number, number]
  readonly before: number[]
  readonly gradients: number[][]
  readonly after: number[][]
}

describe('Muon', () => {
  test.each(['wide', 'tall', 'square'])("two steps are torch.optim.Muon's, whose weights are transposed: %s", (name) => {
    const { shape, before, gradients, after } = partsGolden<Golden>(`muon.${name}`)
    const matrix = (numbers: number[]): Tensor => tf.transpose(tf.tensor2d(numbers, shape))
    const weight = tf.variable(matrix(before))
    const optimizer = new Muon([['w', weight]], { learningRate: 0.1, weightDecay: 0.5 })
    for (const [i, gradient] of gradients.entries()) {
      optimizer.apply([matrix(gradient)])
      expectClose(weight, matrix(after[i] as number[]), 2e-5)
    }
  })

  test('a matrix of singular values 3 and 1, by hand: each goes through the quintic alone', () => {
    const quintic = (s: number): number => 3.4445 * s - 4.775 * s ** 3 + 2.0315 * s ** 5
    const [s, t] = [3 / Math.sqrt(10), 1 / Math.sqrt(10)]
    expectClose(orthogonalized(tf.tensor2d([0, 3, 0, 1, 0, 0], [2, 3]), 2), [0, quintic(quintic(s)), 0, quintic(quintic(t)), 0, 0], 1e-5)
  })

  test('matrices of any shape, stacked or not, come out nearly orthogonal; zeros stay zeros', () => {
    const sizes = fc.record({ rows: fc.integer({ min: 1, max: 9 }), columns: fc.integer({ min: 1, max: 9 }), seed: fc.integer({ min: 1 }) })
    fc.assert(
      fc.property(sizes, ({ rows, columns, seed }) => {
        tf.tidy(() => {
          const { init } = createStreams(seed % 2 ** 31)
          // Eigenvalues of a Gaussian's Gram matrix may be near 0, where five steps do not suffice: a dominant diagonal keeps them away.
          const matrix = tf.add(tf.mul(init.normal([rows, columns]), 0.1), tf.slice(tf.eye(9), [0, 0], [rows, columns]))
          const stack = orthogonalized(tf.stack([matrix, tf.zeros([rows, columns])]), 5)
          const [one, nothing] = tf.unstack(stack) as [Tensor, Tensor]
          expectClose(one, orthogonalized(matrix, 5), 1e-5)
          expect(tf.max(tf.abs(nothing)).dataSync()[0]).toBe(0)
          // The singular values lie between 0.68 and 1.2, so their squares' sum lies between these multiples of the rank.
          const squares = tf.sum(tf.square(one)).dataSync()[0] as number
          expect(squares / Math.min(rows, columns)).toBeGreaterThan(0.4)
          expect(squares / Math.min(rows, columns)).toBeLessThan(1.5)
        })
      }),
      { numRuns: 40 },
    )
  })

  test('queries, keys and values are three matrices', () => {
    const { init } = createStreams(3)
    const gradient = init.normal([4, 12])
    const step = (name: string, gradient: Tensor): Tensor => {
      const weight = tf.variable(tf.zerosLike(gradient))
      new Muon([[name, weight]], { learningRate: 1, weightDecay: 0 }).apply([gradient])
      return weight
    }
    const thirds = tf.split(gradient, 3, 1).map((third, i) => step(`w${i}`, third))
    expectClose(step('blocks.0.attention.qkv', gradient), tf.concat(thirds, 1), 1e-6)
  })

  test("of a model, it takes the matrices of attention and experts, each a group's state by name; AdamW has the rest", () => {
    const config = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, numExperts: 2, vocabSize: 5 }
    const model = new SparseMoELanguageModel(config, createStreams(1).init)
    const parameters = model.namedParameters()
    const byRole = new Map(parameters.map((parameter) => [parameter[0], roleOf(parameter)]))
    const byMuon = [...byRole].filter(([, role]) => role === 'matrices').map(([name]) => name)
    expect(byMuon).toEqual([
      'blocks.0.attention.qkv',
      'blocks.0.attention.proj.weight',
      ...[0, 1].flatMap((e) => ['up', 'down'].map((layer) => `blocks.0.moe.experts.${e}.${layer}.weight`)),
    ])
    expect(byRole.get('tokenEmbedding.weight')).toBe('embedding')
    expect(byRole.get('positionEmbedding.weight')).toBe('embedding')
    expect(byRole.get('head.weight')).toBe('head')
    expect(byRole.get('blocks.0.moe.router.noise.weight') ?? byRole.get('blocks.0.moe.router.scores.weight')).toBe('router')
    expect(byRole.get('lnFinal.weight')).toBe('other')
    const state = optimizers.muon(parameters, { learningRate: 1e-3, weightDecay: 0 }).state()
    const names = state.map(([name]) => name)
    expect(names.filter((name) => name.startsWith('muon.'))).toEqual(byMuon.map((name) => `muon.momentum.${name}`))
    expect(names.filter((name) => name.startsWith('adamw.m.'))).toHaveLength(parameters.length - byMuon.length)
  })
})

test('groups: each parameter belongs to the first group that has it, at its multiple of the learning rate', () => {
  const weights = (): NamedParameter[] => ['a', 'b', 'c'].map((name) => [name, tf.variable(tf.tensor1d([1, -2]))])
  const gradients = [tf.tensor1d([3, -4]), tf.tensor1d([1, 1]), tf.tensor1d([-5, 2])]
  const grouped = weights()
  const make = (own: readonly NamedParameter[]): AdamW => new AdamW(own, { weightDecay: 0.1 })
  const groups = [
    { name: 'one', has: ([name]: NamedParameter) => name === 'b', multiple: 0.5, make },
    { name: 'two', has: ([name]: NamedParameter) => name !== 'c', multiple: 3, make },
  ]
  const optimizer = new ParameterGroups(grouped, groups, { learningRate: 0.1, weightDecay: 0 })
  optimizer.apply(gradients)
  const rates = [0.3, 0.05]
  for (const [i, rate] of rates.entries()) {
    const alone = weights().slice(i, i + 1)
    new AdamW(alone, { learningRate: rate, weightDecay: 0.1 }).apply([gradients[i] as Tensor])
    expectClose(grouped[i]?.[1] as Tensor, alone[0]?.[1] as Tensor, 1e-6)
  }
  expect([...(grouped[2]?.[1].dataSync() ?? [])]).toEqual([1, -2]) // in no group
  expect(optimizer.state().map(([name]) => name)).toEqual([
    ...['beta1_power', 'beta2_power', 'm.b', 'v.b'].map((name) => `one.${name}`),
    ...['beta1_power', 'beta2_power', 'm.a', 'v.a'].map((name) => `two.${name}`),
  ])
  const before = tf.memory().numTensors
  optimizer.dispose()
  expect(tf.memory().numTensors).toBe(before - 1 - 2 * 5) // the rates, and all of the state
})
