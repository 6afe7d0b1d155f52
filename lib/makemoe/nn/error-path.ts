/**
 * An error inside a module names the module's path in the model and the caller's own line, in a few lines: `blocks.3.moe.experts.2.up`.
 * Nothing watches the modules until then: what failed is run again, and this time each module notes that it is being run.
 */
import { callerSite, withDeepStacks } from '../../base/caller-site'
import { ShapeError } from '../../base/errors'
import { PassEnd } from '../../engine/graph/step'
import { namePlaces } from '../../engine/tensor/missing-gradients'

/** A model that names its modules, as every `Module` does. */
interface Root {
  namedModules(): Iterable<readonly [name: string, module: object]>
}

const namesModules = (model: object): model is Root => 'namedModules' in model && typeof model.namedModules === 'function'

type Forward = (...args: unknown[]) => unknown

let isWatched = false

/**
 * Runs what uses a model; an error from one of its modules then says which one it was.
 * @param model a model without named modules gets its errors as they are
 * @param run is run a second time if it throws
 */
export function explainErrors<R>(model: object, run: () => R): R {
  if (isWatched || !namesModules(model)) return run()
  isWatched = true
  try {
    return run()
  } catch (error) {
    if (!(error instanceof Error) || error instanceof PassEnd) throw error
    throw explained(model, run, error)
  } finally {
    isWatched = false
  }
}

/** The error of a second run, with its place; the first one if the second does not fail in a module. */
function explained(model: Root, run: () => unknown, error: Error): Error {
  const running: string[] = []
  const placeOf = (): string | undefined => running.at(-1)
  let failed: { readonly error: unknown; readonly place: string | undefined } | undefined
  const watch = (name: string, module: object): (() => void) => {
    const forward: Forward | undefined = Reflect.get(module, 'forward')
    if (!forward) return () => {}
    const watched: Forward = (...args) => {
      running.push(`${name}${name && ': '}${module.constructor.name}`)
      try {
        const result = forward.apply(module, args)
        if (result === undefined)
          throw new ShapeError(`${module.constructor.name}.forward: got nothing back, expected a tensor (is a \`return\` missing?)`)
        return result
      } catch (error) {
        failed ??= { error, place: placeOf() }
        throw error
      } finally {
        running.pop()
      }
    }
    Object.defineProperty(module, 'forward', { value: watched, configurable: true })
    return () => Reflect.deleteProperty(module, 'forward')
  }
  const restore = [...model.namedModules()].map(([name, module]) => watch(name, module))
  const forgetPlaces = namePlaces(placeOf)
  try {
    withDeepStacks(run)
    return error
  } catch (again) {
    if (!(again instanceof Error) || again instanceof PassEnd) return error
    if (failed && failed.error !== again) return error
    const site = callerSite(again) // before the message changes, which the stack repeats
    if (failed) again.message += `\n  in ${failed.place}`
    again.stack = `${again.name}: ${again.message}\n    at ${site}`
    return again
  } finally {
    forgetPlaces()
    for (const each of restore) each()
  }
}
