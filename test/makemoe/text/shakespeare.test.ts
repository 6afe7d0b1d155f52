/** The complete plays, from a small made-up package; that the real one gives the right text is checked by from-package.mjs. */
import { TextError } from 'makemoe'
import { joinPlays, makeShakespeare, trainingPlays, validationPlays } from 'makemoe/dist/cli/setup/shakespeare'
import { plays } from 'makemoe/dist/cli/setup/tiny-shakespeare'
import { describe, expect, test } from 'vitest'

const speech = (markdown: string): string => joinPlays((path) => (path === trainingPlays[0] ? markdown : '')).text.split('\n\n\n')[0] ?? ''

describe('a speech is cleaned', () => {
  test.each([
    ['a direction whose underscores do not pair', '**A**  \n__\\[Awaking]_  \nHelp me!', 'A:\nHelp me!'],
    ['a direction of two pieces', '**A**  \nHark!\n\n_Burthen _\\[dispersedly, within_\n\nBow-wow.', 'A:\nHark!\nBow-wow.'],
    ['a gap', "**A**  \nNo, no; he'll __\\[ ]_  \nLord", "A:\nNo, no; he'll\nLord"],
    [
      'directions between asterisks, over two lines',
      '**A**  \nGo.\n\n*\\[Sound\nhorns.]*\n\n*Exeunt\nall.*\n\n**B**  \nI.',
      'A:\nGo.\n\nB:\nI.',
    ],
    ['a numbered list', '**A**  \nGo.\n\n1\\. A flourish.  \nthen more\n2\\. Judges.\n\n**B**  \nI.', 'A:\nGo.\n\nB:\nI.'],
    [
      'headings that are not written as such',
      '**A**  \nGo.\nSCENE II: A room.\n\n**Scene III**  \nA tavern.\n\n**B**  \nI.',
      'A:\nGo.\n\nB:\nI.',
    ],
    ['& c.', '**A & & C**  \nHey, ho, & c.\nho, &amp; c.', 'A &C:\nHey, ho, &c.\nho, &c.'],
    ['names with colons of their own', '**A: & B:**  \nGo.', 'A & B:\nGo.'],
    ['dashes and quotation marks', '**A**  \nI —"Ave!"— go.', "A:\nI--'Ave!'--go."],
    ['sums', '**A**  \nSauce, 4d.', 'A:\nSauce, iiiid.'],
    ['a misprint', '**A**  \nsha$l', 'A:\nshall'],
  ])('%s', (_, markdown, expected) => {
    expect(speech(markdown).trimEnd()).toBe(expected)
  })
})

test('the validation plays come last, whole, and the training characters end where the first of them begins', () => {
  const { text, trainCharacters } = joinPlays((path) => `**${path}**  \nSpeak.`)
  expect(text.slice(trainCharacters)).toBe(`${validationPlays.map((path) => `${path}:\nSpeak.`).join('\n\n')}\n`)
  expect(text.slice(0, trainCharacters)).toBe(`${trainingPlays.map((path) => `${path}:\nSpeak.`).join('\n\n')}\n\n`)
})

test("each of 38 plays is there once; Tiny Shakespeare's last two, of which its validation text is, are for validation", () => {
  expect(new Set([...trainingPlays, ...validationPlays]).size).toBe(38)
  expect(validationPlays.slice(0, 2)).toEqual(plays.slice(-2))
})

test('other plays are refused', () => {
  expect(() => makeShakespeare(() => '**All**\nSpeak, speak.\n')).toThrow(TextError)
  expect(() => makeShakespeare(() => '**All**\nSpeak, speak.\n')).toThrow(/checksum of Shakespeare's plays differs: got [0-9a-f]{64}/)
})
