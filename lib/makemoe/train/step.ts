/**
 * One training step: the objective, its gradients, the update. The objective is the language model's loss and whatever auxiliary losses its
 * parts added on the way (`ctx.addLoss`). Plain tensors in, tensors out, so that it can be compiled as it is.
 */
import { ShapeError } from '../../base/errors'
import { readsStateOf } from '../../engine/graph/javascript-state'
import { op } from '../../engine/tensor/op'
import type { Streams } from '../../engine/tensor/streams'
import { type Scalar, type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import type { Context } from '../nn/context'
import type { NamedParameter } from '../nn/module'
import type { Optimizer } from '../optim/optimizer'
import type { Team } from './team'

/** The loss of a batch; x and y int32 [B, T]. */
export type Loss = (x: Tensor, y: Tensor) => Tensor

/** What training needs of a model; lib's language model is one, a notebook's own is another. */
export interface Trainable {
  /** The mean cross-entropy, a scalar in nats, without auxiliary losses; x and y int32 [B, T]. */
  loss(x: Tensor, y: Tensor, ctx: Context): Tensor
  namedParameters(): readonly NamedParameter[]
  /** Whether the loss of a batch is the mean of its rows' losses; a model without it is taken to be dependent. */
  rowsAreIndependent?(training: boolean): boolean
}

/**
 * The gradients of a loss by the given parameters, in their order. A parameter that the loss does not reach gets zeros; PyTorch would leave
 * it out of the update, weight decay included.
 */
export function gradientsOf(loss: () => Tensor, parameters: readonly Variable[]): { loss: Tensor; gradients: Tensor[] } {
  const { value, grads } = tf.variableGrads(() => loss() as Scalar, [...parameters])
  return { loss: value, gradients: parameters.map((parameter) => grads[parameter.name] ?? tf.zerosLike(parameter)) }
}

/**
 * What a step tells, by name: `loss`; with auxiliary losses `loss/<name>`, summed over the layers, and `objective`, the sum of all;
 * from a reporting step `gradient_norm` and what the parts reported. Scalars and vectors, to be disposed of.
 */
export type StepResult = Readonly<Record<string, Tensor>>

export type TrainStep = (x: Tensor, y: Tensor) => StepResult

/** Copies of tensors by name, which outlive the forward pass that tidies up behind itself; what a part gave stays its own. */
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

/**
 * A step that trains a model.
 * @param reporting whether it also tells the gradient's norm and what the parts report; the training is the same to the bit
 * @param team the processes that train the model together, if there are several; x and y are then this one's share of the batch
 */
export function makeTrainStep(model: Trainable, optimizer: Optimizer, streams: Streams, reporting = false, team?: Team): TrainStep {
  const named = model.namedParameters()
  const parameters = (team?.trained(named) ?? named).map(([, variable]) => variable)
  function step(x: Tensor, y: Tensor): StepResult {
    team?.begin(reporting ? 'reporting step' : 'step')
    return tf.tidy(() => {
      const losses = new Collected('', 0)
      const reports = new Collected('report ', 1)
      const ctx: Context = {
        training: true,
        streams,
        addLoss: (name, value) => losses.add(`loss/${name}`, value),
        ...(reporting ? { report: reports.add } : {}),
        ...(team ? { share: team.share } : {}),
      }
      const { loss: objective, gradients: own } = gradientsOf(() => {
        losses.add('loss', model.loss(x, y, ctx))
        return tf.addN(losses.all())
      }, parameters)
      const gradients = team?.gradients(own) ?? own
      optimizer.apply(gradients)
      const result: Record<string, Tensor> = {}
      for (const [name, values] of losses.byName) result[name] = tf.addN(values)
      if (losses.byName.size > 1) result.objective = objective
      if (reporting) {
        result.gradient_norm = team?.norm(gradients) ?? norm(gradients)
        for (const [name, values] of reports.byName) result[name] = mean(values)
      }
      const told = team?.means(result) ?? result
      tf.dispose([...losses.all(), ...reports.all()])
      return told
    })
  }
  return readsStateOf(step, model, optimizer)
}

/** The root of the sum of all squares; a scalar. */
const norm = (tensors: readonly Tensor[]): Tensor => tf.sqrt(tf.mul(2, tf.addN(tensors.map((tensor) => op('L2Loss', [tensor])))))

/** What one part reported several times in a step counts as its mean. */
const mean = (values: readonly Tensor[]): Tensor => tf.div(tf.addN(values.map((value) => tf.cast(value, 'float32'))), values.length)
