/** Where somebody's own code called an op: file and line, or, in a notebook, the text of the line. */
import { Session } from 'node:inspector'

const tensorMachinery = /node_modules\/@tensorflow|tfjs-core|node:internal|(dist|lib)\/engine\/(graph|tensor)\//

/**
 * The caller's own line: the first frame that is neither tfjs nor the machinery of tensors and graphs. A notebook's kernel runs each cell as
 * a nameless script whose line numbers are not the cell's, so that the line itself is quoted (without the `exports.` that the kernel puts
 * before names of other cells).
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
  const quoted = site?.getFileName()?.startsWith('evalmachine') ? lineOf(site) : undefined
  return quoted === undefined ? (frames[own] ?? '').trim().replace(/^at /, '') : `\`${quoted}\``
}

const library = /node_modules\/|tfjs-core|node:|\(<anonymous>\)|(dist|lib)\/(base|engine|makemoe|runs|lab)\//

/** The line of a person's own file or cell that led to an error; a line of this library where there is no other. */
export const callerSite = (error: Error): string => siteOf(error, library, tensorMachinery)

/** Runs something whose errors must have the caller's own line among the frames of their stack. */
export function withDeepStacks<T>(run: () => T): T {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = Math.max(60, stackTraceLimit)
  try {
    return run()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** A line of a script that has no file: asked of the debugger. */
function lineOf(site: NodeJS.CallSite): string | undefined {
  const session = new Session()
  session.connect()
  try {
    let script: string | undefined
    session.on('Debugger.scriptParsed', ({ params }) => {
      if (params.hash === site.getScriptHash()) script = params.scriptId
    })
    session.post('Debugger.enable')
    let line: string | undefined
    if (script !== undefined)
      session.post('Debugger.getScriptSource', { scriptId: script }, (_error, result) => {
        line = result?.scriptSource
          .split('\n')
          [(site.getLineNumber() ?? 0) - 1]?.trim()
          .replaceAll(/\bexports\./g, '')
      })
    return line
  } finally {
    session.disconnect()
  }
}
