/**
 * Module: a piece of a model that finds its own parameters by dotted name, as PyTorch's nn.Module does. A parameter is a property that
 * holds a `tf.Variable`; a child is a property that holds a Module; arrays of either count too (PyTorch's ParameterList, ModuleList). What
 * stands in two places is one parameter. A module keeps no mode and no randomness: those come with each call, in the context.
 */
import { ConfigError } from '../../base/errors'
import { RandomStream } from '../../engine/tensor/streams'
import type { Variable } from '../../engine/tensor/tf'
import { inContainers } from './containers'
import { assignParameter, isVariable, type NamedParameter, numbersOf } from './parameter'
import { completeNames, type StateDict, takeState } from './state-tensors'

/** A parameter or child, and the name under which a module holds it. */
type Member = [name: string, member: Variable | Module]

function* membersOf(name: string, value: unknown): Generator<Member> {
  if (isVariable(value) || value instanceof Module) yield [name, value]
  else if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* membersOf(`${name}.${i}`, item)
}

const count = (parameters: number): string => parameters.toLocaleString('en-US')

/** Base class of everything with parameters. */
export abstract class Module {
  /** Properties whose name in a PyTorch state_dict differs from ours. */
  protected readonly stateNames: Readonly<Record<string, string>> = {}

  /** The module whose parameters and children are this one's, under the same names; another one where this is a wrapper. */
  protected get wrapped(): Module {
    return this
  }

  private *members(): Generator<Member> {
    for (const [name, value] of Object.entries(this.wrapped)) yield* membersOf(name, value)
  }

  /**
   * All parameters below this module, with their dotted names, in the order of definition; a shared one once, under its first name.
   * @throws ConfigError if a Map, a Set or a plain object holds one that no property and no array holds, or a module has a stream of its own
   */
  namedParameters(prefix = ''): NamedParameter[] {
    this.refuseHidden()
    return this.namedVariables(prefix).filter(([, variable]) => variable.trainable)
  }

  /** All parameters and buffers below this module, each once. */
  private namedVariables(prefix = '', seen = new Set<Module | Variable>()): NamedParameter[] {
    if (seen.has(this)) return []
    seen.add(this)
    const named: NamedParameter[] = []
    for (const [name, member] of this.members()) {
      if (member instanceof Module) named.push(...member.namedVariables(`${prefix}${name}.`, seen))
      else if (!seen.has(member)) named.push([`${prefix}${name}`, member])
      seen.add(member)
    }
    return named
  }

  /** This module and all below it by name, each once; a wrapper and what it wraps have one name. */
  *namedModules(name = '', seen = new Set<Module>()): Generator<[name: string, module: Module]> {
    if (seen.has(this)) return
    seen.add(this)
    yield [name, this]
    if (this.wrapped !== this) return yield* this.wrapped.namedModules(name, seen)
    for (const [child, member] of this.members())
      if (member instanceof Module) yield* member.namedModules(`${name}${name && '.'}${child}`, seen)
  }

  private refuseHidden(): void {
    const known = new Set(this.namedVariables().map(([, variable]) => variable))
    for (const [name, module] of this.namedModules()) {
      const stream = Object.entries(module).find(([, value]) => value instanceof RandomStream)?.[0]
      if (stream !== undefined)
        throw new ConfigError(
          `${name}${name && '.'}${stream}: got a RandomStream in a module, where its number of draws would not be saved; expected ` +
            'the streams of the context (ctx.streams)',
        )
      for (const { path, container, item } of inContainers(module, (value) => isVariable(value) || value instanceof Module)) {
        const variables = item instanceof Module ? item.namedVariables().map(([, variable]) => variable) : [item as Variable]
        const hidden = variables.find((variable) => !known.has(variable))
        if (hidden)
          throw new ConfigError(
            `${name}${name && '.'}${path}: got a variable of shape [${hidden.shape.join(', ')}] in ${container}, where it would neither be ` +
              'trained nor saved; expected it in a property of the module, or in an array',
          )
      }
    }
  }

  /** All parameters below this module, each once. */
  parameters(): Variable[] {
    return this.namedParameters().map(([, variable]) => variable)
  }

  /** How many numbers this module learns; those of a shared parameter count once. */
  parameterCount(): number {
    return this.namedVariables().reduce((sum, [, variable]) => sum + (variable.trainable ? variable.size : 0), 0)
  }

  private stateName(name: string): string {
    const [property = '', ...rest] = name.split('.')
    return [this.stateNames[property] ?? property, ...rest].join('.')
  }

  /**
   * This module's parameters in PyTorch's names and layouts; a shared one under each of its names. Modules that store theirs another way
   * override it, with `loadState`.
   * @param state is filled
   */
  saveState(state: StateDict, prefix = ''): void {
    if (prefix === '') this.refuseHidden()
    for (const [name, member] of this.members()) {
      const stateName = `${prefix}${this.stateName(name)}`
      if (member instanceof Module) member.saveState(state, `${stateName}.`)
      else state.set(stateName, { shape: member.shape, values: numbersOf([stateName, member]) })
    }
  }

  /**
   * Takes this module's parameters out of `state`; what is left in it at the end was not expected. A shared parameter may be there under
   * one of its names or under several.
   * @throws CheckpointError if a tensor is missing or has another shape, or if a shared parameter has two values
   */
  loadState(state: StateDict, prefix = ''): void {
    if (prefix === '') this.refuseHidden()
    for (const names of this.sharedNames(prefix)) completeNames(state, names)
    for (const [name, member] of this.members()) {
      const stateName = `${prefix}${this.stateName(name)}`
      if (member instanceof Module) member.loadState(state, `${stateName}.`)
      else assignParameter(member, takeState(state, stateName, member.shape).values)
    }
  }

  /** Names in a state_dict that mean the same: prefixes of a module that is used twice, or full names of a variable. */
  private sharedNames(prefix: string): string[][] {
    const names = new Map<object, string[]>()
    const layouts = new Map<Variable, Module['saveState']>()
    const visit = (module: Module, prefix: string): void => {
      for (const [name, member] of module.members()) {
        const stateName = `${prefix}${module.stateName(name)}`
        if (member instanceof Module) {
          names.set(member, [...(names.get(member) ?? []), `${stateName}.`])
          visit(member, `${stateName}.`)
        } else if ((layouts.get(member) ?? module.saveState) === module.saveState) {
          layouts.set(member, module.saveState) // modules of another kind may store it in another layout, under another name
          names.set(member, [...(names.get(member) ?? []), stateName])
        }
      }
    }
    visit(this, prefix)
    return [...names.values()].filter(({ length }) => length > 1)
  }

  /** Frees the parameters and buffers. */
  dispose(): void {
    for (const [, variable] of this.namedVariables()) variable.dispose()
  }

  /** The tree of modules with their shapes and parameter counts, as text; equal neighbors of a list share a line. */
  describe(): string {
    return `${this.kind} (${count(this.parameterCount())})${this.membersAsText('  ')}`
  }

  private get kind(): string {
    const { name } = this.constructor
    return this.wrapped === this ? name : `${name}(${this.wrapped.kind})`
  }

  private membersAsText(indent: string): string {
    const lines: { name: string; text: string; last: string }[] = []
    for (const [name, member] of this.members()) {
      const text =
        member instanceof Module
          ? `${member.kind} (${count(member.parameterCount())})${member.membersAsText(`${indent}  `)}`
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
