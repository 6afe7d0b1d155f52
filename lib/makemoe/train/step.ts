/**
 * One training step: the objective, its gradients, the update. The objective is the language model's loss and whatever auxiliary losses its
 * parts added on the way (`ctx.addLoss`). Plain tensors in, tensors out, so that it can be compiled as it is.
 */
import { ShapeError } from '../../base/errors'
import { readsStateOf } from '../../engine/graph/javascript-state'
import type { Streams } from '../../engine/tensor/streams'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import type { MixtureContext } from '../moe/context'
import { explainErrors } from '../nn/error-path'
import type { NamedParameter } from '../nn/parameter'
import type { Optimizer } from '../optim/optimizer'
import { clipped, gradientsOf } from './gradients'
import { alone, type Team } from './team'
import { nameUnlisted } from './unlisted'

/** The loss of a batch; x and y int32 [B, T]. */
export type Loss = (x: Tensor, y: Tensor) => Tensor

/** What training needs of a model; lib's language model is one, a notebook's own is another. */
export interface Trainable {
  /** The mean cross-entropy, a scalar in nats, without auxiliary losses; x and y int32 [B, T]. */
  loss(x: Tensor, y: Tensor, ctx: MixtureContext): Tensor
  namedParameters(): readonly NamedParameter[]
  /** Whether the loss of a batch is the mean of its rows' losses; a model without it is taken to be dependent. */
  rowsAreIndependent?(training: boolean): boolean
}

/**
 * What a step reports, by name: `loss`; with auxiliary losses `loss/<name>`, summed over the layers, and `objective`, the sum of all;
 * from a reporting step `gradient_norm` and what the parts reported. Scalars and vectors, to be disposed of.
 */
export type StepResult = Readonly<Record<string, Tensor>>

export type TrainStep = (x: Tensor, y: Tensor) => StepResult

/** Copies of tensors by name that survive the pass's tf.tidy; the originals stay with their part. */
class Collected {
  readonly byName = new Map<string, Tensor[]>()

  constructor(
    private readonly what: string,
    private readonly maxRank: number,
  ) {}

  readonly add = (name: string, value: Tensor): void => {
    if (value.rank > this.maxRank)
      throw new ShapeError(`${this.what}${name}: got shape [${value.shape}], expected a scalar${this.maxRank > 0 ? ' or a vector' : ''}`)
    this.byName.set(name, [...(this.byName.get(name) ?? []), tf.keep(tf.clone(value))])
  }

  all(): Tensor[] {
    return [...this.byName.values()].flat()
  }
}

/** What all steps of one training have in common. */
export interface StepOptions {
  /** Whether the step also reports the gradient's norm and what the parts report; the training is the same to the bit. */
  readonly reporting?: boolean
  /** The processes that train the model together; x and y are then this one's share of the batch. Default: `alone`. */
  readonly team?: Team
  /** The gradient is scaled down to this norm where it is longer; absent: never. */
  readonly clipNorm?: number | undefined
  /** Called with the names of parameters that the loss does not reach. */
  readonly onUnreached?: (names: readonly string[]) => void
}

/** A forward and a backward pass: what it reports (no norm yet), and the gradients by the parameters. */
export function makePass(
  model: Trainable,
  parameters: readonly NamedParameter[],
  streams: Streams,
  { reporting = false, team = alone, onUnreached }: StepOptions,
): (x: Tensor, y: Tensor) => { readonly result: StepResult; readonly gradients: readonly Tensor[] } {
  const variables: Variable[] = parameters.map(([, variable]) => variable)
  const nameUnreached = (positions: readonly number[]): void => onUnreached?.(positions.flatMap((i) => parameters[i]?.[0] ?? []))
  return function pass(x, y) {
    const losses = new Collected('', 0)
    const reports = new Collected('report ', 1)
    const ctx: MixtureContext = {
      training: true,
      streams,
      addLoss: (name, value) => losses.add(`loss/${name}`, value),
      ...(reporting ? { report: reports.add } : {}),
      share: team.share,
    }
    const objectiveOf = (): Tensor => {
      losses.add('loss', model.loss(x, y, ctx))
      const objective = tf.addN(losses.all())
      nameUnlisted(model, objective)
      return objective
    }
    try {
      const { loss: objective, gradients } = explainErrors(model, () => gradientsOf(objectiveOf, variables, nameUnreached))
      const result: Record<string, Tensor> = {}
      for (const [name, values] of losses.byName) result[name] = tf.addN(values)
      if (losses.byName.size > 1) result.objective = objective
      for (const [name, values] of reports.byName) result[name] = mean(values)
      return { result, gradients }
    } finally {
      tf.dispose([...losses.all(), ...reports.all()])
    }
  }
}

/** The rest of a step: what the processes exchange, and the update. */
export function makeUpdate(
  optimizer: Optimizer,
  { reporting = false, team = alone, clipNorm }: StepOptions,
): (gradients: readonly Tensor[], result: StepResult) => StepResult {
  return function update(own, result) {
    const gradients = team.gradients(own)
    const norm = reporting || clipNorm !== undefined ? team.norm(gradients) : undefined
    optimizer.apply(norm && clipNorm !== undefined ? clipped(gradients, norm, clipNorm) : gradients)
    return team.means({ ...result, ...(reporting && norm ? { gradient_norm: norm } : {}) })
  }
}

/** A step that trains a model on a batch. */
export function makeTrainStep(model: Trainable, optimizer: Optimizer, streams: Streams, options: StepOptions = {}): TrainStep {
  const { reporting = false, team = alone } = options
  const pass = makePass(model, team.trained(model.namedParameters()), streams, options)
  const update = makeUpdate(optimizer, options)
  function step(x: Tensor, y: Tensor): StepResult {
    team.begin(reporting ? 'reporting step' : 'step')
    return tf.tidy(() => {
      const { result, gradients } = pass(x, y)
      return update(gradients, result)
    })
  }
  return readsStateOf(step, model, optimizer)
}

/** What one part reported several times in a step counts as its mean. */
const mean = (values: readonly Tensor[]): Tensor => tf.div(tf.addN(values.map((value) => tf.cast(value, 'float32'))), values.length)
