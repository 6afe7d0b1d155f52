import { inspect } from 'node:util'
import { compile, createStreams, Linear, Module, presets, SparseMoELanguageModel, type Tensor, tf } from 'makemoe'
import { describe, expect, test } from 'vitest'

const config = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 2, blockSize: 4, numExperts: 3, topK: 2, vocabSize: 5 }
const model = new SparseMoELanguageModel(config, createStreams(1).init)

describe('what a cell prints', () => {
  test('a tensor: type, shape, a few numbers', () => {
    expect(inspect(tf.tensor2d([[1, 2.5]]))).toBe('Tensor float32 [1, 2] [[1, 2.500]]')
    expect(inspect(tf.range(0, 9, 1, 'int32'))).toBe('Tensor int32 [9] [0, 1, 2, 3, 4, 5, ...]')
    expect(inspect(tf.scalar(3))).toBe('Tensor float32 [] 3')
    const gone = tf.scalar(1)
    gone.dispose()
    expect(inspect(gone)).toMatch(/disposed of/)
    let traced = ''
    compile((x: Tensor) => {
      traced = inspect(x)
      return tf.neg(x)
    })(tf.zeros([2]))
    expect(traced).toBe('Tensor float32 [2]')
  })
  test('a model: its tree, equal layers and experts on one line', () => {
    const lines = inspect(model).split('\n')
    expect(lines[0]).toBe(`SparseMoELanguageModel (${model.parameterCount().toLocaleString('en-US')})`)
    expect(inspect(model)).toMatch(/\n {2}blocks\.0-1: Block \(.*\n {4}attention: InHalves\(MultiHeadAttention\)/)
    expect(inspect(model)).toMatch(/experts\.0-2: Expert \(552\)\n {8}up: Linear \(288\)\n {10}weight \[8, 32\]\n/)
    expect(lines.length).toBeLessThan(45)
  })
})

describe('an error inside a module', () => {
  const broken = (): SparseMoELanguageModel => {
    const model = new SparseMoELanguageModel(config, createStreams(1).init)
    const moe = model.blocks[1]?.moe as unknown as { experts: [unknown, unknown, { down: Linear }] }
    moe.experts[2].down = new Linear(7, 8, createStreams(2).init)
    return model
  }
  const forward = (fast: boolean) => {
    const model = broken()
    const streams = createStreams(3)
    const run = (x: Tensor) => model.forward(x, { training: false, streams })
    const x = tf.zeros([2, 4], 'int32')
    return () => (fast ? compile(run)(x) : run(x))
  }
  test('a forward that forgot its return is named', () => {
    class Forgetful extends Module {
      forward(x: Tensor): Tensor {
        tf.square(x)
        return undefined as never
      }
    }
    const streams = createStreams(1)
    const model = new SparseMoELanguageModel(config, streams.init, { expert: () => new Forgetful() })
    expect(() => model.forward(tf.zeros([2, 4], 'int32'), { training: false, streams })).toThrow(
      /^Forgetful\.forward: got nothing back, .*`return` missing.*\n {2}in blocks\.0\.moe\.experts\.0: Forgetful/,
    )
  })
  test('nothing is replaced: every forward is that of its class, and stacks are as deep as before', () => {
    const model = broken()
    const { stackTraceLimit } = Error
    const forwards = () => [...model.namedModules()].filter(([, module]) => Object.hasOwn(module, 'forward')).map(([name]) => name)
    expect(forwards()).toEqual([])
    let limit: number | undefined
    const streams = createStreams(3)
    const observer = () => {
      limit = Error.stackTraceLimit
      expect(forwards()).toEqual([])
    }
    expect([...model.namedModules()].length).toBeGreaterThan(20)
    new SparseMoELanguageModel(config, streams.init).forward(tf.zeros([2, 4], 'int32'), { training: false, streams, observer })
    expect(limit).toBe(stackTraceLimit)
    expect(() => model.forward(tf.zeros([2, 4], 'int32'), { training: false, streams })).toThrow(/in blocks\.1/)
    expect(forwards()).toEqual([])
    expect(Error.stackTraceLimit).toBe(stackTraceLimit)
  })
  test.each([false, true])("names the module's path and the caller's line, in at most five lines (compiled: %s)", (fast) => {
    let caught: Error | undefined
    try {
      forward(fast)()
    } catch (error) {
      caught = error as Error
    }
    expect(caught?.message).toMatch(
      /Linear: got an input of shape .* expected its last axis to be 7\n {2}in blocks\.1\.moe\.experts\.2\.down: Linear/,
    )
    const where = fast ? caught?.message : caught?.stack
    expect(where).toMatch(/at run .*print\.test\.ts/)
    expect(where?.split('\n').length).toBeLessThanOrEqual(5)
  })
  test('a lone module says its class', () => {
    const linear = new Linear(3, 2, createStreams(1).init)
    expect(() => linear.forward(tf.zeros([1, 4]))).toThrow(/^Linear: .*expected its last axis to be 3$/)
    expect(linear.forward(tf.zeros([1, 3])).shape).toEqual([1, 2])
  })
})
