// What nothing holds any more is freed: prints, for each case, the tensors after its first run and after its fourth. Run with --expose-gc.
import { createRequire } from 'node:module'
import { setTimeout as wait } from 'node:timers/promises'

const { compile, createStreams, Dataset, presets, SparseMoELanguageModel, tf, Trainer } = createRequire(import.meta.url)('makemoe')
const collect = globalThis.gc

const config = {
  ...presets.corrected,
  batchSize: 2,
  blockSize: 4,
  nEmbed: 8,
  nHead: 2,
  nLayer: 1,
  numExperts: 2,
  steps: 2,
  evalInterval: 2,
}
const small = { ...config, evalIters: 1 }
const data = new Dataset(
  Int32Array.from({ length: 500 }, (_, i) => (i * i) % 5),
  4,
)
const zeros = (use) => tf.tidy(() => use(tf.zeros([10])))
const kept = tf.variable(tf.zeros([3]), true, 'kept')

const cases = {
  variable: () => zeros((value) => void tf.variable(value)),
  'assigned variable': () => zeros((value) => tf.variable(value).assign(tf.ones([10]))),
  'variable and clone': () => zeros((value) => void tf.variable(value).clone()),
  'disposed variable': () =>
    zeros((value) => {
      const variable = tf.variable(value)
      variable.dispose()
    }),
  'compiled function': () =>
    zeros((value) => {
      const variable = tf.variable(value)
      const step = compile((x) => {
        variable.assign(tf.add(variable, x))
        return tf.sum(variable)
      })
      step(value)
      step(value)
    }),
  ...Object.fromEntries(
    [{}, { compile }].map((options) => [
      options.compile ? 'compiled training' : 'eager training',
      async () => {
        const streams = createStreams(1)
        const model = new SparseMoELanguageModel({ ...small, vocabSize: 5 }, streams.init)
        await new Trainer(model, data, small, streams, options).run()
      },
    ]),
  ),
}

const results = {}
for (const [name, run] of Object.entries(cases)) {
  const counts = []
  for (let i = 0; i < 4; i++) {
    await run()
    for (let turn = 0; turn < 3; turn++) {
      await wait(10)
      collect()
    }
    await wait(10)
    counts.push(tf.memory().numTensors)
  }
  results[name] = [counts[0], counts[3]]
}
// What is held stays, in tfjs's list too.
results.held = [Array.from(kept.dataSync()), tf.engine().registeredVariables.kept === kept, Object.keys(tf.engine().registeredVariables)]
console.log(JSON.stringify(results))
