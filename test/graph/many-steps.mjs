// 10,000 compiled training steps in a process of their own; prints resident memory and tensors after 500 and after all, as JSON.
// node --expose-gc test/graph/many-steps.mjs
import { compile, createStreams, Dataset, presets, SparseMoELanguageModel, Trainer, tf } from 'makemoe'

const sizes = { nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 8, numExperts: 4, batchSize: 2 }
const config = { ...presets.makemoe, ...sizes, vocabSize: 16 }
const streams = createStreams(1)
const model = new SparseMoELanguageModel(config, streams.init)
const text = Int32Array.from({ length: 500 }, (_, i) => (i * i) % 16)
const trainer = new Trainer(model, new Dataset(text, 8), config, streams, { compile })

async function memoryAfter(steps) {
  for (let i = 0; i < steps; i++) {
    trainer.trainOnce()
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve)) // as in a real loop: finalisers get their turn
  }
  global.gc()
  return { rss: process.memoryUsage().rss, tensors: tf.memory().numTensors }
}

console.log(JSON.stringify([await memoryAfter(500), await memoryAfter(9500)]))
