import { RmsNorm, type Tensor, tf } from 'makemoe'
import { rmsNorm } from 'makemoe/dist/engine/tensor/row-norm'
import { describe, test } from 'vitest'
import { expectClose, partsGolden } from '../../support'

describe('RmsNorm', () => {
  test('hand-worked: [3, 4] has a mean square of 12.5', () => {
    const scale = 1 / Math.sqrt(12.5 + 1e-5)
    expectClose(new RmsNorm(2).forward(tf.tensor2d([[3, 4]])), [3 * scale, 4 * scale], 1e-6)
  })
  test("value and gradients are torch.nn.RMSNorm's", () => {
    const golden = partsGolden<Record<'x' | 'gain' | 'dy' | 'y' | 'dx' | 'dgain', number[]>>('rms')
    const [x, gain, dy] = [tf.tensor2d(golden.x, [3, 5]), tf.tensor1d(golden.gain), tf.tensor2d(golden.dy, [3, 5])]
    expectClose(rmsNorm(x, gain, 1e-5), golden.y, 1e-5)
    const [dx, dgain] = tf.grads((x: Tensor, gain: Tensor) => rmsNorm(x, gain, 1e-5))([x, gain], dy) as [Tensor, Tensor]
    expectClose(dx, golden.dx, 1e-5)
    expectClose(dgain, golden.dgain, 1e-5)
  })
})
