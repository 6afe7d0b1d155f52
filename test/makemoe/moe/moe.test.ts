import fc from 'fast-check'
import {
  buffer,
  type Capacity,
  ConfigError,
  type Context,
  combine,
  createStreams,
  Expert,
  expertCapacity,
  gradientsOf,
  Module,
  NoisyTopkRouter,
  type RoutingRecord,
  SigmoidRouter,
  SparseMoE,
  type StateDict,
  SwigluExpert,
  type Tensor,
  TopkRouter,
  tf,
  topKGating,
  type Variable,
} from 'makemoe'
import { collectRows, dispatchRows, planDispatch } from 'makemoe/dist/makemoe/moe/dispatch'
import { noisyLogits } from 'makemoe/dist/makemoe/moe/router/noisy-topk'
import { chooseTopK, scatterGates } from 'makemoe/dist/makemoe/moe/router/top-k-gating'
import { inLayer } from 'makemoe/dist/makemoe/nn/context'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../support'

const streams = createStreams(3)
const training: Context = { training: true, streams }
const evaluating: Context = { training: false, streams }
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('topKGating', () => {
  test('hand-worked: softmax over the two best of [1, 3, 2, 0]', () => {
    const { allGates, experts, gates } = topKGating(tf.tensor2d([[1, 3, 2, 0]]), 2)
    const best = 1 / (1 + Math.exp(-1))
    expect(experts.arraySync()).toEqual([[1, 2]])
    expectClose(gates, [best, 1 - best], 1e-6)
    expectClose(allGates, [0, best, 1 - best, 0], 1e-6)
  })
  test('every row sums to 1 with exactly K positive', () => {
    const { allGates } = topKGating(random(50, 8), 3)
    expectClose(tf.sum(allGates, 1), new Float32Array(50).fill(1), 1e-6)
    for (const row of allGates.arraySync() as number[][]) expect(row.filter((gate) => gate > 0)).toHaveLength(3)
  })
  test('the gate of a single choice is exactly 1, so that equal gates tie', () => {
    expect(Array.from(topKGating(random(9, 4), 1).gates.dataSync())).toEqual(Array(9).fill(1))
    const gradient = tf.grad((x) => tf.sum(topKGating(x, 1).allGates))(random(2, 4))
    expect(Array.from(gradient.dataSync(), Math.abs)).toEqual(Array(8).fill(0))
  })
  test('the gradient reaches the kept scores alone', () => {
    const x = tf.tensor2d([[1, 3, 2, 0]])
    expectGradient((x) => topKGating(x, 2).allGates, x)
    const gradient = tf
      .grad((x) => tf.sum(tf.mul(topKGating(x, 2).allGates, random(1, 4))))(x)
      .dataSync()
    expect([gradient[0], gradient[3]]).toEqual([0, 0])
    expect(gradient[1]).not.toBe(0)
  })
})

