/**
 * Classes of characters that a play's text has, for asking what the experts specialize in. A class may depend on the text around: the
 * name of a speaker is a line of its own that ends in a colon.
 */

/** The classes, in the order of their numbers. */
export const characterClasses = ['newline', 'space', 'vowel', 'consonant', 'capital', 'speaker name', 'punctuation', 'other'] as const
export type CharacterClass = (typeof characterClasses)[number]

/** A speaker's line, as `First Citizen:` or `KING RICHARD III:`. */
const speaker = /^[A-Z][A-Za-z' -]*:$/gm

function classOf(character: string): CharacterClass {
  if (character === '\n') return 'newline'
  if (/\s/u.test(character)) return 'space'
  if (/\p{Lu}/u.test(character)) return 'capital'
  if (/^[aeiou]/u.test(character.normalize('NFD'))) return 'vowel'
  if (/\p{L}/u.test(character)) return 'consonant'
  return /\p{P}/u.test(character) ? 'punctuation' : 'other'
}

/**
 * The class of each character of a text.
 * @returns numbers into `characterClasses`, one for each code point
 */
export function classifyCharacters(text: string): Int32Array {
  const numberOf = (name: CharacterClass): number => characterClasses.indexOf(name)
  const names = new Set<number>()
  for (const match of text.matchAll(speaker)) for (let i = 0; i < match[0].length - 1; i++) names.add(match.index + i)
  const classes: number[] = []
  let at = 0
  for (const character of text) {
    classes.push(numberOf(names.has(at) ? 'speaker name' : classOf(character)))
    at += character.length
  }
  return Int32Array.from(classes)
}
