/** The commands, in this process; as processes of their own: commands.slow.test.ts. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { cases } from '../support'
import { commandIn } from './in-process'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-test-'))
const text = join(folder, 'text.txt')
const run = join(folder, 'run')
const tiny = ['--n-embed', '16', '--n-head', '2', '--n-layer', '2', '--block-size', '8', '--num-experts', '4', '--batch-size', '4']
const short = ['--steps', '12', '--eval-interval', '5', '--eval-iters', '2', '--sample', '20', '--text', text]
const makemoe = commandIn(folder)

beforeAll(async () => {
  writeFileSync(text, 'the quick brown fox jumps over the lazy dog.\n'.repeat(40))
  const { status, stdout, stderr } = await makemoe('train', ...tiny, ...short, '--out', run)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/parameters: 0\.0\d+ M/)
  expect(stdout).toMatch(/step 0: train loss \d\.\d{4}, val loss \d\.\d{4} \(\d\.\d{4} bits per character\)/)
})

describe('train', () => {
  test('writes config, metrics, sample and weights', () => {
    const files = ['checkpoints', 'config.json', 'lock', 'loss.html', 'metrics.jsonl', 'model.safetensors', 'run.json', 'sample.txt']
    expect(readdirSync(run).sort()).toEqual(files)
    expect(JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'))).toMatchObject({ status: 'FINISHED', params: { max_iters: '12' } })
    const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(metrics.filter((m) => 'val_loss' in m).map((m) => m.step)).toEqual([0, 5, 10, 11])
    expect(metrics.filter((m) => 'loss' in m)).toHaveLength(12)
    expect(readFileSync(join(run, 'sample.txt'), 'utf8')).toHaveLength(21)
    const curves = readFileSync(join(run, 'loss.html'), 'utf8')
    expect(curves).toMatch(/Last validation loss: \d\.\d{4} nats, \d\.\d{4} bits per character\./)
    expect(curves).toContain('Load of each expert during training')
    expect(curves).not.toContain('http-equiv="refresh"') // it has ended
    expect(Object.keys(metrics.find((m) => m.step === 0 && 'loss' in m))).toEqual(
      expect.arrayContaining(['routing/layer_0/load_3', 'routing/layer_1/dead', 'routing/layer_1/margin']),
    )
  })
  test('the same seed gives the same losses; eager gives them to 1e-5', async () => {
    const losses = async (name: string, ...more: string[]) => {
      expect((await makemoe('train', ...tiny, '--n-layer', `${cases(1, 2)}`, ...short, ...more, '--out', join(folder, name))).status).toBe(
        0,
      )
      const lines = readFileSync(join(folder, name, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
      return lines.map((line) => JSON.parse(line).loss ?? 0)
    }
    const [first, again, eager] = [await losses('again1'), await losses('again2'), await losses('eager', '--eager')]
    expect(again).toEqual(first)
    for (const [i, loss] of eager.entries()) expect(Math.abs(loss - first[i])).toBeLessThan(1e-4)
  })
})

describe('evaluate, generate, import', () => {
  test('evaluate prints the exact loss, also as JSON, the same each time', async () => {
    const json = JSON.parse((await makemoe('evaluate', '--checkpoint', run, '--text', text, '--json')).stdout)
    expect(json.characters).toBe(176)
    expect(json.bitsPerCharacter).toBeCloseTo(json.nats / Math.LN2, 6)
    const { stdout } = await makemoe('evaluate', '--checkpoint', run, '--text', text, '--eager')
    expect(stdout).toContain(`${json.nats.toFixed(4)} nats`)
  })
  test('generate writes on from the prompt, repeatably', async () => {
    const write = async (...more: string[]) =>
      (await makemoe('generate', '--checkpoint', run, '--prompt', 'the', '--tokens', '15', ...more)).stdout
    const written = await write()
    expect(written).toMatch(/^the[\s\S]{15}\n$/)
    expect(await write()).toBe(written)
    expect(await write('--eager')).toBe(written)
    expect(await write('--seed', '2')).not.toBe(written)
    expect(await write('--samples', '2')).toMatch(/--- sample 1 ---\nthe[\s\S]*--- sample 2 ---\nthe/)
    expect(await write('--like-makemoe')).toMatch(/^the/)
    expect(await write('--temperature', '0')).toBe(await write('--top-k', '1', '--seed', '9'))
  })
  test('inspect writes a page into the run folder, or where it is told to, with the loss that evaluate finds', async () => {
    const args = ['inspect', '--checkpoint', run, '--text', text]
    const { status, stdout } = await makemoe(...args)
    expect([status, stdout]).toEqual([0, expect.stringMatching(/inspect\.html: \d\.\d MB/)])
    const page = readFileSync(join(run, 'inspect.html'), 'utf8')
    rmSync(join(run, 'inspect.html'))
    expect(page).toContain('<h1>What the experts of run do</h1>')
    const { nats } = JSON.parse((await makemoe('evaluate', '--checkpoint', run, '--text', text, '--json')).stdout)
    expect(page).toContain(`Validation loss ${nats.toFixed(4)} nats (exact), ${(nats / Math.LN2).toFixed(4)} bits per character`)
    const out = join(folder, 'elsewhere.html')
    expect((await makemoe(...args, '--characters', '32', '--eager', '--out', out)).status).toBe(0)
    expect(readFileSync(out, 'utf8')).toMatch(/Validation loss \d\.\d{4} nats \(an estimate from the first 32 characters\)/)
  })
  test('import takes a state_dict and changes nothing in it', async () => {
    const out = join(folder, 'imported')
    const parts = '--router hash-gated --expert relu2 --positions rope --qk-norm rms'.split(' ') // of the default
    const { status, stdout } = await makemoe('import', join(run, 'model.safetensors'), '--text', text, '--out', out, ...parts)
    expect([status, stdout]).toEqual([0, expect.stringMatching(/imported 0\.0\d+ M parameters/)])
    expect(readFileSync(join(out, 'model.safetensors')).equals(readFileSync(join(run, 'model.safetensors')))).toBe(true)
  })
  test.each(['setup', 'start', 'test', 'train', 'generate', 'evaluate', 'inspect', 'compare', 'import', 'mlflow'])(
    '%s --help',
    async (name) => {
      const { status, stdout } = await makemoe(name, '--help')
      expect([status, stdout]).toEqual([0, expect.stringContaining(`Usage: makemoe ${name}`)])
    },
  )
})

describe("a person's mistake: one line on stderr, exit 2, nothing written", () => {
  const damaged = join(folder, 'damaged')
  const binary = join(folder, 'binary')
  beforeAll(() => {
    cpSync(run, damaged, { recursive: true })
    writeFileSync(join(damaged, 'model.safetensors'), readFileSync(join(run, 'model.safetensors')).subarray(0, 999))
    writeFileSync(binary, Uint8Array.of(0xff, 0xfe, 0))
  })
  const out = join(folder, 'never')
  const train = ['train', ...tiny, ...short, '--out', out]
  const from = ['--checkpoint', run]
  test.each<[string[], RegExp]>([
    [['fly'], /unknown command 'fly'/],
    [['train', '--fly'], /unknown option '--fly'/],
    [['train', 'extra'], /too many arguments/],
    [[...train, '--steps', 'many'], /'--steps <number>' argument 'many' is invalid/],
    [[...train, '--steps', '-1'], /steps: got -1/],
    [[...train, '--n-embed', '17'], /nEmbed: got 17, expected a multiple of nHead \(2\)/],
    [[...train, '--top-k', '5'], /topK: got 5, expected at most numExperts \(4\)/],
    [[...train, '--dropout', '1'], /dropout: got 1/],
    [[...train, '--capacity-factor', '0'], /capacityFactor: got 0/],
    [[...train, '--preset', 'gpt'], /Allowed choices are default, corrected, makemoe, tiny/],
    [[...train, '--text', join(folder, 'nowhere')], /cannot read the text/],
    [[...train, '--text', binary], /not UTF-8 text/],
    [[...train, '--block-size', '500'], /too short: got 1800 characters, expected at least 5010/],
    [[...train, '--out', run], /expected a folder that is new or empty/],
    [[...train, '--gpu'], /TensorFlow sees none/],
    [['generate'], /required option '--checkpoint <folder>' not specified/],
    [['generate', '--checkpoint', join(folder, 'nowhere')], /is not there/],
    [['generate', '--checkpoint', damaged], /not a good safetensors file/],
    [['generate', ...from, '--prompt', 'the€'], /the character "€" at position 3 is not in the vocabulary/],
    [['generate', ...from, '--prompt', ''], /prompt: got an empty text/],
    [['generate', ...from, '--tokens', '0'], /expected an integer from 1/],
    [['generate', ...from, '--temperature', '-1'], /temperature: got -1/],
    [['generate', ...from, '--top-p', '2'], /top-p: got 2/],
    [['generate', ...from, '--seed', '1.5'], /expected an integer of 32 bits/],
    [['evaluate', ...from, '--text', binary], /not UTF-8 text/],
    [['inspect'], /required option '--checkpoint <folder>' not specified/],
    [['inspect', '--checkpoint', join(folder, 'nowhere')], /is not there/],
    [['inspect', '--checkpoint', damaged], /not a good safetensors file/],
    [['inspect', ...from, '--out', 'page.txt'], /out: got page\.txt, expected a file that ends in \.html/],
    [['inspect', ...from, '--out', join(folder, 'nowhere', 'page.html')], /expected a file in a folder that is there/],
    [['inspect', ...from, '--characters', '0'], /expected an integer from 1/],
    [['inspect', ...from, '--text', binary], /not UTF-8 text/],
    [['import', join(folder, 'nowhere'), '--out', out], /cannot read/],
    [['import', text, '--out', out], /not a good safetensors file/],
    [['import', join(run, 'model.safetensors'), '--out', out], /the weights are for \d+ characters, the text has/],
  ])('%j', async (args, message) => {
    const { status, stderr } = await makemoe(...args)
    expect(stderr).toMatch(message)
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2) // a remedy may follow
    expect(status).toBe(2)
    expect(existsSync(out)).toBe(false)
  })
})
