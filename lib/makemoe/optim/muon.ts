/**
 * Muon (Jordan 2024, "Muon: An optimizer for hidden layers in neural networks"): the momentum of a matrix is replaced by an orthogonal
 * matrix near it, so that all its directions move equally far. Everything that is no matrix of a hidden layer gets AdamW.
 *
 * As torch.optim.Muon, in float32 instead of bfloat16; its rows are our columns, since a weight is [in, out] here.
 */
import { at } from '../../base/assertions'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { NamedParameter } from '../nn/parameter'
import { AdamW } from './adamw'
import { type MakeOptimizer, Optimizer, type OptimizerOptions, zerosLike } from './optimizer'
import { ParameterGroups } from './parameter-groups'
import { roleOf } from './roles'

export interface MuonOptions extends OptimizerOptions {
  readonly momentum?: number
  /** Newton-Schulz steps in an update. */
  readonly newtonSchulzSteps?: number
}

/** Jordan's quintic: steepest at 0, so that small singular values grow fast; what it makes of them stays within about 0.7 and 1.2. */
const [a, b, c] = [3.4445, -4.775, 2.0315]

/**
 * The orthogonal factor of a matrix, roughly: $U V^T$ of $G = U S V^T$. $X_0 = G / \lVert G \rVert_F$, then
 * $X \leftarrow a X + (b A + c A^2) X$ with $A = X X^T$, in the smaller dimension (Jordan 2024; Bernstein & Newhouse 2024, 2409.20325).
 * @param matrix [..., rows, columns]; zeros stay zeros
 * @returns the same shape
 */
export function orthogonalized(matrix: Tensor, steps: number): Tensor {
  const [rows, columns] = [at(matrix.shape, matrix.rank - 2), at(matrix.shape, matrix.rank - 1)]
  const isTall = rows > columns
  const norm = tf.sqrt(tf.sum(tf.square(matrix), [-2, -1], true))
  let x = tf.div(matrix, tf.maximum(norm, 1e-7)) as Tensor
  for (let i = 0; i < steps; i++) {
    const gram = tf.matMul(x, x, isTall, !isTall)
    const polynomial = tf.add(tf.mul(gram, b), tf.mul(tf.matMul(gram, gram), c))
    x = tf.add(tf.mul(x, a), isTall ? tf.matMul(x, polynomial) : tf.matMul(polynomial, x))
  }
  return x
}

/** How many matrices lie side by side in a parameter: queries, keys and values are three. */
const matricesIn = (name: string): number => (/(^|\.)qkv$/.test(name) ? 3 : 1)

/** The update of a parameter: each of its matrices made orthogonal, times $\sqrt{\max(1, out / in)}$. */
function updateOf(name: string, momentum: Tensor, steps: number): Tensor {
  const axis = momentum.rank - 1
  const count = matricesIn(name)
  const matrices = count === 1 ? [momentum] : tf.split(momentum, count, axis)
  const updates = matrices.map((matrix) => {
    const [fanIn, fanOut] = [at(matrix.shape, axis - 1), at(matrix.shape, axis)]
    return tf.mul(orthogonalized(matrix, steps), Math.sqrt(Math.max(1, fanOut / fanIn)))
  })
  return updates.length === 1 ? at(updates, 0) : tf.concat(updates, axis)
}

/**
 * Muon for matrices [..., in, out]: $B \leftarrow \mu B + g$, $p \leftarrow p - \eta \lambda p - \eta \sqrt{\max(1, out / in)} \;
 * \mathrm{orthogonalized}(g + \mu B)$ (Jordan 2024). An expert that no token chose still moves along its momentum, at full length.
 */
export class Muon extends Optimizer {
  private readonly momenta: readonly NamedParameter[]
  private readonly options: Required<Omit<MuonOptions, 'learningRate'>>

  constructor(
    private readonly parameters: readonly NamedParameter[],
    { learningRate = 0.02, weightDecay = 0.01, momentum = 0.95, newtonSchulzSteps = 5 }: MuonOptions = {},
  ) {
    super(learningRate)
    this.options = { weightDecay, momentum, newtonSchulzSteps }
    this.momenta = zerosLike('momentum', parameters)
  }

  apply(gradients: readonly Tensor[]): void {
    const { weightDecay, momentum, newtonSchulzSteps } = this.options
    tf.tidy(() => {
      const keep = tf.sub(1, tf.mul(this.learningRate, weightDecay))
      for (const [i, [name, parameter]] of this.parameters.entries()) {
        const [gradient, buffer] = [at(gradients, i), at(this.momenta, i)[1]]
        const moved = tf.add(tf.mul(buffer, momentum), gradient)
        buffer.assign(moved)
        const update = updateOf(name, tf.add(gradient, tf.mul(moved, momentum)), newtonSchulzSteps)
        parameter.assign(tf.sub(tf.mul(parameter, keep), tf.mul(this.learningRate, update)))
      }
    })
  }

  state(): readonly NamedParameter[] {
    return this.momenta
  }
}

/** Muon's learning rate as a multiple of AdamW's: an orthogonal update has entries near 1 / sqrt(size), AdamW's near 1. */
const muonMultiple = 8

/** Muon for the matrices of attention and experts, AdamW for embeddings, head, router, biases and gains. */
export const muon: MakeOptimizer = (parameters, options) =>
  new ParameterGroups(
    parameters,
    [
      {
        name: 'muon',
        has: (parameter) => roleOf(parameter) === 'matrices',
        multiple: muonMultiple,
        make: (own, { weightDecay = 0 }) => new Muon(own, { weightDecay }),
      },
      { name: 'adamw', has: () => true, multiple: 1, make: (own, { weightDecay = 0 }) => new AdamW(own, { weightDecay }) },
    ],
    options,
  )
