/**
 * The team: what the trainer and the model need of several processes. Every process draws the whole batch's offsets, dropout and routing
 * noise from the one seed and takes its share, so that it trains on what one process would. Capacity counts within a share, as in GShard
 * and Switch: an expert serves at most factor * K / E of the pairs of each process.
 */
import { at, valueAt } from '../../base/assertions'
import { ConfigError, TrainingError } from '../../base/errors'
import { compile } from '../../engine/graph/compile'
import { op } from '../../engine/tensor/op'
import type { Streams } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { SparseMoELanguageModel } from '../../makemoe/model/language-model'
import { type BatchShare, wholeBatch } from '../../makemoe/moe/batch-share'
import { SparseMoE } from '../../makemoe/moe/sparse-moe'
import { assignParameter, type NamedParameter } from '../../makemoe/nn/parameter'
import type { StateDict } from '../../makemoe/nn/state-tensors'
import type { Dataset } from '../../makemoe/text/dataset'
import { partOfStreams } from '../../makemoe/train/part-of-draws'
import type { Team } from '../../makemoe/train/team'
import { Collectives } from './collectives'
import { expertExchange } from './expert-exchange'
import type { Member, Parallelism } from './member'
import { gatherRouting } from './whole-batch'

/** Gradients travel in about this many messages: fewer, larger messages are faster. */
const buckets = 4
/** Steps between comparisons of the weights. */
const compareEvery = 100

const expertName = /\bexperts\.(\d+)\./

/** A dataset whose batches are this process's share of the whole ones: consecutive sequences. */
export function shareOfDataset(dataset: Dataset, { hosts, index }: Member): Dataset {
  const share: Dataset = Object.create(dataset)
  share.randomBatch = (split, batchSize, stream) => {
    const offsets = stream.integers([batchSize], 0, dataset.splits[split].length - dataset.blockSize)
    const own = batchSize / hosts.length
    const batch = dataset.batchAt(split, offsets.dataSync().slice(index * own, (index + 1) * own))
    offsets.dispose()
    return batch
  }
  return share
}

/**
 * Streams whose dropout and noise are this process's share of what one process would draw.
 * @param tokens in this process's share of a batch
 */
export function shareOfStreams(streams: Streams, { hosts, index }: Member, tokens: number): Streams {
  return partOfStreams(streams, hosts.length, tokens, (whole, axis, size) => {
    const begin = whole.shape.map((_, along) => (along === axis ? size * index : 0))
    const shape = whole.shape.map((all, along) => (along === axis ? size : all))
    return tf.slice(whole, begin, shape)
  })
}

/** The processes as one of them sees them. */
export class ClusterTeam implements Team {
  readonly size: number
  readonly share: BatchShare
  /** Experts of each layer that this process owns: from `first` on, `owned` of them; all, if none are dealt out. */
  private readonly first: number
  private readonly owned: number
  private readonly index: number
  private readonly collectives: Collectives
  private readonly stop = tf.tidy(() => tf.variable(tf.scalar(0), false))
  private names: string[] = []
  /** Whether the processes have agreed to stop. */
  private stopping = false
  private readonly checksum: () => Tensor

  /**
   * @param connected false: as one process of a team that sends nothing, see `Collectives`
   * @throws ConfigError if a layer's experts cannot be dealt out
   */
  constructor(
    private readonly model: SparseMoELanguageModel,
    { hosts, index }: Member,
    private readonly parallel: Parallelism,
    connected = true,
  ) {
    this.size = hosts.length
    this.index = index
    this.collectives = new Collectives(this.size, index, connected)
    const { numExperts } = model.config
    this.owned = parallel === 'experts' ? numExperts / this.size : numExperts
    this.first = parallel === 'experts' ? index * this.owned : 0
    if (parallel === 'experts' && !model.blocks.every(({ moe }) => moe instanceof SparseMoE && moe.experts.length === numExperts))
      throw new ConfigError('parallel: got experts with a mixture of your own, expected data')
    this.share = {
      serve: parallel === 'experts' ? expertExchange(this.collectives, numExperts) : wholeBatch.serve,
      routingOfBatch: (routing) => gatherRouting(this.collectives, routing),
    }
    const replicated = model.namedParameters().filter(([name]) => this.isReplicated(name))
    this.checksum = compile(() => {
      this.begin('checksum')
      return tf.tidy(() => this.collectives.all(tf.stack(replicated.map(([, parameter]) => bitsOf(parameter)))))
    })
  }

  begin(name: string): void {
    this.collectives.begin(name)
  }

  /** Bytes that this process sends in the function that was traced, or run op by op, last. */
  get bytesSent(): number {
    return this.collectives.bytesSent
  }

  private isReplicated(name: string): boolean {
    return this.parallel === 'data' || !expertName.test(name)
  }

  /** Whether this process has a parameter, or what the optimizer keeps for one. */
  private has(name: string): boolean {
    const expert = Number(expertName.exec(name)?.[1] ?? this.first)
    return this.isReplicated(name) || (expert >= this.first && expert < this.first + this.owned)
  }

