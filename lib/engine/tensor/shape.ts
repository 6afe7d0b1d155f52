/** Sizes of tensors, checked: a shape is a list of unknown length to TypeScript. */
import { at } from '../../base/assertions'
import { ShapeError } from '../../base/errors'
import type { Tensor } from './tf'

/** The size of the last axis. @throws ShapeError for a scalar */
export function lastSize(x: Tensor): number {
  const size = x.shape[x.rank - 1]
  if (size === undefined) throw new ShapeError('got a scalar, expected a tensor with at least one axis')
  return size
}

/** The sizes of a matrix. @throws ShapeError if x is not a matrix */
export function matrixShape(x: Tensor, what: string): readonly [rows: number, columns: number] {
  const [rows, columns] = x.shape
  if (x.rank !== 2 || rows === undefined || columns === undefined)
    throw new ShapeError(`${what}: got shape [${x.shape.join(', ')}], expected two axes`)
  return [rows, columns]
}

/** The sizes of three axes. @throws RangeError if there are fewer */
export const shape3 = ({ shape }: Tensor): [number, number, number] => [at(shape, 0), at(shape, 1), at(shape, 2)]

/** The sizes of four axes. @throws RangeError if there are fewer */
export const shape4 = ({ shape }: Tensor): [number, number, number, number] => [at(shape, 0), at(shape, 1), at(shape, 2), at(shape, 3)]
