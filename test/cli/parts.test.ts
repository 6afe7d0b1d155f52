/** A person's file of parts, and the run's own text, from the command line. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { commandIn } from './in-process'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-parts-'))
const makemoe = commandIn(folder)
const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content)
  return name
}
const sizes = '--n-embed 8 --n-head 2 --n-layer 1 --num-experts 2 --block-size 8 --batch-size 2 --eval-iters 1 --sample 5'.split(' ')

/** The compiler's check of a file, a second each time: what it has passed is not checked again, since what files here import stays as it is. */
const checker: typeof import('makemoe/dist/cli/check-types') = createRequire(__filename)('makemoe/dist/cli/check-types')
const { checkTypes } = checker
const passed = new Set<string>()
const once = vi.spyOn(checker, 'checkTypes').mockImplementation((path, ...rest) => {
  const check = JSON.stringify([resolve(path), existsSync(path) && readFileSync(path, 'utf8'), rest])
  if (!passed.has(check)) checkTypes(path, ...rest)
  passed.add(check)
})
afterAll(() => once.mockRestore())

const constants = 'export const sharpness: number = 2'
/** A router with a parameter that it reports, an optimizer without state, and a file beside it. */
const parts = `
import { type Context, Linear, Module, Optimizer, type Parts, parameter, type Tensor, tf, type Variable } from 'makemoe'
import { sharpness } from './constants'

class Sharp extends Module {
  readonly scores: Linear
  readonly sharpness: Variable = parameter(tf.scalar(sharpness))
  constructor(width: number, experts: number, stream: ConstructorParameters<typeof Linear>[2]) {
    super()
    this.scores = new Linear(width, experts, stream)
  }
  forward(x: Tensor, ctx: Context) {
    ctx.report?.('sharpness', this.sharpness)
    const logits = tf.mul(this.scores.forward(x), this.sharpness)
    const { values, indices } = tf.topk(logits, 1)
    return { experts: indices, gates: tf.sigmoid(values), logits }
  }
}
class Descent extends Optimizer {
  constructor(private readonly parameters: readonly (readonly [string, Variable])[], rate: number) {
    super(rate)
  }
  apply(gradients: readonly Tensor[]): void {
    for (const [i, [, p]] of this.parameters.entries()) p.assign(tf.sub(p, tf.mul(this.learningRate, gradients[i]!)))
  }
  state() {
    return []
  }
}
export const router: Parts['router'] = ({ nEmbed, numExperts }, stream) => new Sharp(nEmbed, numExperts, stream)
export const optimizer: Parts['optimizer'] = (parameters, { learningRate }) => new Descent(parameters, learningRate)
`

beforeAll(async () => {
  file('text.txt', 'the quick brown fox jumps over the lazy dog. '.repeat(40))
  file('constants.ts', constants)
  file('parts.ts', parts)
  const { status, stderr } = await makemoe('train', ...sizes, '--steps', '4', '--text', 'text.txt', '--parts', 'parts.ts', '--out', 'run')
  expect([status, stderr]).toEqual([0, ''])
})

test('the run keeps the file, and what its parts report', async () => {
  expect(readFileSync(join(folder, 'run/parts.ts'), 'utf8')).toBe(parts)
  const { parts: record } = JSON.parse(readFileSync(join(folder, 'run/config.json'), 'utf8'))
  const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/)
  expect(record).toEqual({ names: ['router', 'optimizer'], file: 'parts.ts', sha256, imports: sha256 })
  const { tags } = JSON.parse(readFileSync(join(folder, 'run/run.json'), 'utf8')) // as a tracker sends them
  expect(tags.parts).toBe('router, optimizer from parts.ts')
  const [first] = readFileSync(join(folder, 'run/metrics.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('"loss"'))
  expect(JSON.parse(first ?? '')['layer_0/sharpness']).toBeCloseTo(2, 1)
})

test.each([
  ['evaluate', ['evaluate', '--checkpoint', 'run']],
  ['generate', ['generate', '--checkpoint', 'run', '--tokens', '5']],
  ['train --resume', ['train', '--resume', 'run', '--steps', '6', '--sample', '5']],
])('%s asks for the file with what it imports, and takes it unchanged', async (_name, args) => {
  const asked = await makemoe(...args)
  expect([asked.status, asked.stderr]).toEqual([
    2,
    expect.stringMatching(
      /^makemoe: .*made with --parts parts\.ts \(router, optimizer\); give that file again, with those that it imports\n$/,
    ),
  ])
  file('changed.ts', `${parts}// a remark`)
  const changed = await makemoe(...args, '--parts', 'changed.ts')
  expect([changed.status, changed.stderr]).toEqual([
    2,
    expect.stringMatching(/^makemoe: changed\.ts has changed since .*copy of parts\.ts: without what it imports, run\/parts\.ts\)\n$/),
  ])
  file('constants.ts', 'export const sharpness: number = 3')
  const otherConstant = await makemoe(...args, '--parts', 'parts.ts')
  expect([otherConstant.status, otherConstant.stderr]).toEqual([
    2,
    expect.stringMatching(/^makemoe: a file that parts\.ts imports has changed since .* was made: their sha256 is \w+, expected \w+\n$/),
  ])
  file('constants.ts', constants)
  expect(await makemoe(...args, '--parts', 'parts.ts')).toMatchObject({ status: 0, stderr: '' })
})

