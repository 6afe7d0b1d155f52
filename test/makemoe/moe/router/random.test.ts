import { type Context, createStreams, tf } from 'makemoe'
import { RandomRouter } from 'makemoe/dist/makemoe/moe/router/random'
import { expect, test } from 'vitest'
import { expectClose } from '../../../support'

const streams = createStreams(8)
const ctx: Context = { training: true, streams }

test('random: K different experts for each token, equal gates, others in each pass, in evaluation too', () => {
  const router = new RandomRouter(5, 3)
  const passes = [true, false, false].map((training) => router.forward(tf.zeros([40, 2]), { training, streams }))
  for (const { experts, gates } of passes) {
    for (const row of experts.arraySync() as number[][]) expect(new Set(row).size).toBe(3)
    expectClose(gates, new Array(120).fill(1 / 3), 1e-6)
  }
  expect(new Set(passes.map(({ experts }) => experts.dataSync().join())).size).toBe(3)
  const counts = tf.sum(tf.oneHot(tf.reshape(router.forward(tf.zeros([4000, 2]), ctx).experts, [-1]), 5), 0).dataSync()
  for (const count of counts) expect(Math.abs(count - 2400)).toBeLessThan(4 * Math.sqrt(2400))
})