  trained(parameters: readonly NamedParameter[]): NamedParameter[] {
    const own = parameters.filter(([name]) => this.has(name))
    this.names = own.map(([name]) => name)
    return own
  }

  gradients(gradients: readonly Tensor[]): Tensor[] {
    const replicated = gradients.filter((_, i) => this.isReplicated(at(this.names, i)))
    const means = this.bucketMeans([...replicated].reverse()).reverse() // the last layers' are ready first
    // The exchange has summed what the losses of all processes say of an expert; the batch's loss is their mean.
    return gradients.map((gradient, i) => (this.isReplicated(at(this.names, i)) ? means.shift() : undefined) ?? tf.div(gradient, this.size))
  }

  private bucketMeans(tensors: readonly Tensor[]): Tensor[] {
    const most = tensors.reduce((sum, { size }) => sum + size, 0) / buckets
    const pieces: Tensor[][] = [[]]
    let size = 0
    for (const tensor of tensors) {
      if (size >= most) {
        pieces.push([])
        size = 0
      }
      pieces.at(-1)?.push(tensor)
      size += tensor.size
    }
    return pieces.flatMap((piece) => this.meansOf(piece))
  }

  /** Means over the processes, in one message. */
  private meansOf(tensors: readonly Tensor[]): Tensor[] {
    const joined = this.collectives.mean(tf.concat(tensors.map((tensor) => tf.reshape(tf.cast(tensor, 'float32'), [-1]))))
    const parts = tf.split(
      joined,
      tensors.map(({ size }) => size),
    )
    return parts.map((part, i) => tf.reshape(part, at(tensors, i).shape))
  }

  norm(gradients: readonly Tensor[]): Tensor {
    const squares = (replicated: boolean): Tensor =>
      tf.addN([
        tf.scalar(0),
        ...gradients.filter((_, i) => this.isReplicated(at(this.names, i)) === replicated).map((gradient) => tf.sum(tf.square(gradient))),
      ])
    const [experts = squares(false)] = this.meansOf([squares(false)])
    return tf.sqrt(tf.add(squares(true), tf.mul(experts, this.size)))
  }

  means(values: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    const all = { ...values, stop: this.stop }
    const means = this.meansOf(Object.values(all))
    return Object.fromEntries(Object.keys(all).map((name, i) => [name, at(means, i)]))
  }

  agreed({ stop = 0, ...numbers }: Readonly<Record<string, number>>): Record<string, number> {
    this.stopping = stop > 0
    return numbers
  }

  stops(): boolean {
    return this.stopping
  }

  requestStop(asked: boolean): void {
    tf.tidy(() => this.stop.assign(tf.scalar(asked ? 1 : 0)))
  }

  gather(optimizer: StateDict): StateDict {
    const parameters = this.model.namedParameters()
    const weights: StateDict = new Map()
    for (const [name, parameter] of parameters)
      if (this.has(name)) weights.set(name, { shape: parameter.shape, values: Float32Array.from(parameter.dataSync()) })
    const all = this.gatherState('weights', weights)
    for (const [name, parameter] of parameters) if (!this.has(name)) assignParameter(parameter, valueAt(all, name).values)
    return this.gatherState('optimizer', optimizer)
  }

  /** The entries of all processes: those of one's own experts, and in their place those of the others'. */
  private gatherState(what: string, state: StateDict): StateDict {
    const dealt = [...state].filter(([name]) => !this.isReplicated(name))
    if (dealt.length === 0) return state
    this.begin(`gathering ${what}`)
    const whole = new Map(state)
    const values = tf.tidy(() => this.collectives.all(tf.concat(dealt.map(([, entry]) => tf.tensor1d(entry.values)))).dataSync())
    let offset = 0
    for (let process = 0; process < this.size; process++)
      for (const [name, { shape, values: own }] of dealt) {
        const theirs = name.replace(expertName, (_, expert) => `experts.${Number(expert) + (process - this.index) * this.owned}.`)
        whole.set(theirs, { shape, values: Float32Array.from(values.subarray(offset, offset + own.length)) })
        offset += own.length
      }
    return whole
  }

  own(optimizer: StateDict): StateDict {
    return new Map([...optimizer].filter(([name]) => this.has(name)))
  }

  compareWeights(step: number): void {
    if (step % compareEvery !== 0) return
    const sums = this.checksum()
    const values = sums.dataSync()
    sums.dispose()
    const each = values.length / this.size
    for (let i = each; i < values.length; i++)
      if (values[i] !== values[i % each])
        throw new TrainingError(
          `after step ${step} worker ${Math.floor(i / each)} has other weights than worker 0, which must be identical`,
        )
  }
}

/** The sum of a tensor's bits as integers, modulo 2^32: int32 scalar. */
const bitsOf = (x: Tensor): Tensor => tf.sum(op('Bitcast', [x], { T: { type: 'float32' }, type: { type: 'int32' } }))
