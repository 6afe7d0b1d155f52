import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  createStreams,
  type LanguageModelConfig,
  type MixtureContext,
  presets,
  type RoutingRecord,
  SparseMoE,
  SparseMoELanguageModel,
  type StateDict,
  type Tensor,
  tf,
} from 'makemoe'
import { dropPolicies, experts, namesOf, routers } from 'makemoe/dist/makemoe/moe/parts'
import { Engine, type Routing } from 'makemoe/dist/show/page/engine'
import { simdLinear } from 'makemoe/dist/show/page/kernel'
import { plainLinear } from 'makemoe/dist/show/page/ops'
import { describe, expect, test } from 'vitest'
import { cases, expectClose, fixture, givenStreams } from '../../support'

const kernel = new Uint8Array(readFileSync(join(__dirname, '../../../lib/show/page/kernel.wasm')))
const makers = { plain: plainLinear, simd: simdLinear(kernel) }

const stateOf = (model: SparseMoELanguageModel): StateDict => {
  const state: StateDict = new Map()
  model.saveState(state)
  return state
}

/** TensorFlow's logits and choices in evaluation, with given noise where the config wants some. */
function reference(model: SparseMoELanguageModel, ids: readonly number[], noise: readonly Float32Array[] = []) {
  return tf.tidy(() => {
    const records: { experts: Int32Array; allGates: Float32Array; layer: number }[] = []
    const observer = ({ experts, allGates, layer }: RoutingRecord): void => {
      records.push({ layer, experts: experts.dataSync() as Int32Array, allGates: allGates.dataSync() as Float32Array })
    }
    const streams = noise.length > 0 ? givenStreams(noise.map((numbers) => tf.tensor1d(numbers)) as Tensor[], []) : createStreams(0)
    const ctx: MixtureContext = { training: false, streams, observer }
    const logits = model.forward(tf.tensor2d([...ids], [1, ids.length], 'int32'), ctx).dataSync() as Float32Array
    return { logits, records }
  })
}

/** The engine's, checked position by position against TensorFlow's. */
function compare(config: LanguageModelConfig, ids: readonly number[], seed: number): void {
  const model = new SparseMoELanguageModel(config, createStreams(seed).init)
  for (const { moe } of model.blocks)
    if (moe instanceof SparseMoE) moe.balancing?.bias.assign(tf.randomNormal([config.numExperts], 0, 0.3, 'float32', seed))
  const noisy = config.noiseMode === 'always' && config.router === 'noisy-topk'
  const noise = Array.from({ length: noisy ? config.nLayer : 0 }, (_, l) =>
    Float32Array.from(tf.randomNormal([ids.length * config.numExperts], 0, 1, 'float32', seed + l + 1).dataSync()),
  )
  const expected = reference(model, ids, noise)
  const largest = expected.logits.reduce((most, logit) => Math.max(most, Math.abs(logit)), 1)
  for (const [name, makeLinear] of Object.entries(makers)) {
    const numbers = noise.flatMap((layer) => [...layer])
    const routings: Routing[] = []
    const engine = new Engine(config, stateOf(model), makeLinear)
    const logits = engine.forward(ids, engine.sequence(), {
      observe: (routing) => routings.push(routing),
      normal: () => numbers.shift() as number,
    })
    expect(logits.length, name).toBe(expected.logits.length)
    for (const [i, logit] of logits.entries())
      expect(Math.abs(logit - (expected.logits[i] as number)) / largest, `${name}: logit ${i}`).toBeLessThan(1e-4)
    expect(routings.length).toBe(config.nLayer * ids.length)
    for (const { layer, position, experts, gates } of routings) {
      const { experts: chosen, allGates } = expected.records[layer] as { experts: Int32Array; allGates: Float32Array }
      const K = config.topK
      expect(experts, `${name}: layer ${layer}, position ${position}`).toEqual([...chosen.subarray(position * K, (position + 1) * K)])
      for (const [k, gate] of gates.entries())
        if (gate > 0 && config.gatesAfterDrop !== 'renormalized')
          expect(gate).toBeCloseTo(allGates[position * config.numExperts + (experts[k] as number)] as number, 4)
    }
  }
  model.dispose()
}

