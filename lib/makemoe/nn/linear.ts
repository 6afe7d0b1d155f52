/**
 * Linear: y = x W + b. The weight is stored [in, out], so that a row of x times W is one plain matrix product; a state_dict has PyTorch's
 * transpose of it.
 */
import { ShapeError } from '../../base/errors'
import type { RandomStream } from '../../engine/tensor/streams'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import { type Initializer, kaimingNormal, uniformBias } from './initializers'
import { Module } from './module'
import { assignParameter, parameter } from './parameter'
import { type StateDict, takeState, transposed } from './state-tensors'

export interface LinearOptions {
  readonly bias?: boolean
  /** Default: Kaiming-normal, as the original. */
  readonly init?: Initializer
}

/** An affine map of the last axis, $y = x W + b$; [..., fanIn] -> [..., fanOut]. */
export class Linear extends Module {
  /** [fanIn, fanOut] */
  readonly weight: Variable
  /** [fanOut] */
  readonly bias?: Variable

  constructor(
    readonly fanIn: number,
    readonly fanOut: number,
    stream: RandomStream,
    { bias = true, init = kaimingNormal }: LinearOptions = {},
  ) {
    super()
    this.weight = parameter(init(stream, fanIn, fanOut))
    if (bias) this.bias = parameter(uniformBias(stream, fanIn, fanOut))
  }

  /**
   * @param x [..., fanIn]
   * @returns [..., fanOut]
   * @throws ShapeError if the last axis is not fanIn
   */
  forward(x: Tensor): Tensor {
    if (x.shape[x.rank - 1] !== this.fanIn)
      throw new ShapeError(`Linear: got an input of shape [${x.shape.join(', ')}], expected its last axis to be ${this.fanIn}`)
    const y = tf.matMul(x, this.weight)
    return this.bias ? tf.add(y, this.bias) : y
  }

  override saveState(state: StateDict, prefix = ''): void {
    const values = this.weight.dataSync<'float32'>()
    state.set(`${prefix}weight`, { shape: [this.fanOut, this.fanIn], values: transposed(values, this.fanIn, this.fanOut) })
    if (this.bias) state.set(`${prefix}bias`, { shape: [this.fanOut], values: Float32Array.from(this.bias.dataSync()) })
  }

  override loadState(state: StateDict, prefix = ''): void {
    const { values } = takeState(state, `${prefix}weight`, [this.fanOut, this.fanIn])
    assignParameter(this.weight, transposed(values, this.fanOut, this.fanIn))
    if (this.bias) assignParameter(this.bias, takeState(state, `${prefix}bias`, [this.fanOut]).values)
  }
}
