/** One, two and four real processes train the same model on the same batches. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CharTokenizer, createStreams, Dataset, loadCorpus, presets, type RoutingRecord, tf, validateConfig } from 'makemoe'
import { buildModel } from 'makemoe/dist/runs/checkpoint'
import { shareOfDataset, shareOfStreams } from 'makemoe/dist/runs/cluster/team'
import { decodeSafetensors } from 'makemoe/dist/runs/safetensors'
import { expect, test } from 'vitest'
import { folder, lossesOf, metricsOf, text, train } from './run'

/** Trains, and returns the run's folder. */
async function trained(name: string, ...args: string[]): Promise<string> {
  const run = join(folder, name)
  const { status, output } = await train('--out', run, ...args)
  expect(status, output).toBe(0)
  return run
}

const largestDifference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN))))

test('one, two and four processes: the same losses, gradient, routing and weights, with dropout, noise and every balancing method', async () => {
  const all = [
    '--steps',
    '51',
    '--balance',
    'switch:0.01,importance:0.1,load:0.1,z:0.001,sequence:0.001,bias:0.001',
    '--learning-rate',
    '1e-4',
  ]
  const one = await trained('one', ...all)
  for (const variant of [['2'], ['4'], ['2', '--parallel', 'data']]) {
    const run = await trained(`of-${variant.join('')}`, ...all, '--workers', ...variant)
    const [first, expected] = [metricsOf(run), metricsOf(one)].map((metrics) => metrics.find(({ loss }) => loss !== undefined) ?? {})
    expect(Object.keys(first ?? {})).toEqual(Object.keys(expected ?? {}))
    for (const [name, value] of Object.entries(expected ?? {}))
      expect(Math.abs((first?.[name] ?? Number.NaN) - value), `${variant} ${name}`).toBeLessThan(1e-5 * Math.max(0.1, Math.abs(value)))
    expect(Math.abs((first?.loss ?? 0) - (expected?.loss ?? 0))).toBeLessThan(1e-6)
    expect(lossesOf(run)).toHaveLength(51)
    expect(largestDifference(lossesOf(run), lossesOf(one))).toBeLessThan(1e-4)
    const weights = [run, one].map((path) => decodeSafetensors(readFileSync(join(path, 'model.safetensors'))))
    expect([...(weights[0]?.keys() ?? [])]).toEqual([...(weights[1]?.keys() ?? [])])
    for (const [name, { values }] of weights[0] ?? [])
      expect(largestDifference([...values], [...(weights[1]?.get(name)?.values ?? [])]), name).toBeLessThan(2e-3)
  }
})

test('Muon and the newer parts of the model: two processes train as one does, and compare their weights after step 100', async () => {
  const parts = '--positions rope --norm rms --qk-norm rms --embeddings tied --expert relu2 --initialization zero-residual'
  const args = ['--steps', '101', '--optimizer', 'muon', '--learning-rate', '1e-4', ...parts.split(' ')]
  const [one, two] = [await trained('muon-one', ...args), await trained('muon-two', ...args, '--workers', '2')]
  expect(lossesOf(two)).toHaveLength(101)
  expect(largestDifference(lossesOf(two), lossesOf(one))).toBeLessThan(1e-4)
})

test('quantile balancing: two processes set the biases that one does', async () => {
  const args = ['--steps', '11', '--balance', 'quantile', '--learning-rate', '1e-4']
  const [one, two] = [await trained('quantile-one', ...args), await trained('quantile-two', ...args, '--workers', '2')]
  const [expected, weights] = [one, two].map((path) => decodeSafetensors(readFileSync(join(path, 'model.safetensors'))))
  const biases = [...(expected?.keys() ?? [])].filter((name) => name.includes('balancing.bias'))
  expect(biases.length).toBeGreaterThan(0)
  for (const name of biases)
    expect(largestDifference([...(weights?.get(name)?.values ?? [])], [...(expected?.get(name)?.values ?? [])])).toBeLessThan(2e-3)
})

test('with a capacity, the same tokens are dropped whether experts are dealt out or not', async () => {
  const args = ['--steps', '3', '--capacity-factor', '0.75', '--dropout', '0', '--workers', '2']
  const [experts, data] = [await trained('capacity-experts', ...args), await trained('capacity-data', ...args, '--parallel', 'data')]
  const [first, expected] = [experts, data].map((run) => metricsOf(run).find(({ loss }) => loss !== undefined) ?? {})
  expect(expected?.['routing/layer_0/dropped']).toBeGreaterThan(0)
  for (const [name, value] of Object.entries(expected ?? {}))
    expect(Math.abs((first?.[name] ?? Number.NaN) - value), name).toBeLessThan(1e-5 * Math.max(0.1, Math.abs(value)))
  expect(largestDifference(lossesOf(experts), lossesOf(data))).toBeLessThan(1e-5)
})

