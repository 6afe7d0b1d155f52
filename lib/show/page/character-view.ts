/** Everything about one character: what was likely there, which experts it took in a layer, and the load so far. */
import { showLoad, showProbabilities } from './bars-view'
import type { PageData } from './contents'
import { element, percent, visible } from './view'
import type { Writer } from './writer'

interface CharacterOptions {
  readonly layer: number
  readonly numExperts: number
  /** The character's index; undefined: the newest. */
  readonly inspected: number | undefined
}

export function showCharacter(writer: Writer, { vocabulary, facts }: PageData, { layer, numExperts, inspected }: CharacterOptions): void {
  const index = inspected ?? writer.characters.length - 1
  const { text, id, path, expected, ofPrompt } = writer.characters[index]
  const name = `“${visible(text)}”`
  element('of-which').textContent = `gates in % for ${name}${inspected === undefined ? ', the newest character' : ''}`
  const choice = path[layer]
  const chosen = choice?.experts.map((e, k) => `expert ${e} (${percent(choice.gates[k])})`).join(', ')
  const likely = expected && id !== undefined ? `${percent(expected[id])} likely here` : 'the beginning'
  element('path').textContent =
    id === undefined
      ? `${name} is not among the ${vocabulary.length} characters that the model knows: shown, but not seen by the model.`
      : `${name}, ${ofPrompt ? 'of the prompt' : `character ${index}`}: ${likely}. Layer ${layer}: ${chosen}.`
  element('next-title').textContent = inspected === undefined ? 'Next character' : `What else was likely instead of ${name}`
  if (inspected === undefined) showProbabilities(element('next'), writer.next(), vocabulary, undefined)
  else showProbabilities(element('next'), expected, vocabulary, id)
  const ofLayer = (load: ArrayLike<number>): number[] => Array.from(load).slice(layer * numExperts, (layer + 1) * numExperts)
  showLoad(element('load'), ofLayer(writer.load), facts.validation && ofLayer(facts.validation.load))
}
