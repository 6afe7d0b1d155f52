import { createStreams, presets, SparseMoELanguageModel, type Tensor, tf, type Variable } from 'makemoe'
import { SwitchRouter } from 'makemoe/dist/makemoe/moe/router/switch'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../../support'

const streams = createStreams(8)
const random = (...shape: number[]): Tensor => tf.randomNormal(shape, 0, 1, 'float32', 12) as Tensor
const tiny = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, vocabSize: 5, dropout: 0, numExperts: 4 }

test('switch, hand-worked: the most likely expert, and its probability as the gate', () => {
  const router = new SwitchRouter(1, 3, 1, streams.init)
  assignParameter(router.scores.weight, Float32Array.of(0, Math.log(2), Math.log(5)))
  assignParameter(router.scores.bias as Variable, Float32Array.of(0, 0, 0))
  const { experts, gates } = router.forward(tf.tensor2d([[1], [-1]])) // probabilities (1, 2, 5) / 8 and (10, 5, 2) / 17
  expect(experts.arraySync()).toEqual([[2], [0]])
  expectClose(gates, [5 / 8, 10 / 17], 1e-6)
  expectGradient((x) => router.forward(x).gates, random(4, 1))
  expect(() => new SparseMoELanguageModel({ ...tiny, router: 'switch' }, streams.init)).toThrow(/got switch with topK 2, expected topK 1/)
})
