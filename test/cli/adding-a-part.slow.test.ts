/** A new part is one file and one line in a table: a copy of lib gets four of them, and every command knows them. */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = join(__dirname, '../..')
const copy = mkdtempSync(join(tmpdir(), 'makemoe-adding-'))
afterAll(() => rmSync(copy, { recursive: true, force: true }))

const write = (file: string, content: string): void => writeFileSync(join(copy, 'lib/makemoe', file), content)

/** Adds one line to a table, first, and the import that it needs. */
function addLine(file: string, table: string, line: string, importLine: string): void {
  const path = join(copy, 'lib/makemoe', file)
  const source = readFileSync(path, 'utf8')
  const start = `export const ${table} = {\n`
  expect(source).toContain(start)
  writeFileSync(path, `${importLine}\n${source.replace(start, `${start}  ${line}\n`)}`)
}

const execute = (...args: string[]): Promise<{ status: number; output: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, args, { encoding: 'utf8', cwd: copy }, (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, output: stdout + stderr }),
    )
  })
const run = (...args: string[]) => execute(join(copy, 'lib/dist/cli/main.js'), ...args)

const sizes =
  '--n-embed 8 --n-head 2 --n-layer 1 --num-experts 3 --block-size 8 --batch-size 2 --eval-iters 1 --eval-interval 10 --text text.txt'.split(
    ' ',
  )
const parts = '--router cosine --expert tanh --balance variance:0.5 --optimizer descent'.split(' ')

beforeAll(async () => {
  cpSync(join(root, 'lib'), join(copy, 'lib'), {
    recursive: true,
    filter: (source) => !['dist', 'node_modules'].includes(basename(source)) && !source.endsWith('.tsbuildinfo'),
  })
  cpSync(join(root, 'package.json'), join(copy, 'package.json'))
  for (const folder of ['node_modules', '.venv']) symlinkSync(join(root, folder), join(copy, folder))
  writeFileSync(join(copy, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(40))
  write(
    'moe/router/cosine.ts',
    `import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Make, RouterModule, Routing } from '../contracts'
import { LinearRouter } from './linear-router'
import { topKGating } from './top-k-gating'
export class CosineRouter extends LinearRouter implements RouterModule {
  forward(x: Tensor): Routing {
    const length = tf.sqrt(tf.sum(tf.square(x), 1, true))
    const logits = this.scores.forward(tf.div(x, tf.add(length, 1e-6)))
    return { ...topKGating(logits, this.topK), logits }
  }
}
export const cosineRouter: Make<CosineRouter> = ({ nEmbed, numExperts, topK }, stream) =>
  new CosineRouter(nEmbed, numExperts, topK, stream)
`,
  )
  addLine('moe/parts.ts', 'routers', 'cosine: cosineRouter,', "import { cosineRouter } from './router/cosine'")
  write(
    'moe/expert/tanh.ts',
    `import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Make } from '../contracts'
import { Expert } from './relu'
export class TanhExpert extends Expert {
  override forward(x: Tensor): Tensor {
    return this.down.forward(tf.tanh(this.up.forward(x)))
  }
}
export const tanhExpert: Make<TanhExpert> = ({ nEmbed, expertWidth }, stream) => new TanhExpert(nEmbed, stream, { width: expertWidth })
`,
  )
  addLine('moe/parts.ts', 'experts', 'tanh: tanhExpert,', "import { tanhExpert } from './expert/tanh'")
  write(
    'moe/balance/variance.ts',
    `import { tf } from '../../../engine/tensor/tf'
import type { BalancingLoss } from '../contracts'
export const varianceLoss: BalancingLoss = ({ probabilities }) => tf.moments(tf.mean(probabilities, 0)).variance
`,
  )
  addLine('moe/parts.ts', 'balances', 'variance: { weight: 0.1, loss: varianceLoss },', "import { varianceLoss } from './balance/variance'")
  write(
    'optim/descent.ts',
    `import { at } from '../../base/assertions'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { NamedParameter } from '../nn/parameter'
import { Optimizer, type OptimizerOptions } from './optimizer'
export class Descent extends Optimizer {
  constructor(private readonly parameters: readonly NamedParameter[], { learningRate = 0.1 }: OptimizerOptions) {
    super(learningRate)
  }
  apply(gradients: readonly Tensor[]): void {
    for (const [i, [, p]] of this.parameters.entries()) p.assign(tf.sub(p, tf.mul(this.learningRate, at(gradients, i))))
  }
  state(): readonly NamedParameter[] {
    return []
  }
}
`,
  )
  addLine(
    'optim/index.ts',
    'optimizers',
    'descent: (parameters, options) => new Descent(parameters, options),',
    "import { Descent } from './descent'",
  )
  expect(await execute(join(root, 'node_modules/typescript/bin/tsc'), '--build', 'lib')).toEqual({ status: 0, output: '' })
  const trained = await run('train', ...sizes, ...parts, '--steps', '3', '--sample', '5', '--out', 'run')
  expect(trained.status, trained.output).toBe(0)
})

test('--help lists the new parts', async () => {
  const { output } = await run('train', '--help')
  const text = output.replace(/\s+/g, ' ')
  for (const name of ['cosine', 'tanh', 'descent']) expect(text).toContain(`"${name}"`)
})

test('validation knows the new names, and lists them beside a wrong one', async () => {
  const { status, output } = await run('train', ...sizes, '--router', 'cosin', '--steps', '1', '--out', 'never')
  expect([status, output]).toEqual([2, expect.stringContaining('cosine')])
  expect((await run('train', ...sizes, '--balance', 'varianz', '--steps', '1', '--out', 'never')).output).toMatch(/variance/)
})

test('config.json has the new names, and the loss is logged by its name', () => {
  const { config } = JSON.parse(readFileSync(join(copy, 'run/config.json'), 'utf8'))
  expect(config).toMatchObject({ router: 'cosine', expert: 'tanh', balance: 'variance:0.5', optimizer: 'descent' })
  expect(readFileSync(join(copy, 'run/metrics.jsonl'), 'utf8')).toContain('"loss/variance"')
})

test.each([
  ['resume', ['train', '--resume', 'run', '--steps', '5', '--sample', '5']],
  ['generate', ['generate', '--checkpoint', 'run', '--tokens', '12']],
  ['evaluate', ['evaluate', '--checkpoint', 'run']],
  ['inspect', ['inspect', '--checkpoint', 'run', '--characters', '64', '--out', 'inspect.html']],
])('%s works with a model of new parts', async (_name, args) => {
  const { status, output } = await run(...args)
  expect(status, output).toBe(0)
})

test('export says in a sentence why it cannot make a page of new parts', async () => {
  const { status, output } = await run('export', '--checkpoint', 'run', '--out', 'model.html')
  expect([status, output]).toEqual([2, expect.stringMatching(/^makemoe: .*cannot become a page: .*this model has (cosine|tanh)\n$/)])
})

test.each([
  ['router', 'cosine'],
  ['experts', 'tanh'],
  ['balance', 'variance'],
])('compare --what %s trains the new %s beside the others', async (what, name) => {
  const args = ['--steps', '1', '--seeds', '1', '--out', `compare-${what}`]
  const { status, output } = await run('compare', '--what', what, ...sizes, ...args)
  expect(status, output).toBe(0)
  expect(output).toMatch(new RegExp(`\\d+/\\d+ ${name}, seed`))
})
