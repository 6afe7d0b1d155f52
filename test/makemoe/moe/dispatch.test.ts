import { type Capacity, combine, tf } from 'makemoe'
import { collectRows, dispatchRows, planDispatch } from 'makemoe/dist/makemoe/moe/dispatch'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../support'

const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

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
