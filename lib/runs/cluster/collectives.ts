/**
 * Collectives: ops in which all processes meet, inside a graph or op by op. TensorFlow matches them by a number, the instance key; a key's
 * shape must never change, so that every function has keys of its own, which it counts from 0 each time that it is traced or run.
 */
import { customGradient } from '../../engine/tensor/custom-gradient'
import { type AttributeValue, op } from '../../engine/tensor/op'
import { type Tensor, tf } from '../../engine/tensor/tf'

/** Keys of one function. */
const keysPerFunction = 10_000
// A timeout would park a sleeping thread for each collective; lost processes are noticed by the coordination service.
const common = { communication_hint: 'auto', timeout_seconds: { float: 0 }, is_stateless: false, Nordering_token: 0 } as const

export class Collectives {
  private readonly bases = new Map<string, number>()
  private key = 0
  /**
   * Bytes that this process has sent to others since `begin`, of n processes: (n-1)/n of what it exchanges, all but its own entry, and
   * 2 (n-1)/n of what is averaged, which goes around a ring twice, a share of 1/n at a time: once to be summed, once to be handed out.
   */
  bytesSent = 0

  /** @param connected whether anything is sent; if not, a process gets back what it gives, so that a bench can measure what exchanges cost */
  constructor(
    readonly size: number,
    readonly index: number,
    private readonly connected = true,
  ) {}

  /** Starts a function of the given name; all processes start the same functions in the same order. */
  begin(name: string): void {
    const base = this.bases.get(name) ?? this.bases.size * keysPerFunction
    this.bases.set(name, base)
    this.key = base
    this.bytesSent = 0
  }

  private run(name: string, x: Tensor, rounds: number, attributes: Readonly<Record<string, AttributeValue>> = {}): Tensor {
    if (!this.connected) return op('Identity', [x], { T: { type: x.dtype } })
    this.bytesSent += (4 * x.size * rounds * (this.size - 1)) / this.size
    const [size, group, instance] = [this.size, 1, ++this.key].map((number) => tf.scalar(number, 'int32')) as [Tensor, Tensor, Tensor]
    return op(name, [x, size, group, instance], { T: { type: x.dtype }, ...common, ...attributes })
  }

  /** The mean over all processes, float32 of any shape; the same bits everywhere. */
  mean(x: Tensor): Tensor {
    return this.run('CollectiveReduceV2', x, 2, { merge_op: 'Add', final_op: 'Div', max_subdivs_per_device: -1 })
  }

  /** Entry i goes to process i, and entry j of the result came from process j; float32 or int32 [n, ...], without a gradient. */
  exchange(x: Tensor): Tensor {
    return this.run('CollectiveAllToAllV2', x, 1)
  }

  /** The same with its gradient, which travels back the same way. float32 [n, ...] */
  allToAll(x: Tensor): Tensor {
    return customGradient(
      [x],
      (x) => ({ value: this.exchange(x), save: [] }),
      (dy) => [this.exchange(dy)],
    )
  }

  /** What each process has: [...] -> [n, ...], without a gradient. */
  all(x: Tensor): Tensor {
    return this.exchange(tf.stack(Array.from({ length: this.size }, () => x)))
  }

  /** Rows of all processes, [N, F] -> [n N, F]; everybody computes the same from them, of which the average counts: see `BatchShare`. */
  gather(rows: Tensor): Tensor {
    const { size, index } = this
    const [N = 0, F = 1] = rows.shape
    return customGradient(
      [rows],
      (rows) => ({ value: tf.reshape(this.all(rows), [size * N, F]), save: [] }),
      (dy) => [tf.mul(tf.slice(dy, [index * N, 0], [N, F]), size)],
    )
  }
}
