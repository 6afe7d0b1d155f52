/** Stack traces with the lines that a person wrote: of cells, and of TypeScript files that cells import. */
import { SourceMap, type SourceMapPayload } from 'node:module'
import { deepenStacks } from '../../base/caller-site'
import { cellLine } from '../../base/cells'

const files = new Map<string, SourceMap>()

/** Keeps the source map of a compiled file. */
export function keepScript(file: string, sourceMapText: string): void {
  files.set(file, new SourceMap(JSON.parse(sourceMapText) as SourceMapPayload))
}

/** `f (cell [3]:5:7)` */
function describe(site: NodeJS.CallSite): string {
  const text = String(site)
  const [file, line, column] = [site.getFileName(), site.getLineNumber(), site.getColumnNumber()]
  if (!file || line === null || column === null) return text
  const put = (from: string, to: string): string => (text.includes(from) ? text.replace(from, to) : text)
  const here = cellLine(file, line, column)
  if (here) return put(`${file}:${line}:${column}`, `cell [${here.cell}]:${here.line}:${here.column}`)
  const entry = files.get(file)?.findEntry(line - 1, column - 1)
  if (!entry || !('originalLine' in entry)) return text
  return put(`${file}:${line}:${column}`, `${file}:${entry.originalLine + 1}:${entry.originalColumn + 1}`)
}

/** Every stack trace names cells from now on. */
export function describeStacks(): void {
  deepenStacks()
  Error.prepareStackTrace = (error: unknown, sites) => {
    let head = 'Error'
    try {
      head = Error.prototype.toString.call(error)
    } catch {
      // an error whose message throws
    }
    return [head, ...sites.map((site) => `    at ${describe(site)}`)].join('\n')
  }
}
