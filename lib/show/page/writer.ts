/**
 * A text in the making: what was written, by which experts, and how likely it was. Nothing here knows of a page; a test runs it in Node and
 * gets the same text for the same seed.
 */
import type { Engine, Routing, Sequence } from './engine'
import { draw, normalFrom, probabilities, type Sampling, seededRandom } from './sampling'

export type Settings = Sampling & { readonly seed: number }

/** What one layer did with a character. */
export type Choice = Pick<Routing, 'logits' | 'experts' | 'gates'>

/** A character of the text. */
export interface Character {
  readonly text: string
  /** undefined: the vocabulary does not have it; it is shown, and the model does not see it. */
  readonly id: number | undefined
  readonly ofPrompt: boolean
  /** The probabilities of all characters at its position, by the settings it was drawn with; undefined at the beginning. [V] */
  readonly expected: Float32Array | undefined
  /** By layer. Empty if the model does not see it. */
  readonly path: readonly Choice[]
}

/** Writes on from a prompt. */
export class Writer {
  readonly characters: Character[] = []
  /** How many (character, choice) pairs each expert served, at layer * numExperts + expert. */
  readonly load: Uint32Array
  private readonly ids: number[] = []
  private readonly sequence: Sequence
  private readonly uniform: () => number
  private readonly normal: () => number
  private logits: Float32Array = new Float32Array()

  constructor(
    private readonly engine: Engine,
    private readonly vocabulary: readonly string[],
    prompt: string,
    public settings: Settings,
    off: Iterable<number> = [],
  ) {
    const { nLayer, numExperts } = engine.config
    this.load = new Uint32Array(nLayer * numExperts)
    this.sequence = engine.sequence()
    for (const expert of off) this.sequence.off.add(expert)
    this.uniform = seededRandom(settings.seed)
    this.normal = normalFrom(seededRandom(settings.seed ^ 0x5bd1e995))
    this.read(prompt)
  }

  /** The experts that are switched off: layer * numExperts + expert. */
  get off(): ReadonlySet<number> {
    return this.sequence.off
  }

  /** The characters of the prompt that the vocabulary does not have. */
  get unknown(): string[] {
    return [...new Set(this.characters.filter(({ id }) => id === undefined).map(({ text }) => text))]
  }

  /** Takes in the prompt, a window at a time; without a known character the text starts from token 0, as the original's samples do. */
  private read(prompt: string): void {
    const known = new Map(this.vocabulary.map((text, id) => [text, id]))
    const texts = Array.from(prompt)
    if (!texts.some((text) => known.has(text))) texts.push(this.vocabulary[0])
    const ids = texts.map((text) => known.get(text))
    const seen = ids.filter((id) => id !== undefined)
    const paths: Choice[][] = []
    const expected: (Float32Array | undefined)[] = [undefined]
    const { blockSize, vocabSize } = this.engine.config
    for (let start = 0; start < seen.length; start += blockSize) {
      const window = seen.slice(start, start + blockSize)
      this.sequence.ids = [] // of each position we want to know
      const logits = this.forward(window, (position, choice) => {
        paths[start + position] ??= []
        paths[start + position].push(choice)
      })
      for (let row = 0; row < logits.length; row += vocabSize)
        expected.push(probabilities(logits.subarray(row, row + vocabSize), { temperature: 1 }))
    }
    let at = 0
    for (const [i, text] of texts.entries()) {
      const id = ids[i]
      if (id === undefined) this.characters.push({ text, id, ofPrompt: true, expected: undefined, path: [] })
      else {
        this.ids.push(id)
        this.add({ text, id, ofPrompt: true, expected: expected[at], path: paths[at] })
        at++
      }
    }
    this.think()
  }

  private forward(window: readonly number[], observe: (position: number, choice: Choice) => void): Float32Array {
    return this.engine.forward(window, this.sequence, {
      observe: ({ position, logits, experts, gates }) => observe(position, { logits, experts, gates }),
      normal: this.normal,
    })
  }

  private add(character: Character): void {
    const { numExperts } = this.engine.config
    this.characters.push(character)
    for (const [l, { experts, gates }] of character.path.entries())
      for (const [k, e] of experts.entries()) if (gates[k] > 0) this.load[l * numExperts + e]++
  }

  /** Computes the logits after the text. @returns the last character's path */
  private think(): Choice[] {
    const { blockSize, vocabSize } = this.engine.config
    const window = this.ids.slice(-blockSize)
    const path: Choice[] = []
    const logits = this.forward(window, (position, choice) => {
      if (position === window.length - 1) path.push(choice)
    })
    this.logits = logits.slice(-vocabSize)
    return path
  }

  /** The probabilities of the next character. [V] */
  next(): Float32Array {
    return probabilities(this.logits, this.settings)
  }

  /** Writes one character. */
  step(): Character {
    const expected = this.next()
    const id = draw(expected, this.uniform())
    this.ids.push(id)
    const character = { text: this.vocabulary[id], id, ofPrompt: false, expected, path: this.think() }
    this.add(character)
    return character
  }

  /**
   * Switches an expert off, or on again; what was written stays.
   * @returns false if the layer needs it: topK must stay
   */
  toggle(layer: number, expert: number): boolean {
    const { numExperts, topK } = this.engine.config
    const { off } = this.sequence
    const index = layer * numExperts + expert
    if (!off.delete(index)) {
      const others = [...off].filter((other) => Math.floor(other / numExperts) === layer).length
      if (numExperts - others <= topK) return false
      off.add(index)
    }
    this.sequence.ids = []
    this.think()
    return true
  }

  /**
   * The mean cross-entropy of the text (of its last `most` characters), in nats, over consecutive windows as in an evaluation; with these
   * experts switched off. It yields between windows, so that a page stays alive, and returns undefined for a text of one character.
   */
  *loss(off: Iterable<number>, most = 512): Generator<void, number | undefined> {
    const { blockSize, vocabSize } = this.engine.config
    const ids = this.ids.slice(-most - 1)
    const sequence = { ...this.engine.sequence(), off: new Set(off) }
    const normal = normalFrom(seededRandom(this.settings.seed)) // of its own, so that measuring does not change the text
    let sum = 0
    for (let start = 0; start + 1 < ids.length; start += blockSize) {
      const x = ids.slice(start, Math.min(start + blockSize, ids.length - 1))
      sequence.ids = []
      sum += lossSum(this.engine.forward(x, sequence, { normal }), ids.slice(start + 1), vocabSize)
      yield
    }
    return ids.length > 1 ? sum / (ids.length - 1) : undefined
  }
}

/**
 * The sum over positions of -log softmax(logits)[target].
 * @param logits [T, V]
 * @param targets at least T
 */
export function lossSum(logits: Float32Array, targets: ArrayLike<number>, vocabSize: number): number {
  let sum = 0
  for (let t = 0; t * vocabSize < logits.length; t++) {
    const row = logits.subarray(t * vocabSize, (t + 1) * vocabSize)
    let max = Number.NEGATIVE_INFINITY
    let total = 0
    for (let v = 0; v < vocabSize; v++) max = Math.max(max, row[v])
    for (let v = 0; v < vocabSize; v++) total += Math.exp(row[v] - max)
    sum += max + Math.log(total) - row[targets[t]]
  }
  return sum
}