test("code in a run's folder is not executed by itself", async () => {
  file('run/parts.ts', 'throw new Error("executed")')
  expect((await makemoe('evaluate', '--checkpoint', 'run')).stderr).not.toContain('executed')
  file('run/parts.ts', parts)
})

test("tfjs under any of its names is lib's, so that its gradients are found", async () => {
  const imports = `
import * as whole from '@tensorflow/tfjs'
import { matMul } from '@tensorflow/tfjs-core'
import * as node from '@tensorflow/tfjs-node'
import * as gpu from '@tensorflow/tfjs-node-gpu'
import { tf } from 'makemoe'
if ([whole, node, gpu].some((copy) => copy.add !== tf.add || copy.variable !== tf.variable) || matMul !== tf.matMul) throw new Error('another copy')
`
  const copies = `${imports}${parts.replace("'./constants'", "'./constants.ts'").replace(' tf,', '').replace('tf.topk', 'whole.topk').replace('tf.mul(this', 'gpu.mul(this')}`
  file('copies.ts', copies)
  const { status, stderr } = await makemoe(
    'train',
    ...sizes,
    '--steps',
    '2',
    '--text',
    'text.txt',
    '--parts',
    'copies.ts',
    '--out',
    'copies',
  )
  expect([status, stderr]).toEqual([0, ''])
})

const misspelled = `import { type Parts, SwigluExpert } from 'makemoe'
export const expert: Parts['expert'] = ({ nEmbed }, stream) =>
  new SwigluExpert(nEmbed, stream, { widht: 64 })`

const unannotated = `import { Linear } from 'makemoe'

export const expert = ({ nEmbed }: { nEmbed: number }) => ({ width: nEmbed, parameters: () => [] })`

describe('a file of parts that cannot be used: one line, nothing written', () => {
  test.each<[string, string, RegExp]>([
    ['an unknown name', 'export const ruoter = () => {}', /parts: got ruoter, expected some of .*did you mean router\?/],
    ['nothing exported', 'const router = 1', /exports nothing, expected some of the parts/],
    ['a syntax error', 'enum', /parts: wrong\.ts, line 1: Identifier expected/],
    ['a misspelled option', misspelled, /parts: wrong\.ts, line 3: .*'widht' does not exist in type 'ExpertOptions'/],
    [
      'an export of another type, which nobody wrote',
      unannotated,
      /parts: wrong\.ts, line 3: expert: .* is missing the following properties from type 'ExpertModule'/,
    ],
    ['an export that is no function', '\nexport const router = 3', /parts: wrong\.ts, line 2: router: Type 'number' is not assignable/],
    ['an error of its own', "import { ConfigError } from 'makemoe'\nthrow new ConfigError('no GPU')", /wrong\.ts fails: no GPU/],
    ['a module that is not there', "import './nowhere'\nexport const router = undefined as never", /wrong\.ts fails: .*nowhere/],
  ])('%s', async (_what, content, message) => {
    const { status, stderr } = await makemoe(
      'train',
      ...sizes,
      '--text',
      'text.txt',
      '--parts',
      file('wrong.ts', content),
      '--out',
      'never',
    )
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)])
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(existsSync(join(folder, 'never'))).toBe(false)
  })
  test('plain JavaScript is not checked', async () => {
    const { stderr } = await makemoe(
      'evaluate',
      '--checkpoint',
      'run',
      '--parts',
      file('plain.mjs', misspelled.replace(/type Parts, |: Parts\['expert'\]/g, '')),
    )
    expect(stderr).toMatch(/^makemoe: plain\.mjs has changed since/)
  })
  test('a file that is not there', async () => {
    expect((await makemoe('evaluate', '--checkpoint', 'run', '--parts', 'nowhere.ts')).stderr).toMatch(/nowhere\.ts cannot be read/)
  })
})

describe("the run's own text", () => {
  const evaluate = (...args: string[]) => makemoe('evaluate', '--checkpoint', 'run', '--parts', 'parts.ts', ...args)
  const resume = (...args: string[]) => makemoe('train', '--resume', 'run', '--steps', '8', '--sample', '5', '--parts', 'parts.ts', ...args)
  test('is found again from another folder', async () => {
    mkdirSync(join(folder, 'elsewhere'), { recursive: true })
    cpSync(join(folder, 'run'), join(folder, 'elsewhere/run'), { recursive: true })
    const { status, stdout } = await makemoe('evaluate', '--checkpoint', 'elsewhere/run', '--parts', 'parts.ts')
    expect([status, stdout]).toEqual([0, expect.stringContaining('text.txt')])
  })
  test('is told apart when it has changed, and asked for when it is gone', async () => {
    renameSync(join(folder, 'text.txt'), join(folder, 'moved.txt'))
    for (const run of [evaluate, resume])
      expect(await run()).toMatchObject({ status: 2, stderr: expect.stringMatching(/text\.txt, is not there any longer; .*--text/) })
    expect(await evaluate('--text', 'moved.txt')).toMatchObject({ status: 0, stderr: '' })
    file('text.txt', 'the lazy dog jumps over the quick brown fox. '.repeat(40))
    expect(await evaluate()).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^note: the text .* is not the one that the run was trained on: its sha256/),
    })
    expect(await resume()).toMatchObject({ status: 2, stderr: expect.stringMatching(/is not the one that the run was trained on/) })
    renameSync(join(folder, 'moved.txt'), join(folder, 'text.txt'))
    expect(await resume()).toMatchObject({ status: 0, stderr: '' })
  })
})
