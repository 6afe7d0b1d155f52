// Training steps of a small model in a process of their own; prints resident memory and tensors after a quarter of them and after all, as JSON.
// node --expose-gc test/graph/many-steps.mjs compiled|eager STEPS
import { compile, createStreams, Dataset, presets, SparseMoELanguageModel, Trainer, tf } from 'makemoe'

const [mode, steps] = [process.argv[2], Number(process.argv[3])]
const sizes = { nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 8, numExperts: 2, batchSize: 1 }
const config = { ...presets.makemoe, ...sizes, vocabSize: 16 }
const streams = createStreams(1)
const model = new SparseMoELanguageModel(config, streams.init)
const text = Int32Array.from({ length: 500 }, (_, i) => (i * i) % 16)
const trainer = new Trainer(model, new Dataset(text, 8), config, streams, mode === 'compiled' ? { compile } : {})

async function memoryAfter(count) {
  for (let i = 0; i < count; i++) {
    trainer.trainOnce()
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve)) // as in a real loop: finalizers get their turn
  }
  global.gc()
  return { rss: process.memoryUsage().rss, tensors: tf.memory().numTensors }
}

console.log(JSON.stringify([await memoryAfter(steps / 4), await memoryAfter((steps * 3) / 4)]))
