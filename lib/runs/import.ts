/** Weights that makeMoE.py's model saved, as a checkpoint. */

import { CheckpointError } from '../base/errors'
import { createStreams } from '../engine/tensor/streams'
import { type Config, validateConfig } from '../makemoe/config'
import { SparseMoELanguageModel } from '../makemoe/model/language-model'
import type { StateDict } from '../makemoe/nn/state-tensors'
import { presets } from '../makemoe/presets'
import type { CharTokenizer } from '../makemoe/text/char-tokenizer'
import { findNotFinite, loadStateDict, sizesOf } from '../makemoe/train/state-dict'
import type { Checkpoint } from './checkpoint'
import { decodeSafetensors } from './safetensors'

/**
 * A state_dict that was saved from makeMoE.py's model, as a checkpoint. Sizes come from the shapes; what the shapes do not show
 * comes from `options` and the `makemoe` preset.
 * @param bytes a safetensors file
 * @param tokenizer of the text that it was trained on
 * @throws CheckpointError if tensors are missing, left over, not finite, or of another vocabulary
 */
export function importStateDict(bytes: Uint8Array, tokenizer: CharTokenizer, options: Partial<Config> = {}): Checkpoint {
  const state = withoutPrefix(decodeSafetensors(bytes))
  const problem = findNotFinite(state)
  if (problem !== undefined) throw new CheckpointError(`the weights are of no use: ${problem}`)
  const { vocabSize, ...sizes } = sizesOf(state)
  if (vocabSize !== tokenizer.vocabSize)
    throw new CheckpointError(`the weights are for ${vocabSize} characters, the text has ${tokenizer.vocabSize}`)
  const config = validateConfig({ ...presets.makemoe, ...options, ...sizes })
  const model = new SparseMoELanguageModel({ ...config, vocabSize }, createStreams(config.seed).init)
  loadStateDict(model, state)
  return { model, tokenizer, config }
}

/** Without the prefixes of torch.compile (`_orig_mod.`) and of data parallelism (`module.`), in whatever order they were wrapped. */
function withoutPrefix(state: StateDict): StateDict {
  const prefix = /^((_orig_mod|module)\.)+/
  const [first = ''] = state.keys()
  if (!prefix.test(first)) return state
  return new Map([...state].map(([name, tensor]) => [name.replace(prefix, ''), tensor]))
}