describe('routers', () => {
  test('TopkRouter chooses by its linear scores', () => {
    const router = new TopkRouter(4, 3, 2, streams.init)
    const x = random(5, 4)
    const { logits, allGates } = router.forward(x)
    expectClose(logits, router.scores.forward(x), 1e-6)
    expectClose(allGates, topKGating(logits, 2).allGates, 1e-6)
  })
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
  test('SigmoidRouter, hand-worked: the chosen sigmoids, normalized', () => {
    const router = new SigmoidRouter(1, 3, 2, streams.init)
    assignParameter(router.scores.weight, Float32Array.of(Math.log(3), 0, Math.log(9)))
    assignParameter(router.scores.bias as Variable, Float32Array.of(0, 0, 0))
    const { experts, gates, probabilities } = router.forward(tf.tensor2d([[1]])) // sigmoids 3/4, 1/2, 9/10
    expect(experts.arraySync()).toEqual([[2, 0]])
    expectClose(gates, [0.9 / 1.65, 0.75 / 1.65], 1e-6)
    expectClose(probabilities?.() ?? [], [0.75 / 2.15, 0.5 / 2.15, 0.9 / 2.15], 1e-6)
    expectGradient((x) => router.forward(x).gates, random(3, 1))
  })
  test('SigmoidRouter: gates and probabilities sum to 1, and have gradients, whatever the logits are', () => {
    const logit = fc.oneof(fc.double({ min: -120, max: 120, noNaN: true }), fc.constantFrom(-1e4, -88, -50, 0, 50, 1e4))
    fc.assert(
      fc.property(fc.array(logit, { minLength: 4, maxLength: 4 }), fc.integer({ min: 1, max: 3 }), fc.boolean(), (logits, topK, biased) => {
        const router = new SigmoidRouter(1, 4, topK, streams.init)
        assignParameter(router.scores.weight, Float32Array.from(logits))
        assignParameter(router.scores.bias as Variable, Float32Array.of(0, 0, 0, 0))
        const bias = biased ? tf.tensor1d([0.3, 0, -0.2, 0.1]) : undefined
        const routing = router.forward(tf.tensor2d([[1]]), undefined, bias)
        for (const values of [routing.gates, routing.probabilities?.() ?? tf.tensor1d([])]) expectClose(tf.sum(values, -1), [1], 1e-5)
        const x = tf.tensor2d([[1]])
        const gradient = tf.grad((x: Tensor) => tf.sum(tf.mul(router.forward(x, undefined, bias).gates, [1, 2, 3].slice(0, topK))))(x)
        expect(gradient.dataSync()[0]).toSatisfy(Number.isFinite)
      }),
      { numRuns: 60 },
    )
  })
  test('a bias moves the choice and not the gates', () => {
    const logits = tf.tensor2d([[1, 3, 2, 0]])
    const { experts, gates, allGates } = topKGating(logits, 2, tf.tensor1d([0, 0, 0, 5]))
    const best = 1 / (1 + Math.exp(-3))
    expect(experts.arraySync()).toEqual([[3, 1]])
    expectClose(gates, [1 - best, best], 1e-6)
    expectClose(allGates, [0, best, 0, 1 - best], 1e-6)
    expectGradient((x) => topKGating(x, 2, tf.tensor1d([0, 0, 0, 5])).allGates, logits)
    expect(chooseTopK(logits, 1).experts.arraySync()).toEqual([[1]])
    expectClose(scatterGates(experts, gates, 4), allGates, 1e-12)
  })
  test.each([0, 9, 1.5])('refuse topK %d of 8', (topK) => {
    expect(() => new TopkRouter(4, 8, topK, streams.init)).toThrow(ConfigError)
    expect(() => new NoisyTopkRouter(4, 8, topK, streams.init)).toThrow(/topK: got/)
  })
})

test('expertCapacity: the even share times the factor, rounded down, at least 1 by default', () => {
  expect(expertCapacity(512, 2, 8, 1)).toBe(128)
  expect(expertCapacity(512, 2, 8, 1.25)).toBe(160)
  expect(expertCapacity(3, 2, 8, 1)).toBe(1)
  expect(expertCapacity(3, 2, 8, 1, 0)).toBe(0)
})

