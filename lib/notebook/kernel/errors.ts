/** An error of a cell as Jupyter shows it: first the cell, the line and the message, then the calls that led there, without machinery. */
import { inspect } from 'node:util'
import type { Diagnostic } from 'tslab/dist/converter'
import { Interrupted } from './interrupts'

/** The content of Jupyter's `error` message. */
export interface Report {
  readonly ename: string
  readonly evalue: string
  readonly traceback: readonly string[]
}

/** A line of a cell's text, by the numbers of cell and line. */
export type TextOfLine = (cell: number, line: number) => string | undefined

const place = /cell \[(\d+)\]:(\d+):(\d+)/
const machinery = /node:internal|\(node:|at node:|[/\\]node_modules[/\\]|[/\\]lib[/\\]dist[/\\]|<anonymous>|makemoe-cell-/

/** The function in a line of a stack, if it has a name that a person gave it. */
function caller(frame: string): string | undefined {
  const name = /^\s*at (?:async )?(.+?) \(/.exec(frame)?.[1]?.replace(/^(?:exports|Object|Proxy)\./, '')
  return name === undefined || /^(?:eval|<anonymous>|Timeout\..*|Immediate\..*)$/.test(name) ? undefined : name
}

function describeFrame(frame: string): string {
  const found = place.exec(frame)
  if (!found) return `    ${frame.trim()}`
  const name = caller(frame)
  return `    at ${name === undefined ? '' : `${name}, `}cell [${found[1]}], line ${found[2]}`
}

/** The frames of an error that are a person's, and its message. */
function parts(error: Error): { head: string; frames: string[] } {
  const stack = typeof error.stack === 'string' ? error.stack : ''
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  const own = frames.filter((frame) => place.test(frame) || !machinery.test(frame))
  return { head: error.message === '' ? error.name : `${error.name}: ${error.message}`, frames: own }
}

function linesOf(error: Error, textOf: TextOfLine, number: number): string[] {
  const { head, frames } = parts(error)
  const at = frames.findIndex((frame) => place.test(frame))
  const [, cell, line, column] = place.exec(frames[at] ?? '') ?? []
  const causes: unknown[] = [...(error instanceof AggregateError ? error.errors : []), ...(error.cause === undefined ? [] : [error.cause])]
  const because = causes
    .slice(0, 5)
    .flatMap((cause) => (cause instanceof Error ? ['caused by', ...linesOf(cause, textOf, number)] : [`caused by ${inspect(cause)}`]))
  if (cell === undefined || line === undefined) return [`cell [${number}]: ${head}`, ...frames.map(describeFrame), ...because]
  const text = textOf(Number(cell), Number(line))
  const indent = text?.search(/\S|$/) ?? 0
  const quoted = text === undefined ? [] : [`    ${text.slice(indent)}`, `    ${' '.repeat(Math.max(0, Number(column) - 1 - indent))}^`]
  const others = frames.filter((_, i) => i !== at).map(describeFrame)
  const name = caller(frames[at] ?? '')
  const within = name === undefined ? '' : `, in ${name}`
  return [`cell [${cell}], line ${line}${within}: ${head}`, ...quoted, ...others, ...because]
}

/** What a cell threw. @param number the cell's number */
export function reportOf(thrown: unknown, number: number, textOf: TextOfLine): Report {
  if (thrown instanceof Interrupted)
    return { ename: thrown.name, evalue: thrown.message, traceback: [`cell [${number}]: ${thrown.message}`] }
  const code = (thrown as { code?: unknown } | null)?.code
  if (code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED') return reportOf(new Interrupted('the cell was interrupted'), number, textOf)
  if (!(thrown instanceof Error)) {
    const shown = inspect(thrown)
    return { ename: 'Thrown', evalue: shown, traceback: [`cell [${number}]: threw ${shown}`] }
  }
  return { ename: thrown.name, evalue: thrown.message, traceback: linesOf(thrown, textOf, number) }
}

/** What the compiler says of a cell, its places already in the cell as it was written. */
export function reportOfDiagnostics(diagnostics: readonly Diagnostic[], number: number, textOf: TextOfLine): Report {
  const traceback = diagnostics.flatMap(({ fileName, start, messageText }) => {
    const line = start.line + 1
    if (fileName !== undefined) return [`${fileName}, line ${line}: ${messageText}`]
    const text = textOf(number, line)
    const indent = text?.search(/\S|$/) ?? 0
    const quoted = text === undefined ? [] : [`    ${text.slice(indent)}`, `    ${' '.repeat(Math.max(0, start.character - indent))}^`]
    return [`cell [${number}], line ${line}: ${messageText}`, ...quoted]
  })
  return { ename: 'TypeScript', evalue: diagnostics[0]?.messageText ?? '', traceback }
}
