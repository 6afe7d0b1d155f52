/** A tensor printed by Node or at the end of a notebook's cell: its type, its shape and its first numbers. */
import type { tf } from './runtime'

const shown = 6

/** Numbers as nested rows, a few of each axis. */
function rows(values: ArrayLike<number>, shape: readonly number[], at = 0): string {
  const [size, ...rest] = shape
  if (size === undefined) return Number.isInteger(values[at]) ? String(values[at]) : (values[at] ?? Number.NaN).toPrecision(4)
  const step = rest.reduce((product, n) => product * n, 1)
  const items = Array.from({ length: Math.min(size, shown) }, (_, i) => rows(values, rest, at + i * step))
  if (size > shown) items.push('...')
  return `[${items.join(', ')}]`
}

/** Teaches tfjs's tensors to print themselves. */
export function printTensors({ Tensor }: typeof tf): void {
  Object.defineProperty(Tensor.prototype, Symbol.for('nodejs.util.inspect.custom'), {
    configurable: true,
    value(this: InstanceType<typeof Tensor>): string {
      const head = `Tensor ${this.dtype} [${this.shape.join(', ')}]`
      if (this.isDisposed) return `${head} (disposed of)`
      try {
        return `${head} ${rows(this.dataSync(), this.shape)}`
      } catch {
        return head // inside a trace there are no numbers yet
      }
    },
  })
}
