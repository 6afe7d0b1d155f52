import fc from 'fast-check'
import { coActivation, repetition, saturation, shareFromCharacter, specialization } from 'makemoe/dist/lab/analysis'
import { describe, expect, it } from 'vitest'

/** Four tokens, two choices of three experts each. */
const choices = { experts: [0, 1, 0, 2, 1, 0, 1, 2], topK: 2, numExperts: 3 }

/** Drawn choices: each token chooses topK different experts. */
const drawn = fc
  .record({ numExperts: fc.integer({ min: 1, max: 6 }), tokens: fc.integer({ min: 2, max: 12 }) })
  .chain(({ numExperts, tokens }) =>
    fc.integer({ min: 1, max: numExperts }).chain((topK) =>
      fc
        .array(fc.shuffledSubarray([...Array(numExperts).keys()], { minLength: topK, maxLength: topK }), {
          minLength: tokens,
          maxLength: tokens,
        })
        .map((rows) => ({ experts: rows.flat(), topK, numExperts })),
    ),
  )

describe('analysis of choices', () => {
  it('co-activation by hand', () => {
    // Expert 0 was chosen by tokens 0, 1, 2: with 1 twice, with 2 once.
    expect(coActivation(choices)).toEqual([
      [1, 2 / 3, 1 / 3],
      [2 / 3, 1, 1 / 3],
      [1 / 2, 1 / 2, 1],
    ])
  })
  it('repetition by hand, within sequences alone', () => {
    expect(repetition(choices, 4)).toEqual({ first: 2 / 3, any: 2 / 3 }) // 0 0 1 1: repeated twice; token 2's 1 is not among 0, 2
    expect(repetition(choices, 2)).toEqual({ first: 1, any: 1 }) // pairs (0, 1) and (2, 3)
  })
  it('specialization and the share that follows from the character, by hand', () => {
    expect(specialization(choices, [0, 0, 1, -1], 2)).toEqual([
      [1 / 2, 1 / 4, 1 / 4],
      [1 / 2, 1 / 2, 0],
    ])
    // First choices 0 0 1 1: each character has one of each; then each its own; then one character alone decides.
    expect(shareFromCharacter(choices, [0, 1, 0, 1])).toBeCloseTo(0, 12)
    expect(shareFromCharacter(choices, [0, 0, 1, 1])).toBeCloseTo(1, 12)
    // H(e) = ln 2; given 5 (three of four tokens) it is ln 3 - 2/3 ln 2, given 9 it is 0.
    const given = (3 / 4) * (Math.log(3) - (2 / 3) * Math.log(2))
    expect(shareFromCharacter(choices, [5, 5, 5, 9])).toBeCloseTo(1 - given / Math.log(2), 12)
    expect(shareFromCharacter({ ...choices, experts: [1, 0, 1, 0, 1, 0, 1, 0] }, [0, 1, 2, 3])).toBeNaN()
  })
  it('a missing class or another number of tokens is refused', () => {
    expect(() => specialization(choices, [0], 1)).toThrow(/got 1 classes, expected one for each of 4/)
    expect(() => shareFromCharacter(choices, [0])).toThrow(/got 1 characters, expected one for each of 4/)
    expect(() => saturation(choices, { ...choices, experts: [0, 1] })).toThrow(/same tokens/)
  })
  it('holds for any choices', () => {
    fc.assert(
      fc.property(drawn, (choices) => {
        const tokens = choices.experts.length / choices.topK
        for (const [i, row] of coActivation(choices).entries()) {
          if (row.some(Number.isNaN)) continue
          expect(row[i]).toBe(1)
          // The other K - 1 choices of each token of i.
          expect(row.reduce((sum, share) => sum + share, 0)).toBeCloseTo(choices.topK, 10)
        }
        for (const row of specialization(choices, new Array(tokens).fill(0), 1)) expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 10)
        expect(saturation(choices, choices)).toBe(1)
        const ids = [...Array(tokens).keys()]
        const firsts = ids.map((token) => choices.experts[token * choices.topK])
        const share = shareFromCharacter(choices, ids) // every token a character of its own
        if (new Set(firsts).size > 1) expect(share).toBeCloseTo(1, 10)
        else expect(share).toBeNaN()
        const { first, any } = repetition(choices, tokens)
        expect(any).toBeGreaterThanOrEqual(first)
      }),
    )
  })
})
