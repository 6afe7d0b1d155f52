/** What a page holds beside its code: the model, in two script elements that run nothing; and reading them back, with every check. */
import { Engine } from './engine'
import type { MakeLinear } from './ops'
import type { EngineConfig } from './parameters'
import { crc32, decodeBase64, type PackedTensor, type Precision, unpackWeights } from './weights'

export const pageFormat = 'makemoe-page-1'

/** What was measured when the page was made. */
export interface PageFacts {
  readonly parameters: number
  readonly activeParameters: number
  readonly precision: Precision
  /** Measured on validation text by the page's own engine; absent if there was none. */
  readonly validation?: {
    readonly characters: number
    /** Mean cross-entropy in nats, with the weights of the page and with the original ones. */
    readonly loss: number
    readonly lossInFull: number
    /** The share of (position, layer) pairs whose chosen experts differ from those of the original weights. */
    readonly choicesChanged: number
    /** (character, choice) pairs that each expert served, at layer * numExperts + expert. */
    readonly load: readonly number[]
  }
}

/** The JSON of the page. */
export interface PageData {
  readonly format: typeof pageFormat
  readonly config: EngineConfig
  readonly vocabulary: readonly string[]
  readonly prompt: string
  readonly facts: PageFacts
  /** kernel.wasm in base64. */
  readonly kernel: string
  readonly tensors: readonly PackedTensor[]
  /** How long the base64 of the weights is, and the CRC-32 of the bytes. */
  readonly weightsLength: number
  readonly checksum: number
}

/** Parses the page's JSON. @throws Error */
export function parseData(text: string | null | undefined): PageData {
  let data: Partial<PageData>
  try {
    data = JSON.parse(text ?? '')
  } catch {
    throw new Error('This page is damaged: its description cannot be read. Get the file again.')
  }
  if (data.format !== pageFormat) throw new Error(`This page has the format ${data.format}, expected ${pageFormat}.`)
  return data as PageData // written by modelPage
}

/** Decodes the weights. @throws Error that says whether the page is cut short or damaged */
export function readWeights(base64: string, { tensors, weightsLength, checksum }: PageData): ReturnType<typeof unpackWeights> {
  if (base64.length !== weightsLength) {
    const share = ((100 * base64.length) / weightsLength).toFixed(0)
    throw new Error(`This page is incomplete: ${share} % of its weights are here. Get the file again.`)
  }
  let bytes: Uint8Array
  try {
    bytes = decodeBase64(base64)
  } catch {
    throw new Error('This page is damaged: its weights cannot be decoded. Get the file again.')
  }
  if (crc32(bytes) !== checksum) throw new Error('This page is damaged: its weights fail their checksum. Get the file again.')
  return unpackWeights({ tensors, bytes })
}

/** The engine of a page. */
export const engineOf = (base64: string, data: PageData, makeLinear: MakeLinear): Engine =>
  new Engine(data.config, readWeights(base64, data), makeLinear)
