/** A run that is refused, before or after its folder was made, leaves no folder, and none above it that was made for it. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRun } from 'makemoe'
import { beforeEach, describe, expect, test } from 'vitest'
import { setUp, tokenizer } from '../makemoe/train/small-model'
import { cases } from '../support'
import { commandIn } from './in-process'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'makemoe-refused-'))
  writeFileSync(join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog.\n'.repeat(40))
  writeFileSync(join(folder, 'short.txt'), 'too short')
  writeFileSync(join(folder, 'misspelt.ts'), 'export const routr = () => undefined\n')
  writeFileSync(join(folder, 'empty-router.ts'), 'export const router = () => undefined\n')
  writeFileSync(
    join(folder, 'router.ts'),
    `import { type Parts, TopkRouter } from 'makemoe'
    export const router: Parts['router'] = ({ nEmbed, numExperts, topK }, stream) => new TopkRouter(nEmbed, numExperts, topK, stream)`,
  )
  writeFileSync(join(folder, 'throws.ts'), "throw new Error('a mistake')\n")
  writeFileSync(join(folder, 'throws-late.ts'), "export const optimizer = () => { throw new Error('a mistake of the optimizer') }\n")
})

const tiny = ['--n-embed', '16', '--n-head', '2', '--n-layer', '1', '--block-size', '8', '--num-experts', '2', '--batch-size', '4']
const train = (...more: string[]) =>
  commandIn(folder)('train', ...tiny, '--steps', '2', '--eval-iters', '1', '--text', 'text.txt', '--out', 'runs/new/run', ...more)

const refused: readonly { readonly reason: RegExp; readonly args: readonly string[] }[] = [
  { reason: /n-?Embed|n-embed/i, args: ['--n-embed', '15'] },
  { reason: /top-?K/i, args: ['--top-k', '3'] },
  { reason: /router/, args: ['--router', 'topkk'] },
  { reason: /steps/, args: ['--steps', '-1'] },
  { reason: /accumulate/, args: ['--accumulate', '3'] },
  { reason: /minCapacity: got 2 without a capacity, expected --capacity-factor beside it/, args: ['--min-capacity', '2'] },
  { reason: /dropPolicy: got order without a capacity/, args: ['--drop-policy', 'order'] },
  { reason: /gatesAfterDrop: got kept without a capacity/, args: ['--gates-after-drop', 'kept'] },
  {
    reason: /learningRates: got router, of which this model has no parameters, expected some of embedding, .*head/,
    args: ['--learning-rates', 'router:2', '--router', 'hash'],
  },
  { reason: /too short/, args: ['--text', 'short.txt'] },
  { reason: /nowhere\.txt/, args: ['--text', 'nowhere.txt'] },
  { reason: /routr/, args: ['--parts', 'misspelt.ts'] },
  { reason: /router/, args: ['--parts', 'empty-router.ts'] },
  { reason: /router: got topk, and another one from router\.ts/, args: ['--parts', 'router.ts', '--router', 'topk'] },
  { reason: /router: got hash\*1, and another one from router\.ts/, args: ['--parts', 'router.ts', '--first-routers', 'hash*1'] },
  { reason: /a mistake/, args: ['--parts', 'throws.ts'] },
  { reason: /a mistake of the optimizer/, args: ['--parts', 'throws-late.ts'] },
  { reason: /nowhere\.ts/, args: ['--parts', 'nowhere.ts'] },
]
const withParts = 7 // each is type-checked, which takes seconds

describe('train', () => {
  test.each(refused.slice(0, cases(refused.length - withParts, refused.length)))(
    'refused because of $reason, $args',
    async ({ reason, args }) => {
      const { status, stderr } = await train(...args)
      expect(stderr).toMatch(reason)
      expect(status).not.toBe(0)
      expect(existsSync(join(folder, 'runs'))).toBe(false)
    },
  )

  test('a folder that was there before stays, with what is in it', async () => {
    mkdirSync(join(folder, 'runs/new/run'), { recursive: true })
    writeFileSync(join(folder, 'runs/new/run/note.txt'), '')
    const { status, stderr } = await train()
    expect([status === 0, stderr]).toEqual([false, expect.stringContaining('run')])
    expect(readdirSync(join(folder, 'runs/new/run'))).toEqual(['note.txt'])
  })

  test('an empty folder that was there before stays', async () => {
    mkdirSync(join(folder, 'runs/new'), { recursive: true })
    const { model, dataset, streams, config } = setUp({ seed: 1 })
    const optimizer = () => {
      throw new Error('a mistake of the optimizer')
    }
    const options = { model, dataset, streams, config, tokenizer, parts: { optimizer } }
    expect(() => startRun(join(folder, 'runs/new/run/below'), options)).toThrow('a mistake of the optimizer')
    expect(readdirSync(join(folder, 'runs/new'))).toEqual([])
  })
})