const configs = fc
  .record({
    vocabSize: fc.integer({ min: 2, max: 70 }),
    blockSize: fc.integer({ min: 1, max: 40 }),
    nHead: fc.integer({ min: 1, max: 4 }),
    headSize: fc.integer({ min: 5, max: 9 }), // LayerNorm of fewer channels makes a rounding error large
    nLayer: fc.integer({ min: 1, max: 3 }),
    numExperts: fc.integer({ min: 1, max: 16 }),
    choices: fc.integer({ min: 1, max: 16 }),
    attentionScale: fc.constantFrom('headSize', 'nEmbed'),
    noiseMode: fc.constantFrom('training', 'always'),
    router: fc.constantFrom(...namesOf(routers).filter((name) => name !== 'expert-choice' && name !== 'random')),
    expert: fc.constantFrom(...namesOf(experts)),
    expertWidth: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
    sharedExperts: fc.integer({ min: 0, max: 2 }),
    balance: fc.constantFrom('none', 'switch', 'bias', 'quantile'),
    capacityMode: fc.constantFrom('training', 'always'),
    minCapacity: fc.integer({ min: 0, max: 2 }),
    dropPolicy: fc.constantFrom(...namesOf(dropPolicies).filter((name) => name !== 'random')),
    capacityFactor: fc.option(fc.constantFrom(0.25, 0.5, 1, 1.3, 4), { nil: undefined }),
    evalCapacityFactor: fc.option(fc.constantFrom(0.25, 1, 2), { nil: undefined }),
    gatesAfterDrop: fc.constantFrom('kept', 'renormalized'),
    initialization: fc.constantFrom('scaled', 'kaiming'),
    positions: fc.constantFrom('learned', 'rope'),
    norm: fc.constantFrom('layer', 'rms'),
    qkNorm: fc.constantFrom('none', 'rms'),
    embeddings: fc.constantFrom('separate', 'tied'),
    ngram: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ headSize, choices, ...config }): LanguageModelConfig => {
    // By rank, equal gates are ordered by their rounding, which nobody shares: so only where gates are few and far apart.
    const equalGates = config.router === 'hash'
    const byRank = !equalGates && config.dropPolicy === 'rank' && config.numExperts > 1
    const topK = config.router === 'switch' ? 1 : byRank ? 2 + (choices % 2) : choices
    const unbalanced = config.balance === 'quantile' && (equalGates || config.router === 'hash-gated' || topK >= config.numExperts) // is refused
    return {
      ...presets.corrected,
      ...config,
      ...(unbalanced ? { balance: 'none' } : {}),
      ...(byRank ? { initialization: 'kaiming' } : { dropPolicy: 'order' }),
      nEmbed: config.nHead * (config.positions === 'rope' ? 2 * headSize : headSize), // rotations are of pairs
      topK: Math.min(topK, config.numExperts),
    }
  })

describe('the engine agrees with TensorFlow: logits to 1e-4, choices exactly', () => {
  test('on configurations drawn at random, with the plain loop and with the SIMD kernel', () => {
    fc.assert(
      fc.property(configs, fc.integer({ min: 0, max: 1e6 }), (config, seed) => {
        const length = 1 + (seed % config.blockSize)
        compare(
          config,
          Array.from({ length }, (_, i) => (seed * (i + 7) + i * i) % config.vocabSize),
          seed,
        )
      }),
      { numRuns: cases(20, 60) },
    )
  })
  test.each(['corrected', 'makemoe'] as const)('at the sizes of the preset %s', (name) => {
    compare(
      { ...presets[name], nLayer: 2, vocabSize: 65 },
      Array.from({ length: 32 }, (_, i) => (i * 37) % 65),
      3,
    )
  })
})

describe('the engine agrees with PyTorch in evaluation, where noise and capacity stay on as in the original', () => {
  test.each([
    ['evaluation', undefined],
    ['evaluation-capacity', 1],
  ])('%s', (name, capacityFactor) => {
    const golden = fixture(name)
    const sizes = { vocabSize: 11, blockSize: 6, nEmbed: 8, nHead: 2, nLayer: 2, numExperts: 4, topK: 2 }
    for (const makeLinear of Object.values(makers)) {
      const engine = new Engine({ ...presets.makemoe, ...sizes, capacityFactor }, golden.part('weight'), makeLinear)
      const sequence = engine.sequence() // one for all three: noise and capacity must not be cached
      for (const length of [1, 4, 6]) {
        const noise = [0, 1].flatMap((layer) => [...golden.values(`noise.${length}.${layer}`)])
        const logits = engine.forward([...golden.values(`in.${length}`)], sequence, { normal: () => noise.shift() as number })
        expectClose(logits, golden.values(`out.${length}`), 1e-5)
        expect(noise).toEqual([])
      }
    }
  })
})

