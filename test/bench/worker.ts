/** Ours, timed in a process of its own, so that its memory is its own too. Reads requests and writes answers, one a line (runner.ts). */
import { createInterface } from 'node:readline'
import { compile } from 'makemoe/dist/engine/graph/compile'
import { createStreams } from 'makemoe/dist/engine/tensor/streams'
import { type Tensor, tf } from 'makemoe/dist/engine/tensor/tf'
import { SparseMoELanguageModel } from 'makemoe/dist/makemoe/model/language-model'
import { nextCharacter } from 'makemoe/dist/makemoe/model/sampler'
import { AdamW } from 'makemoe/dist/makemoe/optim/adamw'
import { presets } from 'makemoe/dist/makemoe/presets'
import { evalGroupSize, inSubgraphs } from 'makemoe/dist/makemoe/train/evaluate'
import { makeTrainStep } from 'makemoe/dist/makemoe/train/step'
import type { Answer, Request, What } from './runner'

/** Makes a model. @returns what measures it once, in milliseconds, and its traces so far */
function build({ model: name, size }: Request): { once(what: What): number; traces: NonNullable<Answer['traces']> } {
  const { batchSize, blockSize } = size
  const streams = createStreams(1)
  const capacityFactor = name === 'ours-capacity' ? 1 : undefined
  const model = new SparseMoELanguageModel({ ...presets.makemoe, ...size, capacityFactor, vocabSize: 65 }, streams.init)
  const optimizer = new AdamW(model.namedParameters())
  const traces: { -readonly [W in What]?: { ms: number; operations: number } } = {}
  const fast = <Args extends Tensor[], R>(what: What, fn: (...args: Args) => R): ((...args: Args) => R) => {
    if (name === 'ours-eager') return fn
    const onTrace = ({ milliseconds: ms, operations }: { milliseconds: number; operations: number }): void => {
      traces[what] = { ms, operations }
    }
    return compile(fn, { onTrace })
  }
  const ctx = { training: false, streams }
  const independent = model.rowsAreIndependent(false)
  const loss = inSubgraphs((x, y) => model.loss(x, y, ctx), independent ? 1 : batchSize)
  const trainStep = makeTrainStep(model, optimizer, streams)
  const step = fast('step', (x: Tensor, y: Tensor) => tf.addN(Object.values(trainStep(x, y))))
  const evaluation = fast('evaluation', (x: Tensor, y: Tensor) => tf.tidy(() => loss(x, y)))
  const token = fast('token', (window: Tensor, last: Tensor) => nextCharacter(model, window, last, {}, ctx))
  const once = (what: What): number => {
    const batches = what === 'evaluation' ? evalGroupSize(independent, batchSize * blockSize) : 1
    const rows = what === 'token' ? 1 : batchSize * batches
    const [x, y] = [streams.data.integers([rows, blockSize], 0, 65), streams.data.integers([rows, blockSize], 0, 65)]
    const last = tf.tensor1d([blockSize - 1], 'int32')
    x.dataSync()
    y.dataSync()
    const start = performance.now()
    const result = what === 'step' ? step(x, y) : what === 'evaluation' ? evaluation(x, y) : token(x, last)
    result.dataSync()
    const ms = performance.now() - start
    tf.dispose([x, y, last, result])
    return ms / batches
  }
  return { once, traces }
}

async function serve(): Promise<void> {
  let built: ReturnType<typeof build> | undefined
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request
    built ??= build(request)
    const { once, traces } = built
    const times = Array.from({ length: request.times }, () => once(request.what))
    const answer: Answer = { times, peakMB: process.resourceUsage().maxRSS / 1024, traces }
    console.log(JSON.stringify(answer))
  }
}

if (require.main === module) void serve()
