/** TensorFlow's numbers for data types (types.proto) and for kinds of attributes (c_api.h). */

/** Data types. */
export const dataType = { float32: 1, int32: 3, uint8: 4, int16: 5, string: 7, complex64: 8, int64: 9, bool: 10, resource: 20 } as const

/** The JavaScript array that holds the numbers of a data type; a complex number is two float32. */
export const arrayOfType = {
  [dataType.float32]: Float32Array,
  [dataType.int32]: Int32Array,
  [dataType.uint8]: Uint8Array,
  [dataType.int16]: Int16Array,
  [dataType.complex64]: Float32Array,
  [dataType.int64]: BigInt64Array,
  [dataType.bool]: Uint8Array,
} as const

/** Numbers as a graph keeps them. */
export type Numbers = Float32Array | Int32Array | Uint8Array

/** Bytes of one number of a data type. */
export const bytesOfType: Readonly<Record<number, number>> = {
  [dataType.float32]: 4,
  [dataType.int32]: 4,
  [dataType.uint8]: 1,
  [dataType.int16]: 2,
  [dataType.complex64]: 8,
  [dataType.int64]: 8,
  [dataType.bool]: 1,
}

/** The name of a data type, for messages. */
export const nameOfType = (type: number): string => Object.entries(dataType).find(([, value]) => value === type)?.[0] ?? `type ${type}`

/** Kinds of attributes. */
export const attributeType = { string: 0, int: 1, float: 2, bool: 3, type: 4, shape: 5 } as const

/** An attribute of an op, as tfjs-node gives it: a list has the kind of its entries. */
export interface OpAttribute {
  readonly name: string
  readonly type: number
  readonly value: unknown
}
