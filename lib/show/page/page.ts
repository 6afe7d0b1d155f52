/**
 * Makes the page: one HTML file with the model, the engine and the views in it, which opens offline by a double click. Its script is not
 * minified, so that whoever looks at the page's source can read it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type PageData, type PageFacts, pageFormat } from './contents'
import { Engine } from './engine'
import { simdLinear } from './kernel'
import type { EngineConfig } from './parameters'
import { normalFrom, seededRandom } from './sampling'
import { allowed, readSource, theme } from './source'
import { crc32, type Precision, packWeights, unpackWeights } from './weights'
import { lossSum } from './writer'

/** A language model that can go on a page; SparseMoELanguageModel is one. */
export interface PageModel {
  readonly config: EngineConfig
  parameterCount(): number
  activeParameterCount(): number
  saveState(state: Map<string, { readonly shape: readonly number[]; readonly values: Float32Array }>): void
}

export interface PageOptions {
  /** How the weights are stored. Default: int8, a quarter of fp32. */
  readonly precision?: Precision
  /** How the text begins. */
  readonly prompt?: string
  /** Token ids of validation text: the loss and the experts' load on it are measured and shown on the page. */
  readonly validation?: ArrayLike<number>
  /** How many of them, at most. Default 20,000. */
  readonly characters?: number
  /** The model's own logits [T, V] of token ids [T]: the page's engine must agree with them, or the page is refused. */
  readonly reference?: (ids: readonly number[]) => Float32Array
  /** Called with the share of the measurement that is done. */
  readonly onProgress?: (share: number) => void
}

export interface Page {
  readonly html: string
  readonly facts: PageFacts
}

const source = (name: string): string => join(__dirname, '../../../show/page', name)

/**
 * The page of a model.
 * @throws Error that says why, if the engine cannot run this model
 */
export function makePage(model: PageModel, vocabulary: readonly string[], options: PageOptions = {}): Page {
  const { precision = 'int8', validation, prompt = defaultPrompt(vocabulary) } = options
  const kernel = new Uint8Array(readFileSync(source('kernel.wasm')))
  const state = new Map<string, { readonly shape: readonly number[]; readonly values: Float32Array }>()
  model.saveState(state)
  const config = { ...model.config, vocabSize: vocabulary.length }
  const original = new Engine(config, state, simdLinear(kernel))
  if (options.reference) compare(original, options.reference)
  const used = (name: string): boolean => original.tensors.has(name)
  const packed = packWeights(state, precision, used)
  const facts: PageFacts = {
    parameters: model.parameterCount(),
    activeParameters: model.activeParameterCount(),
    precision,
    ...(validation && validation.length > 1
      ? { validation: measure(original, new Engine(config, unpackWeights(packed), simdLinear(kernel)), validation, options) }
      : {}),
  }
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  const weights = base64(packed.bytes)
  const data: PageData = {
    format: pageFormat,
    config,
    vocabulary,
    prompt,
    facts,
    kernel: base64(kernel),
    tensors: packed.tensors,
    weightsLength: weights.length,
    checksum: crc32(packed.bytes),
  }
  const style = theme() + readSource(source('page.css'))
  const code = readSource(join(__dirname, 'program.js')) // lib/cli/bundle.mjs makes it of app.ts
  const policy = `default-src 'none'; img-src data:; script-src ${allowed(code)} 'wasm-unsafe-eval'; style-src ${allowed(style)}; base-uri 'none'; form-action 'none'`
  const parts: Record<string, string> = {
    style,
    data: JSON.stringify(data).replaceAll('<', '\\u003c'),
    code,
    weights,
  }
  return {
    html: readSource(source('page.html')).replace(/(content=")policy|(id="(style|data|code|weights)">)/g, (_, meta, tag, id) =>
      meta ? meta + policy : tag + parts[id],
    ),
    facts,
  }
}

function defaultPrompt(vocabulary: readonly string[]): string {
  const known = new Set(vocabulary)
  return ['ROMEO:\n', '\n'].find((text) => Array.from(text).every((character) => known.has(character))) ?? vocabulary[0]
}

/**
 * Compares the engine with the model that it stands for. Parts by value can change what a model computes and keep the names of its tensors.
 * @throws Error if their logits differ by more than rounding
 */
function compare(engine: Engine, reference: (ids: readonly number[]) => Float32Array): void {
  const { blockSize, vocabSize } = engine.config
  const ids = Array.from({ length: blockSize }, (_, i) => (i * 7919) % vocabSize)
  const logits = engine.forward(ids, engine.sequence())
  const expected = reference(ids)
  const largest = expected.reduce((most, logit) => Math.max(most, Math.abs(logit)), 1)
  const difference = logits.reduce((most, logit, i) => Math.max(most, Math.abs(logit - expected[i])), 0)
  if (!(difference < 1e-3 * largest))
    throw new Error(`the page's engine computes something else than this model does: their logits differ by ${difference.toPrecision(2)}`)
}

/** Losses with both sets of weights over consecutive windows, whose choices of experts differ, and the load of the page's own. */
function measure(
  original: Engine,
  ours: Engine,
  validation: ArrayLike<number>,
  { characters: most = 20_000, onProgress }: PageOptions,
): NonNullable<PageFacts['validation']> {
  const { blockSize, vocabSize, nLayer, numExperts } = ours.config
  const characters = Math.min(most, validation.length - 1)
  const load = new Array<number>(nLayer * numExperts).fill(0)
  const sums = [0, 0]
  let changed = 0
  const noise = [1, 1].map((seed) => normalFrom(seededRandom(seed))) // the same for both, where the config wants some
  const [first, second] = [original.sequence(), ours.sequence()]
  for (let start = 0; start < characters; start += blockSize) {
    const size = Math.min(blockSize, characters - start)
    const window = Array.from({ length: size + 1 }, (_, i) => validation[start + i])
    const x = window.slice(0, size)
    const choices = new Map<number, string>()
    first.ids = second.ids = []
    const inFull = original.forward(x, first, {
      normal: noise[0],
      observe: ({ layer, position, experts }) => choices.set(layer * blockSize + position, [...experts].sort().join()),
    })
    const packed = ours.forward(x, second, {
      normal: noise[1],
      observe: ({ layer, position, experts, gates }) => {
        if (choices.get(layer * blockSize + position) !== [...experts].sort().join()) changed++
        for (const [k, e] of experts.entries()) if (gates[k] > 0) load[layer * numExperts + e]++
      },
    })
    sums[0] += lossSum(inFull, window.slice(1), vocabSize)
    sums[1] += lossSum(packed, window.slice(1), vocabSize)
    onProgress?.((start + size) / characters)
  }
  const [lossInFull, loss] = sums.map((sum) => sum / characters)
  return { characters, loss, lossInFull, choicesChanged: changed / (characters * nLayer), load }
}
