/**
 * Expert parallelism (Lepikhin et al. 2020, GShard, section 3.2): each process owns E/n experts, and rows travel to them and back by
 * all-to-all. Every process sends every other a buffer of P places, however many of them are filled: with a capacity an expert serves at
 * most `limit` rows of a process, so that P = limit E/n; dropless, P is all rows that a process has, n times as much at factor 1.
 * How many places are filled travels first, so that experts compute nothing for empty ones.
 */
import { at } from '../../base/assertions'
import { toPairs, toSlots } from '../../engine/tensor/pairs'
import { concatRows, splitRows } from '../../engine/tensor/rows'
import { lastSize, matrixShape } from '../../engine/tensor/shape'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { BatchShare } from '../../makemoe/moe/batch-share'
import { collectRows, dispatchRows, planDispatch } from '../../makemoe/moe/dispatch'
import type { Collectives } from './collectives'

const int = (value: number): Tensor => tf.scalar(value, 'int32')
const range = (count: number): Tensor => tf.range(0, count, 1, 'int32')
const asInt = (condition: Tensor): Tensor => tf.cast(condition, 'int32')

/** Serves rows by the experts of all processes; n processes, S slots, P places in a buffer. */
export function expertExchange(collectives: Collectives, numExperts: number): BatchShare['serve'] {
  const { size: n, index } = collectives
  const owned = numExperts / n
  return (experts, rows, { load, pairOfSlot, slotOfPair, limit }) => {
    const C = lastSize(rows)
    const [K, N] = matrixShape(slotOfPair, 'dispatch: slots')
    const P = Math.min(limit * owned, N * Math.min(K, owned)) // a token has no expert twice
    // Where each slot goes: slots are sorted by expert, so by process too.
    const toEach = tf.reshape(load, [n, owned]) // rows for each expert of each process
    const counts = tf.sum(toEach, 1) // [n]
    const ends = tf.cumsum(counts)
    const starts = tf.sub(ends, counts)
    const slots = tf.cumsum(tf.onesLike(pairOfSlot), 0, true) // [S]
    const receiver = tf.sum(asInt(tf.greaterEqual(tf.expandDims(slots, 1), tf.expandDims(ends, 0))), 1) // [S]
    const placeOfSlot = tf.add(tf.mul(receiver, int(P)), tf.sub(slots, tf.gather(starts, receiver))) // [S]
    const filled = tf.less(tf.expandDims(range(P), 0), tf.expandDims(counts, 1)) // [n, P]
    const slotOrNone = tf.where(filled, tf.add(tf.expandDims(starts, 1), tf.expandDims(range(P), 0)), tf.sum(load))
    const places = { slotOfPair: tf.reshape(slotOrNone, [1, n * P]), pairOfSlot: placeOfSlot, tokenOfSlot: placeOfSlot, drops: true }

    const came = collectives.allToAll(tf.reshape(toPairs(rows, places), [n, P, C]))
    const lastOfExpert = tf.cumsum(collectives.exchange(toEach), 1) // [n, owned]: where each expert's rows end in each buffer
    const expertOfPlace = tf.sum(asInt(tf.greaterEqual(tf.reshape(range(P), [1, P, 1]), tf.expandDims(lastOfExpert, 1))), 2) // owned: none
    const routing = { experts: tf.reshape(expertOfPlace, [n * P, 1]), gates: tf.ones([n * P, 1]), partial: true }
    const plan = planDispatch(routing, owned)
    const inputs = splitRows(dispatchRows(tf.reshape(came, [n * P, C]), plan), plan.load)
    const outputs = Array.from({ length: owned }, (_, k) => at(experts, index * owned + k).forward(at(inputs, k)))
    const served = collectRows(concatRows(outputs, plan.load), plan) // [1, n P, C]
    const back = collectives.allToAll(tf.reshape(served, [n, P, C]))
    return toSlots(tf.reshape(back, [n * P, C]), places)
  }
}
