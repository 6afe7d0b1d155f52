/** Weights of makeMoE.py as they come: saved through wrappers, in half precision, diverged. */
import { CharTokenizer, createStreams, importStateDict, presets, SparseMoELanguageModel, type StateDict, stateDictOf } from 'makemoe'
import { encodeSafetensors } from 'makemoe/dist/runs/safetensors'
import { expect, test } from 'vitest'

const tokenizer = CharTokenizer.fromText('abc')
const sizes = { nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, numExperts: 4 }
const model = new SparseMoELanguageModel({ ...presets.makemoe, ...sizes, vocabSize: 3 }, createStreams(1).init)
const state = stateDictOf(model)
const renamed = (prefix: string): StateDict => new Map([...state].map(([name, tensor]) => [prefix + name, tensor]))

test.each(['', '_orig_mod.', 'module.', 'module._orig_mod.', '_orig_mod.module.'])('the prefix "%s" is no part of a name', (prefix) => {
  const { model, config } = importStateDict(encodeSafetensors(renamed(prefix)), tokenizer)
  expect(config).toMatchObject(sizes)
  expect(stateDictOf(model)).toEqual(state)
})

test('another prefix is not guessed; weights that are not finite are refused', () => {
  expect(() => importStateDict(encodeSafetensors(renamed('net.')), tokenizer)).toThrow(/not a state_dict of makeMoE's model/)
  const [[name, tensor] = ['', undefined]] = state
  const spoiled = new Map([...state, [name, { shape: tensor?.shape ?? [], values: new Float32Array(24).fill(Number.NaN) }]] as const)
  expect(() => importStateDict(encodeSafetensors(spoiled), tokenizer)).toThrow(/the weights are of no use: .* has NaN at index 0/)
})
