import { estimateLoss, exactLoss, type Loss, type Tensor, tf } from 'makemoe'
import { inSubgraphs, makeLossSum } from 'makemoe/dist/makemoe/train/evaluate'
import { describe, expect, test } from 'vitest'
import { setUp } from './small-model'

describe('evaluation', () => {
  test('exactLoss is the mean over all windows, whatever the batch size', () => {
    const { model, dataset, streams } = setUp()
    const lossSum = makeLossSum(model, { training: false, streams })
    const shares: number[] = []
    const one = exactLoss(lossSum, dataset, { batchSize: 1, onProgress: (share) => shares.push(share) })
    const many = exactLoss(lossSum, dataset, { batchSize: 7 })
    expect(many.nats).toBeCloseTo(one.nats, 5)
    expect(one.characters).toBe(22 * 8)
    expect(one.bitsPerCharacter).toBeCloseTo(one.nats / Math.log(2), 10)
    expect(shares.at(-1)).toBeGreaterThan(0.9)
  })
  test('estimateLoss averages the batches of each split', async () => {
    const { dataset, streams } = setUp()
    let calls = 0
    const loss = () => tf.scalar(++calls)
    expect(await estimateLoss(loss, dataset, { batchSize: 2, iterations: 3, stream: streams.evaluation })).toEqual({ train: 2, val: 5 })
    // 6 batches, 3 at a time: two groups a split; 4 do not divide 6.
    const rows: number[] = []
    const counting = (x: Tensor) => {
      rows.push(x.shape[0] as number)
      return tf.scalar(1)
    }
    const together = { batchSize: 2, iterations: 6, together: 4, stream: streams.evaluation }
    expect(await estimateLoss(counting, dataset, together)).toEqual({ train: 1, val: 1 })
    expect(rows).toEqual([6, 6, 6, 6])
    expect(await estimateLoss(loss, dataset, { ...together, signal: AbortSignal.abort() })).toBeUndefined()
  })
  test('inSubgraphs: the same mean, in two parts that keep their units whole', () => {
    const sizes: number[] = []
    const meanOf: Loss = (x, y) => {
      sizes.push(x.shape[0] as number)
      return tf.mean(tf.cast(tf.add(x, y), 'float32'))
    }
    const [x, y] = [0, 100].map((low) => tf.range(low, low + 24, 1, 'int32').reshape([6, 4])) as [Tensor, Tensor]
    for (const unit of [1, 3, 2, 6]) expect(inSubgraphs(meanOf, unit)(x, y).dataSync()[0]).toBe(123)
    expect(sizes).toEqual([3, 3, 3, 3, 6, 6])
  })
})
