import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CharTokenizer, CheckpointError, importStateDict, loadCheckpoint, loadStateDict, saveCheckpoint } from 'makemoe'
import { sizesOf } from 'makemoe/dist/makemoe/train/state-dict'
import { decodeSafetensors } from 'makemoe/dist/runs/safetensors'
import { describe, expect, test } from 'vitest'
import { config, setUp, tokenizer } from '../makemoe/train/small-model'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-checkpoint-'))

describe('checkpoints', () => {
  const { model } = setUp()
  const path = join(folder, 'run')
  saveCheckpoint(path, { model, tokenizer, config })
  const bytes = readFileSync(join(path, 'model.safetensors'))
  test('load what was saved, to the bit', () => {
    const loaded = loadCheckpoint(path)
    expect(loaded.config).toEqual(config)
    expect(loaded.tokenizer.state()).toEqual(tokenizer.vocabulary)
    for (const [i, variable] of model.parameters().entries())
      expect(loaded.model.parameters()[i]?.arraySync()).toEqual(variable.arraySync())
  })
  test('speak the names of the state_dict', () => {
    const state = decodeSafetensors(bytes)
    expect(sizesOf(state)).toEqual({ vocabSize: tokenizer.vocabSize, nEmbed: 16, blockSize: 8, nHead: 2, nLayer: 2, numExperts: 4 })
    expect(state.get('blocks.1.sa.heads.1.query.weight')?.shape).toEqual([8, 16])
    expect(state.get('blocks.1.sa.heads.1.tril')?.shape).toEqual([8, 8])
    expect(state.get('blocks.0.smoe.router.noise_linear.bias')?.shape).toEqual([4])
    expect(state.get('blocks.0.smoe.experts.3.net.2.weight')?.shape).toEqual([16, 64])
    expect(state.get('lm_head.weight')?.shape).toEqual([tokenizer.vocabSize, 16])
  })
  test('are imported with their sizes read from the shapes', () => {
    const imported = importStateDict(bytes, tokenizer, { dropout: 0.3 })
    expect(imported.config).toMatchObject({ nEmbed: 16, nLayer: 2, dropout: 0.3, attentionScale: 'nEmbed' })
    expect(imported.model.parameters()[0]?.arraySync()).toEqual(model.parameters()[0]?.arraySync())
    expect(() => importStateDict(bytes, new CharTokenizer(['a']))).toThrow(/weights are for 28 characters, the text has 1/)
  })
  test('extra and missing tensors are named', () => {
    const state = decodeSafetensors(bytes)
    state.set('extra.weight', { shape: [1], values: new Float32Array(1) })
    expect(() => loadStateDict(model, state)).toThrow(/no place for, extra\.weight/)
    expect(() => sizesOf(new Map())).toThrow(/not a state_dict of makeMoE's model/)
  })
  const broken = (name: string, file: string, content: string | Uint8Array) => {
    const target = join(folder, name)
    saveCheckpoint(target, { model, tokenizer, config })
    writeFileSync(join(target, file), content)
    return target
  }
  const saved = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))
  test.each([
    ['not there', () => join(folder, 'nowhere'), /is not there/],
    ['of broken JSON', () => broken('json', 'config.json', '{'), /is not JSON/],
    ['foreign', () => broken('foreign', 'config.json', '{"a":1}'), /not a config of this project/],
    ['impossible', () => broken('bad', 'config.json', JSON.stringify({ ...saved, config: { ...config, topK: 99 } })), /topK: got 99/],
    [
      'of another size',
      () => broken('size', 'config.json', JSON.stringify({ ...saved, config: { ...config, nLayer: 3 } })),
      /nLayer 2, the config says 3/,
    ],
    ['cut', () => broken('cut', 'model.safetensors', bytes.subarray(0, 5000)), CheckpointError],
  ])('one that is %s is refused', (_what, make, message) => expect(() => loadCheckpoint(make())).toThrow(message as RegExp))
})
