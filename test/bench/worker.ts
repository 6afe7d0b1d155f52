/** Ours, timed in a process of its own, so that its memory is its own too. Reads requests and writes answers, one a line (runner.ts). */
import { createInterface } from 'node:readline'
import { compile } from 'makemoe/dist/engine/graph/compile'
import { createStreams } from 'makemoe/dist/engine/tensor/streams'
import { type Tensor, tf } from 'makemoe/dist/engine/tensor/tf'
import { SparseMoELanguageModel } from 'makemoe/dist/makemoe/model/language-model'
import { nextLogits } from 'makemoe/dist/makemoe/model/next-logits'
import { nextCharacter } from 'makemoe/dist/makemoe/model/sampler'
import { AdamW } from 'makemoe/dist/makemoe/optim/adamw'
import { presets } from 'makemoe/dist/makemoe/presets'
import { evalGroupSize, inSubgraphs } from 'makemoe/dist/makemoe/train/evaluate'
import { makeTrainStep } from 'makemoe/dist/makemoe/train/step'
import type { Answer, Request, What } from './runner'
import type { BenchSize } from './sizes'

/** Makes a model. @returns what measures it once, in milliseconds, and its traces so far */
export function build({ model: name, size }: Request): { once(what: What): number; traces: NonNullable<Answer['traces']> } {
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
  const cached = cachedCharacters(size, fast)
  const once = (what: What): number => {
    if (what === 'cached') return cached()
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

/** Writes characters one after another with the default's parts, and begins anew when the window is full. @returns what writes one, in milliseconds */
function cachedCharacters(
  size: BenchSize,
  fast: <Args extends Tensor[], R>(what: What, fn: (...args: Args) => R) => (...args: Args) => R,
): () => number {
  const streams = createStreams(1)
  const model = new SparseMoELanguageModel({ ...presets.default, ...size, vocabSize: 65 }, streams.init)
  const text = [0]
  const next = nextLogits(model, [text], { streams, makeStep: (step) => fast('cached', step) })
  const draw = compile((logits: Tensor) => tf.tidy(() => streams.sampling.categorical(logits)))
  return () => {
    if (text.length >= model.config.blockSize) text.length = 1
    const start = performance.now()
    const logits = next.logits()
    const drawn = draw(logits)
    text.push(drawn.dataSync()[0] ?? 0)
    tf.dispose([logits, drawn])
    return performance.now() - start
  }
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
