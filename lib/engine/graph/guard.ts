/** What JavaScript must not do while a function is traced, and the clock, which goes on from pass to pass. */
import { TraceError } from '../../base/errors'
import { forbidNewVariables } from '../tensor/runtime'

/** How far the clock goes with each pass after the first: more than a day, so that whatever depends on the time differs. */
const clockStep = 90_061_001

/** Moves the clock on; returns a function that puts it back. */
function moveClock(pass: number): () => void {
  const { now } = performance
  const RealDate = Date
  const clockOffset = pass * clockStep
  performance.now = () => now.call(performance) + clockOffset
  const dateNow = (): number => RealDate.now() + clockOffset
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length > 0 ? args : [dateNow()], newTarget),
    get: (target, key) => (key === 'now' ? dateNow : Reflect.get(target, key)),
  })
  return () => {
    performance.now = now
    globalThis.Date = RealDate
  }
}

/** Replaces what must not be used during a trace; returns a function that puts it back. */
export function guard(pass: number): () => void {
  const restoreClock = moveClock(pass)
  const { random } = Math
  Math.random = () => {
    throw new TraceError(
      'cannot trace JavaScript randomness (Math.random, or a tfjs random op): its numbers would be frozen; use a RandomStream',
    )
  }
  const allowVariables = forbidNewVariables(() => {
    throw new TraceError('cannot trace the creation of a variable: make it before, outside the compiled function')
  })
  return () => {
    restoreClock()
    Math.random = random
    allowVariables()
  }
}
