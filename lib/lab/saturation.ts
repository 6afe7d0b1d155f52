/**
 * Saturation over a run: how many of the final choices of experts each of its checkpoints makes already (Muennighoff et al. 2024, OLMoE,
 * section 5.1). The checkpoints are loaded one after the other into the model, which gets its own weights back.
 */
import { CheckpointError } from '../base/errors'
import { type HasWeights, loadStateDict, stateDictOf } from '../makemoe/train/state-dict'
import { loadWeights } from '../runs/checkpoint'
import { checkpointsOf } from '../runs/run-folder'
import type { SaturationPoint } from '../show/inspection/contents'
import { type Choices, saturation } from './analysis'

/**
 * @param folder of the run
 * @param choose the choices of every layer on some text, by the model with the weights that it has
 * @returns a point for each checkpoint that is kept, oldest first
 * @throws CheckpointError if one is damaged or of another model
 */
export async function saturationOverRun(model: HasWeights, folder: string, choose: () => Promise<Choices[]>): Promise<SaturationPoint[]> {
  const checkpoints = checkpointsOf(folder)
  if (checkpoints.length === 0) return []
  const finalWeights = stateDictOf(model)
  const final = await choose()
  const points: SaturationPoint[] = []
  try {
    for (const { step, path } of checkpoints) {
      loadNamed(path, model)
      const early = await choose()
      points.push({ step, shares: final.map((choices, layer) => saturation(early[layer] ?? noChoices(path, layer), choices)) })
    }
  } finally {
    loadStateDict(model, finalWeights)
  }
  return points
}

/** Loads weights; an error says which checkpoint of the run it is about. */
function loadNamed(path: string, model: HasWeights): void {
  try {
    loadWeights(path, model)
  } catch (error) {
    throw error instanceof CheckpointError ? new CheckpointError(`${path}: ${error.message}`) : error
  }
}

function noChoices(path: string, layer: number): never {
  throw new CheckpointError(`${path}: layer ${layer} reported no choices`)
}
