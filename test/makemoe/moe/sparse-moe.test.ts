import {
  buffer,
  type Context,
  createStreams,
  Expert,
  gradientsOf,
  Module,
  NoisyTopkRouter,
  type RoutingRecord,
  SparseMoE,
  type StateDict,
  type Tensor,
  tf,
} from 'makemoe'
import { inLayer } from 'makemoe/dist/makemoe/nn/context'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

const streams = createStreams(3)
const training: Context = { training: true, streams }
const evaluating: Context = { training: false, streams }
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

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
