/**
 * An error inside a module names the module's path in the model and the caller's own line, in a few lines: `blocks.3.moe.experts.2.up`.
 * On its way up, each module that it passes adds the name under which it holds the one before.
 */
import { valueAt } from '../../base/assertions'
import { siteOf } from '../../base/caller-site'
import { ShapeError } from '../../base/errors'

const machinery = /node_modules\/|node:|\(<anonymous>\)|(dist|lib)\/(engine|makemoe)\//

/** What is needed of a module. */
interface Parent {
  nameOf(child: object): string | undefined
}

interface Path {
  /** The outermost module so far. */
  module: Parent
  names: string[]
  readonly innermost: string
}

const pathOf = new WeakMap<Error, Path>()
let depth = 0
/** Frames that a stack must have for the caller of a model's innermost module to be among them. */
const frames = 60

type Forward = (...args: unknown[]) => unknown

/** Lets a module's errors tell where in the model it is; `forward` is looked up at each call, so that a class may be redefined. */
export function nameErrors(module: Parent): void {
  const prototype: { forward?: Forward } = module.constructor.prototype
  if (typeof prototype.forward !== 'function') return
  const value: Forward = (...args) => {
    const { stackTraceLimit } = Error
    if (depth++ === 0) Error.stackTraceLimit = Math.max(frames, stackTraceLimit)
    try {
      const result = prototype.forward?.apply(module, args)
      if (result === undefined)
        throw new ShapeError(`${module.constructor.name}.forward: got nothing back, expected a tensor (is a \`return\` missing?)`)
      return result
    } catch (error) {
      if (error instanceof Error) passThrough(error, module, depth === 1)
      throw error
    } finally {
      depth--
      Error.stackTraceLimit = stackTraceLimit
    }
  }
  Object.defineProperty(module, 'forward', { value, writable: true, configurable: true })
}

function passThrough(error: Error, module: Parent, outermost: boolean): void {
  const path = pathOf.get(error)
  if (!path) pathOf.set(error, { module, names: [], innermost: module.constructor.name })
  else if (path.module !== module) {
    const name = module.nameOf(path.module)
    if (name !== undefined) path.names.unshift(name)
    path.module = module
  }
  if (!outermost) return
  const { names, innermost } = valueAt(pathOf, error)
  const site = siteOf(error, machinery) // before the message changes, which the stack repeats
  error.message += `\n  in ${names.length > 0 ? `${names.join('.')}: ` : ''}${innermost}`
  error.stack = `${error.name}: ${error.message}\n    at ${site}`
}
