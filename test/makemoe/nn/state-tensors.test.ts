import { CheckpointError, createStreams, Linear, Module, parameter, tf } from 'makemoe'
import { takeState, transposed } from 'makemoe/dist/makemoe/nn/state-tensors'
import { describe, expect, test } from 'vitest'

const streams = createStreams(3)

describe('Module', () => {
  class Pair extends Module {
    readonly first = new Linear(2, 3, streams.init)
    readonly many = [new Linear(3, 1, streams.init, { bias: false })]
    readonly scale = parameter(tf.scalar(2))
    protected override readonly stateNames = { many: 'layers' }
  }
  test('a missing tensor and a wrong shape are named', () => {
    expect(() => new Pair().loadState(new Map())).toThrow(CheckpointError)
    expect(() => takeState(new Map(), 'a.b', [2])).toThrow(/no tensor a\.b, expected one of shape \[2\]/)
    expect(() => takeState(new Map([['a', { shape: [3], values: new Float32Array(3) }]]), 'a', [2])).toThrow(
      /a has shape \[3\], expected \[2\]/,
    )
  })
})
test('transposed', () => expect([...transposed(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]))
