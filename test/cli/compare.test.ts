/** `npm run compare`: a person's mistakes. Results, kills and Ctrl-C: compare.slow.test.ts. */
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commandIn } from './in-process'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-compare-'))
const makemoe = commandIn(folder)
const text = join(folder, 'text.txt')
writeFileSync(text, 'the quick brown fox jumps over the lazy dog.\n'.repeat(40))
const sizes = '--n-embed 16 --n-head 2 --n-layer 1 --block-size 8 --num-experts 4 --batch-size 4 --steps 40 --eval-iters 2 --seeds 2'
const options = (out: string, ...what: string[]): string[] => ['compare', ...sizes.split(' '), ...what, '--text', text, '--out', out]
const variants = join(folder, 'mine.ts')
writeFileSync(
  variants,
  `import { Expert } from 'makemoe'
export const variants = {
  relu: {},
  narrow: { parts: { expert: ({ nEmbed }, stream) => new Expert(nEmbed, stream, { width: 4 }) } },
}`,
)

const numbered = join(folder, 'numbered.mjs')
writeFileSync(numbered, 'export const variants = { wide: { expertWidth: 8 }, 8: {} }')

test.each<[string[], RegExp]>([
  [[], /compare: got neither, expected one of --what and --variants/],
  [['--what', 'router', '--variants', variants], /compare: got both/],
  [['--what', 'routers'], /Allowed choices are balance, router, experts, capacity, dense, init/],
  [['--variants', join(folder, 'nowhere.ts')], /variants: .*nowhere\.ts cannot be read/],
  [['--variants', variants, '--against', 'rely'], /against: got rely, expected one of relu; narrow; did you mean relu\?/],
  [['--variants', variants, '--only', 'relu', 'rely'], /only: got rely, expected one of relu; narrow; did you mean relu\?/],
  [['--variants', variants, '--only', 'narrow', '--against', 'relu'], /against: got relu, expected one of narrow/],
  [['--variants', numbered], /variants: got the name 8, expected letters in it: JavaScript would put it first; '8 experts' will do/],
  [['--variants', text], /variants: .*text\.txt fails/],
  [['--what', 'dense', '--seeds', '0'], /expected an integer from 1/],
  [['--what', 'dense', '--lengths', '5,5'], /expected each number once/],
  [['--what', 'dense', '--tune', '1,0'], /expected numbers above 0/],
  [['--what', 'dense', '--speed-up', '--lengths', '5,10'], /speedUp: got 2 lengths, expected one/],
  [['--what', 'dense', '--steps', '0'], /steps: got 0, expected at least 1/],
  [['--what', 'recipe', '--dropout', '0.2'], /dropout: got 0\.2 with --what recipe, expected none/],
])('%j: one line, exit 2, nothing written', async (what, message) => {
  const out = join(folder, 'never')
  const { status, stderr } = await makemoe(...options(out, ...what))
  expect(stderr).toMatch(message)
  expect([status, existsSync(out)]).toEqual([2, false])
})
