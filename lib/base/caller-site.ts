/** Where somebody's own code called an op: file and line, or, in a notebook, the cell and its line. */
import { cellLine, describeLine } from './cells'

const tensorMachinery = /node_modules\/@tensorflow|tfjs-core|node:internal|(dist|lib)\/(engine\/(graph|tensor)|vendor)\//

/**
 * The caller's own line: the first frame that is neither tfjs nor the machinery of tensors and graphs. A line of a notebook is quoted, since
 * many cells stand under one number over time.
 * @param machinery files whose frames are passed over; the next ones where all frames are in those. Default: the machinery of tensors
 * @param error made where the op was called; its stack must not have been read yet for a line to be quoted
 */
export function siteOf(error: Error, ...machinery: readonly RegExp[]): string {
  const { prepareStackTrace } = Error
  let sites: NodeJS.CallSite[] = []
  Error.prepareStackTrace = (error, all) => {
    sites = all
    return prepareStackTrace ? prepareStackTrace(error, all) : [error, ...all.map((site) => `    at ${site}`)].join('\n')
  }
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  Error.prepareStackTrace = prepareStackTrace
  const firstOutside = (files: RegExp): number => frames.findIndex((frame) => !files.test(frame))
  const own = (machinery.length > 0 ? machinery : [tensorMachinery]).map(firstOutside).find((index) => index >= 0) ?? 0
  const site = sites[own]
  const line = site && cellLine(site.getFileName(), site.getLineNumber(), site.getColumnNumber())
  return line ? `${describeLine(line)}: \`${line.text.trim()}\`` : (frames[own] ?? '').trim().replace(/^at /, '')
}

const library = /node_modules\/|tfjs-core|node:|\(<anonymous>\)|(dist|lib)\/(base|engine|makemoe|runs|lab|vendor)\//

/** The line of a person's own file or cell that led to an error; a line of this library where there is no other. */
export const callerSite = (error: Error): string => siteOf(error, library, tensorMachinery)

/** Between the line that calls an op and the error lie some twenty calls of tfjs, modules and the tracer. */
const depth = 60

/**
 * Runs something whose errors must have the caller's own line among the frames of their stack: a trace, or what failed once. The one place
 * that changes `Error.stackTraceLimit`, for lack of another way: V8 cuts a stack when an error is made, which any code may do;
 * `Error.captureStackTrace` leaves frames out only above a function that is known, and util.getCallSites, from Node 22 on, gives the stack
 * of the moment, not that of an error. A limit that the code itself sets meanwhile stays.
 */
export function withDeepStacks<T>(run: () => T): T {
  const { stackTraceLimit } = Error
  deepenStacks()
  const limit = Error.stackTraceLimit
  try {
    return run()
  } finally {
    if (Error.stackTraceLimit === limit) Error.stackTraceLimit = stackTraceLimit
  }
}

/** The same for good, for a process whose errors are all read by the person who wrote the code: the kernel. */
export function deepenStacks(): void {
  Error.stackTraceLimit = Math.max(depth, Error.stackTraceLimit)
}
