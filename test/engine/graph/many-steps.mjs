// Training steps of a small model in a process of their own; prints as JSON what it held in the first and in the second half of them: the
// least resident memory seen after a collection (V8 keeps freed pages for a while, more of them on a busy machine), and the tensors.
// The first fifth is not looked at: there the heap has not grown to its working size (Node 26: 463 MB after 50 steps, 489 to 498 after).
// node --expose-gc --single-threaded-gc test/engine/graph/many-steps.mjs compiled|eager STEPS
// Run by memory.slow.test.ts.
import { compile, createStreams, Dataset, presets, SparseMoELanguageModel, Trainer, tf } from 'makemoe'

const [mode, steps] = [process.argv[2], Number(process.argv[3])]
const sizes = { nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 8, numExperts: 2, batchSize: 1 }
const config = { ...presets.makemoe, ...sizes, vocabSize: 16 }
const streams = createStreams(1)
const model = new SparseMoELanguageModel(config, streams.init)
const text = Int32Array.from({ length: 500 }, (_, i) => (i * i) % 16)
const trainer = new Trainer(model, new Dataset(text, 8), config, streams, mode === 'compiled' ? { compile } : {})

const seen = []
for (let i = 1; i <= steps; i++) {
  trainer.trainOnce()
  if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve)) // as in a real loop: finalizers get their turn
  if (i % (steps / 40) > 0) continue
  global.gc()
  seen.push({ rss: process.memoryUsage().rss, tensors: tf.memory().numTensors })
}
const least = (half) => ({ rss: Math.min(...half.map(({ rss }) => rss)), tensors: half.at(-1).tensors })
console.log(JSON.stringify([least(seen.slice(8, 20)), least(seen.slice(20))]))
