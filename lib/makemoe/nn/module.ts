/**
 * Module: a piece of a model that finds its own parameters by dotted name, as PyTorch's nn.Module does. A parameter is a property that
 * holds a `tf.Variable`; a child is a property that holds a Module or an array of Modules. A module keeps no mode and no randomness:
 * those come with each call, in the context.
 */
import { at } from '../../base/assertions'
import { CheckpointError } from '../../base/errors'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import { nameErrors } from './error-path'

/** A named tensor in PyTorch's layout, as plain numbers. */
export interface StateTensor {
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/** Named tensors, in PyTorch's names and layouts. */
export type StateDict = Map<string, StateTensor>

/** A parameter and its dotted name. */
export type NamedParameter = readonly [name: string, parameter: Variable]

const isVariable = (value: unknown): value is Variable => value instanceof tf.Variable

/** A parameter that starts at the given value; the name is left to tfjs, so that a cell can be run twice. */
export function parameter(value: Tensor): Variable {
  const variable = tf.variable(value, true)
  value.dispose()
  return variable
}

/** A state that the optimizer leaves alone and checkpoints keep (PyTorch's buffer): it is assigned by its module. */
export function buffer(value: Tensor): Variable {
  const variable = tf.variable(value, false)
  value.dispose()
  return variable
}

const count = (parameters: number): string => parameters.toLocaleString('en-US')

/** Base class of everything with parameters. */
export abstract class Module {
  /** Properties whose name in a PyTorch state_dict differs from ours. */
  protected readonly stateNames: Readonly<Record<string, string>> = {}

  constructor() {
    nameErrors(this)
  }

  private *members(): Generator<[name: string, member: Variable | Module]> {
    for (const [name, value] of Object.entries(this)) {
      if (isVariable(value) || value instanceof Module) yield [name, value]
      else if (Array.isArray(value)) for (const [i, item] of value.entries()) if (item instanceof Module) yield [`${name}.${i}`, item]
    }
  }

  /** All parameters below this module, with their dotted names, in the order of definition. */
  namedParameters(prefix = ''): NamedParameter[] {
    return this.namedVariables(prefix).filter(([, variable]) => variable.trainable)
  }

  /** All parameters and buffers below this module, with their dotted names. */
  private namedVariables(prefix = ''): NamedParameter[] {
    return [...this.members()].flatMap(([name, member]) =>
      member instanceof Module ? member.namedVariables(`${prefix}${name}.`) : [[`${prefix}${name}`, member] as const],
    )
  }

  /** All parameters below this module. */
  parameters(): Variable[] {
    return this.namedParameters().map(([, variable]) => variable)
  }

  /** How many numbers this module learns. */
  parameterCount(): number {
    return this.parameters().reduce((sum, variable) => sum + variable.size, 0)
  }

  private stateName(name: string): string {
    const [property = '', ...rest] = name.split('.')
    return [this.stateNames[property] ?? property, ...rest].join('.')
  }

  /**
   * This module's parameters in PyTorch's names and layouts. Modules that store theirs another way override it, with `loadState`.
   * @param state is filled
   */
  saveState(state: StateDict, prefix = ''): void {
    for (const [name, member] of this.members()) {
      const stateName = `${prefix}${this.stateName(name)}`
      if (member instanceof Module) member.saveState(state, `${stateName}.`)
      else state.set(stateName, { shape: member.shape, values: Float32Array.from(member.dataSync()) })
    }
  }

  /**
   * Takes this module's parameters out of `state`; what is left in it at the end was not expected.
   * @throws CheckpointError if a tensor is missing or has another shape
   */
  loadState(state: StateDict, prefix = ''): void {
    for (const [name, member] of this.members()) {
      const stateName = `${prefix}${this.stateName(name)}`
      if (member instanceof Module) member.loadState(state, `${stateName}.`)
      else assignParameter(member, takeState(state, stateName, member.shape).values)
    }
  }

  /** Frees the parameters and buffers. */
  dispose(): void {
    for (const [, variable] of this.namedVariables()) variable.dispose()
  }

  /** The name under which this module holds a child, `experts.2`; undefined if it does not. */
  nameOf(child: object): string | undefined {
    for (const [name, member] of this.members()) if (member === child) return name
    return undefined
  }

  /** The tree of modules with their shapes and parameter counts, as text; equal neighbors of a list share a line. */
  describe(): string {
    return `${this.constructor.name} (${count(this.parameterCount())})${this.membersAsText('  ')}`
  }

  private membersAsText(indent: string): string {
    const lines: { name: string; text: string; last: string }[] = []
    for (const [name, member] of this.members()) {
      const text =
        member instanceof Module
          ? `${member.constructor.name} (${count(member.parameterCount())})${member.membersAsText(`${indent}  `)}`
          : `[${member.shape.join(', ')}]`
      const index = /\.(\d+)$/.exec(name)?.[1]
      const before = lines.at(-1)
      if (index !== undefined && Number(index) > 0 && before?.text === text) before.last = `-${index}`
      else lines.push({ name, text, last: '' })
    }
    return lines.map(({ name, text, last }) => `\n${indent}${name}${last}${text.startsWith('[') ? ' ' : ': '}${text}`).join('')
  }

  /** What Node and a notebook print. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.describe()
  }
}

/**
 * Takes one tensor out of a state_dict.
 * @throws CheckpointError if it is missing or has another shape
 */
export function takeState(state: StateDict, name: string, shape: readonly number[]): StateTensor {
  const found = state.get(name)
  if (!found) throw new CheckpointError(`the checkpoint has no tensor ${name}, expected one of shape [${shape.join(', ')}]`)
  if (found.shape.join() !== shape.join())
    throw new CheckpointError(`the checkpoint's ${name} has shape [${found.shape.join(', ')}], expected [${shape.join(', ')}]`)
  state.delete(name)
  return found
}

/** Gives a parameter new numbers, in its own layout. */
export function assignParameter(variable: Variable, values: Float32Array): void {
  tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)))
}

/** The transpose of a row-major matrix. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[c * rows + r] = at(values, r * columns + c)
  return result
}
