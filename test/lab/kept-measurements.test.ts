/** A kept measurement is found again under equal conditions, and under no others. */
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { CheckpointError, type Config, compile, Dataset, kaimingNormal, normalInit, zeros } from 'makemoe'
import { KeptMeasurements } from 'makemoe/dist/lab/kept-measurements'
import type { PlannedTraining, TrainingResult } from 'makemoe/dist/lab/measurement'
import { describe, expect, test } from 'vitest'
import { cases, twoLayers } from '../support'

const result: TrainingResult = {
  ...{ variant: 'base', seed: 1, steps: 2, tokensPerStep: 16, validationLoss: 2.5, dropped: 0, looksAhead: false },
  ...{ curve: [{ step: 0, trainLoss: 3, validationLoss: 3.1 }], parameters: 10, activeParameters: 5, flopsPerToken: 7 },
}
const init = (deviation: number) => ({ router: normalInit(deviation), expert: zeros, residual: kaimingNormal }) as never

interface Conditions {
  readonly ids: readonly number[]
  readonly trainTokens: number
  readonly vocabSize: number
  readonly eager: boolean
  readonly partsSource: string | undefined
  readonly name: string
  readonly deviation: number | undefined
  readonly changes: Partial<Config>
}

const ids = fc.array(fc.nat(3), { minLength: 40, maxLength: 41 })
const conditions = fc.record<Conditions>({
  ids,
  trainTokens: fc.constantFrom(30, 31),
  vocabSize: fc.constantFrom(4, 5),
  eager: fc.boolean(),
  partsSource: fc.constantFrom(undefined, 'one', 'other'),
  name: fc.constantFrom('a', 'b'),
  deviation: fc.constantFrom(undefined, 0.1, 0.2),
  changes: fc.record({ seed: fc.nat(1), dropout: fc.constantFrom(0, 0.1), numExperts: fc.constantFrom(4, 8) }),
})

const kept = (folder: string, { ids, trainTokens, vocabSize, eager, partsSource }: Conditions): KeptMeasurements => {
  const dataset = new Dataset(Int32Array.from(ids), 2, trainTokens)
  return new KeptMeasurements(folder, { dataset, vocabSize, partsSource, compile: eager ? (fn) => fn : compile })
}
const plan = ({ name, deviation, changes }: Conditions): PlannedTraining => ({
  name,
  variant: deviation === undefined ? {} : { parts: { init: init(deviation) } },
  config: { ...twoLayers, ...changes },
})
/** What of the conditions decides the result, as far as it can be known; undefined: it cannot. */
function decisive({ name, deviation, partsSource, ...rest }: Conditions): string | undefined {
  if (deviation === undefined) return JSON.stringify(rest)
  return partsSource === undefined ? undefined : JSON.stringify({ ...rest, name, partsSource })
}

const base: Conditions = {
  ids: Array(40).fill(1),
  trainTokens: 36,
  vocabSize: 4,
  eager: true,
  partsSource: undefined,
  name: 'a',
  deviation: undefined,
  changes: {},
}

describe('kept measurements', () => {
  test('text, its split, vocabulary, compilation, config, seed, and the source and name of parts: each counts', () => {
    fc.assert(
      fc.property(
        conditions,
        conditions,
        fc.constantFrom(
          ...(Object.keys({ ids, trainTokens: 0, vocabSize: 0, eager: 0, partsSource: 0, name: 0, changes: 0 }) as (keyof Conditions)[]),
        ),
        (before, other, field) => {
          for (const after of [before, { ...before, [field]: other[field] }, other]) {
            const folder = mkdtempSync(join(tmpdir(), 'makemoe-kept-'))
            kept(folder, before).keep(plan(before), result)
            const same = decisive(before) !== undefined && decisive(before) === decisive(after)
            const found = kept(folder, after).find(plan(after))
            expect(found).toEqual(same ? { ...result, variant: after.name } : undefined)
            expect(kept(folder, after).has(plan(after))).toBe(same)
          }
        },
      ),
      { numRuns: cases(15, 40) },
    )
  })
  test('step times are measured again where the way of timing or a variant is another', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'makemoe-kept-'))
    let measured = 0
    const times = (changes: Partial<Conditions>, timing: object) =>
      kept(folder, { ...base, ...changes }).times([plan({ ...base, ...changes })], timing, async () => ({ a: ++measured }))
    expect(await times({}, { rounds: 1 })).toEqual({ a: 1 })
    expect(await times({}, { rounds: 1 })).toEqual({ a: 1 })
    expect(await times({}, { rounds: 2 })).toEqual({ a: 2 })
    expect(await times({ eager: false }, { rounds: 1 })).toEqual({ a: 3 })
    expect(await times({ deviation: 0.1 }, { rounds: 1 })).toEqual({ a: 4 })
    expect(await times({ deviation: 0.1 }, { rounds: 1 })).toEqual({ a: 5 }) // nothing tells what its parts do
  })
  test.each(['{}', 'null', '[1]', 'no JSON', JSON.stringify({ ...result, validationLoss: 'low' })])(
    'a file that holds %s is refused',
    (text) => {
      const folder = mkdtempSync(join(tmpdir(), 'makemoe-kept-'))
      kept(folder, base).keep(plan(base), result)
      const [file = ''] = readdirSync(join(folder, 'measurements'))
      writeFileSync(join(folder, 'measurements', file), text)
      expect(() => kept(folder, base).find(plan(base))).toThrow(CheckpointError)
    },
  )
})
