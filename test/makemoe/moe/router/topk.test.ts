import { createStreams, TopkRouter, tf, topKGating } from 'makemoe'
import { describe, test } from 'vitest'
import { expectClose } from '../../../support'

const streams = createStreams(3)
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('routers', () => {
  test('TopkRouter chooses by its linear scores', () => {
    const router = new TopkRouter(4, 3, 2, streams.init)
    const x = random(5, 4)
    const { logits, allGates } = router.forward(x)
    expectClose(logits, router.scores.forward(x), 1e-6)
    expectClose(allGates, topKGating(logits, 2).allGates, 1e-6)
  })
})