describe('a sequence', () => {
  const config: LanguageModelConfig = {
    ...presets.corrected,
    vocabSize: 9,
    blockSize: 8,
    nEmbed: 12,
    nHead: 3,
    nLayer: 2,
    numExperts: 4,
    topK: 2,
  }
  const model = new SparseMoELanguageModel(config, createStreams(5).init)
  const engine = new Engine(config, stateOf(model))
  const whole = (ids: readonly number[]): Float32Array => engine.forward(ids, engine.sequence())

  test('gives the same logits whatever of it was known before: growing, changed in the middle, shifted', () => {
    const tokens = fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(fc.array(tokens, { minLength: 1, maxLength: 6 }), (texts) => {
        const sequence = engine.sequence()
        for (const ids of [...texts, ...texts.map((ids) => ids.slice(0, 3))]) {
          const logits = engine.forward(ids, sequence)
          expect(logits.length % 9).toBe(0)
          expectClose(logits, whole(ids).slice(-logits.length), 1e-6)
        }
      }),
    )
  })
  test('computes only what is new', () => {
    const sequence = engine.sequence()
    const positions: number[] = []
    const observe = ({ layer, position }: Routing): number => (layer === 0 ? positions.push(position) : 0)
    for (const ids of [
      [1, 2, 3],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 5],
    ])
      engine.forward(ids, sequence, { observe })
    expect(positions).toEqual([0, 1, 2, 3, 3, 1])
  })
  test('does not depend on later tokens', () => {
    expectClose(whole([1, 2, 3]), whole([1, 2, 3, 7, 8]).slice(0, 27), 1e-6)
  })
  test('leaves out the experts that are off: as a router that never prefers them', () => {
    const sequence = engine.sequence()
    sequence.off.add(1 * 4 + 2) // expert 2 of layer 1
    const state = stateOf(model)
    const bias = state.get('blocks.1.smoe.router.topkroute_linear.bias')
    ;(bias?.values as Float32Array)[2] = -1e9
    const expected = new Engine(config, state)
    expectClose(engine.forward([3, 1, 4, 1, 5], sequence), expected.forward([3, 1, 4, 1, 5], expected.sequence()), 1e-6)
  })
  test('refuses too few experts, tokens that are none, and texts that do not fit the window', () => {
    const sequence = { ...engine.sequence(), off: new Set([0, 1, 2]) }
    expect(() => engine.forward([1], sequence)).toThrow('layer 0 has 1 experts left, expected at least 2')
    expect(() => whole([9])).toThrow('got the token 9, expected 0 to 8')
    expect(() => whole([0.5])).toThrow('got the token 0.5')
    expect(() => whole([])).toThrow('got 0 tokens, expected 1 to 8')
    expect(() => whole(new Array(9).fill(0))).toThrow('got 9 tokens, expected 1 to 8')
  })
  test('refuses weights that are not those of its config, with the reason', () => {
    const missing = stateOf(model)
    missing.delete('ln_f.bias')
    expect(() => new Engine(config, missing)).toThrow('no tensor ln_f.bias, expected one of shape [12]')
    expect(() => new Engine({ ...config, nEmbed: 6 }, stateOf(model))).toThrow('has shape [9,12], expected [9,6]')
    const more = stateOf(model).set('blocks.0.smoe.shared.weight', { shape: [1], values: Float32Array.of(1) })
    expect(() => new Engine(config, more)).toThrow('1 tensors that this engine does not know, blocks.0.smoe.shared.weight for one')
    for (const [part, message] of [
      [{ router: 'soft' }, 'router: the engine has noisy-topk, topk, sigmoid, switch, hash, hash-gated; this model has soft'],
      [{ router: 'expert-choice' }, 'router expert-choice: its experts choose among all tokens, later ones too'],
      [{ router: 'random' }, 'router random: it draws its experts anew in each pass'],
      [{ expert: 'toString' }, 'expert: the engine has relu, gelu, swiglu, relu2; this model has toString'],
      [{ dropPolicy: 'random', evalCapacityFactor: 1 }, 'drop policy: the engine has order, rank; this model has random'],
      [{ expert: 'swiglu' }, 'no tensor blocks.0.smoe.experts.0.gate.weight'],
    ] as const)
      expect(() => new Engine({ ...config, ...part }, stateOf(model))).toThrow(message)
    const noisy = new Engine({ ...config, noiseMode: 'always' }, stateOf(model))
    expect(() => noisy.forward([1], noisy.sequence())).toThrow('routes with noise in evaluation too')
  })
})