test('with a capacity, step 0 of two and four processes has the loss of one process that counts within the same shares', async () => {
  const own = { nEmbed: 16, nHead: 2, nLayer: 2, numExperts: 4, blockSize: 8, batchSize: 8, capacityFactor: 0.75 }
  const config = validateConfig({ ...presets.corrected, ...own })
  const corpus = loadCorpus({ defaultFile: text })
  const tokenizer = CharTokenizer.fromText(corpus.text)
  const dataset = new Dataset(tokenizer.encode(corpus.text), config.blockSize)
  const model = buildModel(config, tokenizer.vocabSize, createStreams(config.seed).init)
  let dropped = 0
  for (const count of [2, 4]) {
    const losses = Array.from({ length: count }, (_, index) => {
      const member = { hosts: Array<string>(count).fill(''), index, wait: 0 }
      const whole = createStreams(config.seed)
      const streams = shareOfStreams(whole, member, (config.batchSize / count) * config.blockSize)
      const { x, y } = shareOfDataset(dataset, member).randomBatch('train', config.batchSize, streams.data)
      const observer = (record: RoutingRecord): void => {
        dropped += record.dropped.dataSync()[0] ?? 0
      }
      return tf.tidy(() => model.loss(x, y, { training: true, streams, observer }).dataSync()[0] ?? Number.NaN)
    })
    const expected = losses.reduce((sum, loss) => sum + loss) / count
    for (const parallel of ['experts', 'data']) {
      const args = ['--steps', '1', '--capacity-factor', '0.75', '--workers', String(count), '--parallel', parallel]
      const [loss = Number.NaN] = lossesOf(await trained(`shares-${count}-${parallel}`, ...args))
      expect(Math.abs(loss - expected), `${count}, ${parallel}: ${loss}, expected ${expected}`).toBeLessThan(1e-6)
    }
  }
  expect(dropped).toBeGreaterThan(0)
})

test('gradients of the first step agree element by element: one process, data-parallel, expert-parallel', async () => {
  const parts = join(folder, 'gradients.ts')
  writeFileSync(
    parts,
    `import { writeFileSync } from 'node:fs'
    import { AdamW, type MakeOptimizer } from 'makemoe'
    const valueOf = (name: string): string => process.argv[process.argv.indexOf(name) + 1] ?? ''
    const worker = process.argv.includes('--worker') ? valueOf('--worker') : '0'
    export const optimizer: MakeOptimizer = (parameters, options) => {
      const adamw = new AdamW(parameters, options)
      const apply = adamw.apply.bind(adamw)
      let isFirst = true
      adamw.apply = (gradients) => {
        const entries = parameters.map(([name], i) => [name, [...gradients[i].dataSync()]])
        if (isFirst) writeFileSync(valueOf('--out') + '.gradients-' + worker, JSON.stringify(entries))
        isFirst = false
        apply(gradients)
      }
      return adamw
    }`,
  )
  /** What each process gave to its optimizer, by name. */
  const gradientsOf = async (name: string, ...args: string[]) => {
    const run = await trained(name, '--eager', '--parts', parts, '--steps', '1', '--balance', 'switch:0.01,load:0.1,z:0.001', ...args)
    const files = readdirSync(folder).filter((file) => file.startsWith(`${name}.gradients-`))
    return files.map((file) => new Map(JSON.parse(readFileSync(join(dirname(run), file), 'utf8')) as [string, number[]][])) // as written
  }
  const agree = (all: Awaited<ReturnType<typeof gradientsOf>>, expected: (typeof all)[number] | undefined, what: string): void => {
    expect(new Set(all.flatMap((each) => [...each.keys()])), what).toEqual(new Set(expected?.keys()))
    for (const each of all)
      for (const [name, values] of each) {
        const reference = expected?.get(name) ?? []
        const scale = Math.max(...reference.map(Math.abs))
        expect(values.length).toBe(reference.length)
        expect(largestDifference(values, reference), `${what}: ${name}, at most ${scale}`).toBeLessThan(1e-5 * Math.min(1, scale))
      }
  }
  const [one] = await gradientsOf('gradients-one')
  expect([...(one?.values() ?? [])].flat().some((value) => Math.abs(value) > 0.01)).toBe(true)
  for (const [count, parallel] of [
    ['2', 'data'],
    ['2', 'experts'],
    ['4', 'experts'],
  ] as const) {
    const all = await gradientsOf(`gradients-${count}-${parallel}`, '--workers', count, '--parallel', parallel)
    expect(all).toHaveLength(Number(count))
    agree(all, one, `${count}, ${parallel}`)
  }
  // With a capacity, which counts within a process's share of the batch, the same pairs are dropped by both.
  const dropping = ['--capacity-factor', '0.75', '--workers', '2', '--parallel']
  const [data] = await gradientsOf('dropping-data', ...dropping, 'data')
  agree(await gradientsOf('dropping-experts', ...dropping, 'experts'), data, 'dropping')
})
