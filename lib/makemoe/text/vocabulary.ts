/** A vocabulary that is a list of texts: what the tokenizers of characters and of words have in common. */
import { TextError } from '../../base/errors'

/**
 * The list that a checkpoint has.
 * @param of what it is a list of, in the plural
 * @throws TextError if it is something else
 */
export function vocabularyFrom(state: unknown, of: string): readonly string[] {
  if (!Array.isArray(state) || !state.every((entry) => typeof entry === 'string'))
    throw new TextError(`vocabulary: got something else, expected a list of ${of}`)
  return state
}

/**
 * The text of token ids.
 * @throws TextError if an id is outside the vocabulary
 */
export function decodeIds(vocabulary: readonly string[], ids: ArrayLike<number>): string {
  return Array.from(ids, (id) => {
    const text = vocabulary[id]
    if (text === undefined) throw new TextError(`got the token id ${id}, expected 0 to ${vocabulary.length - 1}`)
    return text
  }).join('')
}