describe('dispatch', () => {
  // Four tokens, two choices, three experts.
  const experts = tf.tensor2d(
    [
      [0, 1],
      [1, 0],
      [1, 2],
      [1, 0],
    ],
    [4, 2],
    'int32',
  )
  const gates = tf.tensor2d([
    [0.6, 0.4],
    [0.7, 0.3],
    [0.9, 0.1],
    [0.8, 0.2],
  ])
  /** Token by token: which pairs are served. */
  const keptPairs = (capacity?: Capacity): number[] => {
    const { slotOfPair, load } = planDispatch({ experts, gates }, 3, capacity)
    const served = tf.sum(load).dataSync()[0] as number
    return tf
      .unstack(slotOfPair, 1)
      .flatMap((slots) => Array.from(slots.dataSync()))
      .flatMap((slot, pair) => (slot < served ? [pair] : []))
  }

  test('each pair has a slot of its own, beside those of its expert', () => {
    const plan = planDispatch({ experts, gates }, 3)
    const load = plan.load.arraySync() as number[]
    expect(load).toEqual([3, 4, 1])
    const slots = Array.from(plan.slotOfPair.dataSync())
    expect(slots.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    const expertOfSlot = load.flatMap((size, e) => new Array<number>(size).fill(e))
    expect(slots.map((slot) => expertOfSlot[slot])).toEqual(tf.unstack(experts, 1).flatMap((experts) => Array.from(experts.dataSync())))
    const pairOfSlot = Array.from(plan.pairOfSlot.dataSync())
    expect(slots.map((slot) => pairOfSlot[slot])).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })
  test('rows go out and come back', () => {
    const plan = planDispatch({ experts, gates }, 3)
    const x = random(4, 2)
    const back = collectRows(dispatchRows(x, plan), plan)
    expectClose(back, tf.stack([x, x]), 1e-12)
  })
  test('gradients of both ways', () => {
    for (const capacity of [undefined, { limit: 2, policy: 'order' } as const]) {
      const plan = planDispatch({ experts, gates }, 3, capacity)
      expectGradient((x) => dispatchRows(x, plan), random(4, 2))
      expectGradient((y) => collectRows(y, plan), random(plan.pairOfSlot.shape[0] as number, 2))
    }
  })
  test('combine: the rows of a token, weighted and added up; with gradients', () => {
    const served = random(2, 4, 3)
    const byToken = tf.transpose(served, [1, 0, 2]) // [N, K, C]
    expectClose(combine(served, gates), tf.sum(tf.mul(byToken, tf.expandDims(gates, -1)), 1), 1e-6)
    expectGradient((served) => combine(served, gates), served)
    expectGradient((gates) => combine(served, gates), gates)
  })
  test('order keeps the first pairs of an expert, as the original', () => {
    // Expert 1 is wanted by the pairs 1, 2, 4, 6; expert 0 by 0, 3, 7.
    expect(keptPairs({ limit: 2, policy: 'order' })).toEqual([0, 1, 2, 3, 5])
  })
  test('rank keeps first choices before second ones, and the larger gate among equals', () => {
    expect(keptPairs({ limit: 2, policy: 'rank' })).toEqual([0, 3, 4, 5, 6])
  })
  test('capacity 0 serves nobody', () => expect(keptPairs({ limit: 0, policy: 'order' })).toEqual([]))
})

test('SwigluExpert, hand-worked: (silu(x Wg) * x W1) W2', () => {
  const expert = new SwigluExpert(1, streams.init, { width: 1 })
  for (const [i, value] of [2, 0, 3, 1, 5, 0.5].entries()) assignParameter(expert.parameters()[i] as Variable, Float32Array.of(value))
  expectClose(expert.forward(tf.tensor2d([[1]])), [(2 / (1 + Math.exp(-2))) * 4 * 5 + 0.5], 1e-6)
  const [relu, swiglu] = [new Expert(12, streams.init), new SwigluExpert(12, streams.init)]
  expect(Math.abs(swiglu.parameterCount() / relu.parameterCount() - 1)).toBeLessThan(0.03)
})

describe('SparseMoE', () => {
  const [C, E, K] = [4, 8, 2]
  const original = { capacityMode: 'always', minCapacity: 0, dropPolicy: 'order' } as const
  const make = (options: ConstructorParameters<typeof SparseMoE>[2] = {}, noise: 'training' | 'always' = 'training') =>
    new SparseMoE(
      new NoisyTopkRouter(C, E, K, streams.init, noise),
      Array.from({ length: E }, () => new Expert(C, streams.init)),
      options,
    )

  test('equals the sum over all experts weighted by the gates', () => {
    const moe = make()
    const x = random(2, 5, C)
    const { allGates } = (moe.router as NoisyTopkRouter).forward(tf.reshape(x, [-1, C]), evaluating)
    const dense = moe.experts.reduce<Tensor>(
      (sum, expert, e) => {
        const weighted = tf.mul(expert.forward(tf.reshape(x, [-1, C])), tf.slice(allGates, [0, e], [-1, 1]))
        return tf.add(sum, weighted)
      },
      tf.zeros([10, C]),
    )
    const y = moe.forward(x, evaluating)
    expect(y.shape).toEqual([2, 5, C])
    expectClose(y, dense, 1e-5)
  })
  test('an idle expert gets no gradient and changes nothing for the others', () => {
    const moe = make()
    const x = random(1, C)
    const chosen = new Set(moe.router.forward(x, evaluating).experts.dataSync())
    for (const [e, expert] of moe.experts.entries()) {
      const { gradients } = gradientsOf(() => tf.sum(moe.forward(x, evaluating)), expert.parameters())
      const size = gradients.reduce((sum, gradient) => sum + (tf.sum(tf.abs(gradient)).dataSync()[0] as number), 0)
      expect(size > 0, `expert ${e}`).toBe(chosen.has(e))
    }
  })
  test('an observer sees load, drops, gates and entropy', () => {
    const records: RoutingRecord[] = []
    const moe = make({ capacityFactor: 0.5, ...original })
    moe.forward(random(32, C), { ...evaluating, layer: 3, observer: (record) => records.push(record) })
    const [record] = records as [RoutingRecord]
    expect(record.layer).toBe(3)
    const load = Array.from(record.load.dataSync())
    expect(Math.max(...load)).toBeLessThanOrEqual(4)
    expect(load.reduce((a, b) => a + b) + (record.dropped.dataSync()[0] as number)).toBe(64)
    expect(record.allGates.shape).toEqual([32, E])
    expect(record.entropy.dataSync()[0]).toBeGreaterThan(0)
    expect(record.entropy.dataSync()[0]).toBeLessThan(Math.log(2) + 1e-4)
  })
  test('shared experts serve every token, weight 1, each with its own dropout', () => {
    const shared = [1, 2].map(() => new Expert(C, streams.init))
    const added = shared.reduce((sum, expert) => sum + expert.parameterCount(), 0)
    const moe = make()
    const withShared = new SparseMoE(moe.router, moe.experts, { shared })
    const x = random(6, C)
    const expected = tf.addN([moe.forward(x, evaluating), ...shared.map((expert) => expert.forward(x))])
    expectClose(withShared.forward(x, evaluating), expected, 1e-6)
    expect(withShared.activeParameterCount(K)).toBe(moe.activeParameterCount(K) + added)
    expect(withShared.namedParameters().map(([name]) => name)).toContain('shared.1.up.weight')
  })
  test('reports under its layer, dropped pairs only where capacity counts; computes nothing when nobody listens', () => {
    const reports = new Map<string, number[] | number>()
    const report = (name: string, value: Tensor) => void reports.set(name, value.arraySync() as number[])
    make().forward(random(8, C), inLayer({ ...evaluating, report }, 2))
    expect([...reports.keys()]).toEqual(expect.arrayContaining(['routing/layer_2/load', 'routing/layer_2/entropy']))
    expect([...reports.keys()].filter((name) => !/^routing\/layer_2\/\w+$/.test(name) || name.includes('drop'))).toEqual([])
    expect(reports.get('routing/layer_2/load')).toHaveLength(E)
    make({ capacityFactor: 1 }).forward(random(8, C), inLayer({ ...training, report }, 0))
    expect([...reports.keys()]).toContain('routing/layer_0/dropped')
    const costly = { name: 'costly', weight: 1, loss: () => expect.unreachable() as never }
    make({ losses: [costly] }).forward(random(8, C), training)
  })
  test('a balancing loss is added with its weight; the record has the demand before drops', () => {
    const records: RoutingRecord[] = []
    const loss = (record: RoutingRecord) => {
      records.push(record)
      return tf.scalar(3)
    }
    const added: [string, unknown][] = []
    const addLoss = (name: string, value: Tensor) => void added.push([name, value.arraySync()])
    const moe = make({ capacityFactor: 0.25, losses: [{ name: 'mine', weight: 0.5, loss }] })
    moe.forward(random(2, 8, C), { ...training, addLoss })
    expect(added).toEqual([['mine', 1.5]])
    const [{ demand, load, dropped, tokens }] = records as [RoutingRecord]
    const [asked, served] = [demand, load].map((counts) => Array.from(counts.dataSync()))
    expect(asked?.reduce((a, b) => a + b)).toBe(2 * 8 * K)
    expect(served).toEqual(asked?.map((n) => Math.min(n, 1)))
    expect(dropped.arraySync()).toBe(2 * 8 * K - (served?.reduce((a, b) => a + b) ?? 0))
    expect(tokens).toEqual([2, 8])
  })
  test('a balancing method with a state steers the choice, moves once a training pass, is saved, and is no parameter', () => {
    class TowardsFirst extends Module {
      readonly bias = buffer(tf.tensor1d([100, 50, 0, 0, 0, 0, 0, 0]))
      update({ demand }: RoutingRecord): void {
        this.bias.assign(tf.sub(this.bias, tf.cast(demand, 'float32')))
      }
    }
    const balancing = new TowardsFirst()
    const moe = make({ balancing })
    const observed: number[][] = []
    const observer = ({ demand }: RoutingRecord) => void observed.push(demand.arraySync() as number[])
    moe.forward(random(5, C), { ...evaluating, observer })
    moe.forward(random(5, C), { ...training, addLoss: () => {}, observer })
    expect(observed).toEqual(Array(2).fill([5, 5, 0, 0, 0, 0, 0, 0]))
    expect(balancing.bias.arraySync()).toEqual([95, 45, 0, 0, 0, 0, 0, 0])
    expect(moe.parameters()).not.toContain(balancing.bias)
    const state: StateDict = new Map()
    moe.saveState(state)
    expect([...(state.get('balancing.bias')?.values ?? [])]).toEqual([95, 45, 0, 0, 0, 0, 0, 0])
    moe.loadState(state)
    const before = tf.memory().numTensors
    moe.dispose()
    expect(balancing.bias.isDisposed).toBe(true)
    expect(tf.memory().numTensors).toBeLessThan(before)
  })
  test('by default capacity is for training; at makemoe it is always on, and can be 0', () => {
    const x = random(2, C)
    const ours = make({ capacityFactor: 1 })
    const unlimited = new SparseMoE(ours.router, ours.experts)
    expectClose(ours.forward(x, evaluating), unlimited.forward(x, evaluating), 1e-6)
    const theirs = new SparseMoE(ours.router, ours.experts, { capacityFactor: 1, ...original })
    expect(
      theirs
        .forward(x, evaluating)
        .dataSync()
        .every((value) => value === 0),
    ).toBe(true)
  })
})
