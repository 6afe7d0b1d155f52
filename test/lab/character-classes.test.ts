import { characterClasses, classifyCharacters } from 'makemoe/dist/lab/character-classes'
import { describe, expect, it } from 'vitest'

const named = (text: string): string[] => Array.from(classifyCharacters(text), (i) => characterClasses[i] ?? '?')

describe('classes of characters', () => {
  it('distinguishes speakers from other capitals', () => {
    expect(named('KING:\nTo I')).toEqual([
      ...new Array(4).fill('speaker name'),
      'punctuation',
      'newline',
      'capital',
      'vowel',
      'space',
      'capital',
    ])
    expect(named('O: no')[0]).toBe('capital') // not a line of its own
  })
  it('counts code points, of any script', () => {
    expect(named('é𝄞b3')).toEqual(['vowel', 'other', 'consonant', 'other'])
    expect(named('First Citizen:')).toHaveLength(14)
  })
  it('has a class for every character of the text', () => {
    expect(named("a z!\n'")).toEqual(['vowel', 'space', 'consonant', 'punctuation', 'newline', 'punctuation'])
  })
})
