import { AdamW, createStreams, optimizers, presets, SparseMoELanguageModel, type Tensor, tf, type Variable, validateConfig } from 'makemoe'
import { parseLearningRates } from 'makemoe/dist/makemoe/optim/learning-rates'
import { roleOf } from 'makemoe/dist/makemoe/optim/roles'
import { makeOptimizer } from 'makemoe/dist/makemoe/train/make-optimizer'
import { expect, test } from 'vitest'

const sizes = { nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, numExperts: 2, vocabSize: 5 }

test.each(Object.keys(optimizers) as (keyof typeof optimizers)[])('%s: each role moves as it does alone, at its multiple', (optimizer) => {
  /** The parameters by name after two steps along gradients that are the same for all. */
  const after = (learningRates: string, learningRate: number): Map<string, Float32Array> => {
    const model = new SparseMoELanguageModel({ ...presets.corrected, ...sizes }, createStreams(1).init)
    const parameters = model.namedParameters()
    const config = { ...presets.corrected, optimizer, learningRates, learningRate }
    const made = makeOptimizer({}, config, parameters)
    for (const seed of [1, 2]) made.apply(parameters.map(([, { shape }]) => tf.randomNormal(shape, 0, 1, 'float32', seed)))
    return new Map(parameters.map(([name, parameter]) => [name, parameter.dataSync() as Float32Array]))
  }
  const [mixed, normal, tripled, frozen] = [after('router:3,head:0', 1e-2), after('none', 1e-2), after('none', 3e-2), after('none', 0)]
  for (const [name, values] of mixed) {
    const role = roleOf([name, tf.variable(tf.zeros([1])) as Variable])
    const expected = { router: tripled, head: frozen }[role as string] ?? normal
    for (const [i, value] of values.entries()) expect(value, name).toBeCloseTo(expected.get(name)?.[i] as number, 6)
    if (role === 'head') expect(values, 'to the bit').toEqual(frozen.get(name))
  }
})

test('without rates of their own, nothing is grouped: the state has the names that it had', () => {
  const parameters = [['w', tf.variable(tf.zeros([2]) as Tensor)]] as const
  const { learningRates: _, ...earlier } = validateConfig(presets.corrected)
  for (const config of [earlier, presets.corrected]) expect(makeOptimizer({}, config, parameters)).toBeInstanceOf(AdamW)
})

test.each([
  ['gate:2', /learningRates: got gate, expected none or some of router, embedding, head, matrices, other/],
  ['router', /learningRates: got router, expected router:MULTIPLE with a multiple >= 0/],
  ['router:-1', /learningRates: got router:-1/],
  ['router:1,router:2', /learningRates: got router twice, expected each once/],
])('%s is refused', (learningRates, message) => {
  expect(() => parseLearningRates(learningRates)).toThrow(message)
  expect(() => validateConfig({ ...presets.corrected, learningRates })).toThrow(message)
})
