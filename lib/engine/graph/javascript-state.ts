/**
 * JavaScript state that a traced function reads: plain numbers, strings, lists and references in the objects that it works on (a model, an
 * optimizer). A graph runs without JavaScript, so that such state would stand still in it. What cannot be seen: private #fields, variables
 * of a closure, symbol keys, numbers in typed arrays and in plain arrays of more than 1,000 numbers, and all behind the first 100,000 fields.
 */
import { type Tensor, tf } from '../tensor/tf'

/** A value that an object holds. */
interface Field {
  readonly owner: object
  readonly key: unknown
  readonly value: unknown
  readonly path: string
}

/** A field that is not what it was. */
export interface Change {
  /** `Halving.calls` */
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

const ownersOf = new WeakMap<object, readonly object[]>()

/**
 * Says which objects a function works on, so that `compile` notices when their JavaScript state changes.
 * @returns the same function
 */
export function readsStateOf<F extends object>(fn: F, ...owners: readonly object[]): F {
  ownersOf.set(fn, owners)
  return fn
}

const longList = 1000
/** No more fields than this are looked at. */
const mostFields = 100_000

const isTensor = (value: unknown): value is Tensor => value instanceof tf.Tensor
const isVariable = (value: unknown): boolean => value instanceof tf.Variable
/** What decides. A tensor does if the trace has it as a constant; one that a forward pass leaves behind for a look does not. */
const stateOf = (value: unknown, constants: ReadonlySet<object>): unknown =>
  isTensor(value) && !isVariable(value) && !constants.has(value.dataId) ? undefined : value

/** In place of a key: how many fields an object has. */
const fieldCount = Symbol('fields')

function* entriesOf(owner: object): Generator<readonly [key: unknown, value: unknown]> {
  if (owner instanceof Map || owner instanceof Set) yield ['size', owner.size]
  if (owner instanceof Map) yield* owner
  else if (owner instanceof Set) yield* [...owner].entries()
  else if (Array.isArray(owner)) {
    yield ['length', owner.length]
    if (owner.length <= longList) yield* owner.entries()
  } else {
    for (const [key, field] of Object.entries(Object.getOwnPropertyDescriptors(owner))) if ('value' in field) yield [key, field.value]
    yield [fieldCount, Object.keys(owner).length]
  }
}

/** What a field holds now. What a Set holds has no key, and counts as unchanged. */
const read = ({ owner, key, value }: Field): unknown => {
  if (key === fieldCount) return Object.keys(owner).length
  if (owner instanceof Set) return key === 'size' ? owner.size : value
  if (owner instanceof Map && key !== 'size') return owner.get(key)
  return (owner as Record<string, unknown>)[key as string] // from entriesOf
}

function fieldsOf(owners: readonly object[]): Field[] {
  const fields: Field[] = []
  const seen = new Set<object>()
  const visit = (owner: object, path: string): void => {
    if (seen.has(owner) || ArrayBuffer.isView(owner)) return
    seen.add(owner)
    for (const [key, value] of entriesOf(owner)) {
      if (fields.length >= mostFields) return
      const field = { owner, key, value, path: `${path}.${key === fieldCount ? '(number of fields)' : String(key)}` }
      fields.push(field)
      if (typeof value === 'object' && value !== null && !isTensor(value)) visit(value, field.path)
    }
  }
  for (const owner of owners) visit(owner, owner.constructor.name)
  return fields
}

/** Whether two values mean the same: containers and functions are made anew now and then, and what containers hold is compared by itself. */
function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a === 'function') return typeof b === 'function'
  return typeof a === 'object' && typeof b === 'object' && a !== null && b !== null && !isTensor(a) && a.constructor === b.constructor
}

function firstChange(before: readonly Field[], after: readonly Field[], constants: ReadonlySet<object>): Change | undefined {
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    const [old, now] = [before[i], after[i]]
    if (old && old.path === now?.path && isSame(stateOf(old.value, constants), stateOf(now.value, constants))) continue
    if (old && now && old.path !== now.path) {
      // A field came or went.
      const came = !before.some(({ path }) => path === now.path)
      return came ? { path: now.path, before: undefined, after: now.value } : { path: old.path, before: old.value, after: undefined }
    }
    return { path: (now ?? old)?.path ?? '', before: old?.value, after: now?.value }
  }
  return undefined
}

/** The state of the objects that a function works on, at one time. */
export class StateSnapshot {
  private fields: readonly Field[]
  private readonly owners: readonly object[]
  /** Data of tensors that the trace has as constants. */
  private constants: ReadonlySet<object> = new Set()

  constructor(fn: object) {
    this.owners = ownersOf.get(fn) ?? []
    this.fields = fieldsOf(this.owners)
  }

  /** From now on a tensor that replaces one of these is a change. */
  watch(constants: ReadonlySet<object>): void {
    this.constants = constants
  }

  private isReplaced(field: Field): boolean {
    const now = read(field)
    return now !== field.value && !Object.is(stateOf(now, this.constants), stateOf(field.value, this.constants)) // the first, nearly always
  }

  /** What has changed since; functions that replaced others count where nothing was traced in between. */
  change(): Change | undefined {
    const replaced = this.fields.find((field) => this.isReplaced(field))
    if (!replaced) return undefined
    if (typeof replaced.value === 'function') return { path: replaced.path, before: replaced.value, after: read(replaced) }
    const now = fieldsOf(this.owners)
    const change = firstChange(this.fields, now, this.constants)
    if (!change) this.fields = now
    return change
  }

  /** What has changed since, apart from functions made anew; fields that came are seen too. */
  changeWhileTracing(): Change | undefined {
    const now = fieldsOf(this.owners)
    const change = firstChange(this.fields, now, new Set())
    this.fields = now
    return change
  }
}

/** A changed value for a message. */
export function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'an object'
  return typeof value === 'function' ? `the function ${value.name}` : String(value)
}
