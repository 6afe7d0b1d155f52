/**
 * Runs cells. All of them share one object, `exports`, that holds what they declare. A cell that fails or is interrupted keeps what it had
 * declared until then, and what it did not reach stays as it was before.
 */
import { runInThisContext } from 'node:vm'
import type { Converter } from 'tslab/dist/converter'
import { getCodeMetadata } from 'tslab/dist/metadata'
import { keepCell } from '../../base/cells'
import { checkName } from './checks'
import { type Run, within } from './context'
import { withNamespaces, withoutMissing } from './declarations'
import { type Report, reportOf, reportOfDiagnostics } from './errors'
import { type Interrupted, interrupt, interrupts } from './interrupts'
import { cellRequire, changeLoader, forgetChangedFiles } from './modules'
import { type Rewritten, rewrite } from './rewriting'
import { watchBuild } from './stale-build'
import { type Compiled, startCompiler } from './typescript'

/** One cell, to be run. */
export interface Cell {
  readonly number: number
  readonly source: string
}

export class Executor {
  private readonly compiler = startCompiler()
  private readonly build = watchBuild()
  private declarations = ''
  private readonly values: Record<string, unknown> = {}
  /** Names that the running cell has set. */
  private reached = new Set<string>()
  private readonly inMemory = new Map<string, string>()
  private readonly lines = new Map<number, readonly string[]>()
  private current: { readonly run: Run; readonly stop: (why: Interrupted) => void; readonly ended: Promise<unknown> } | undefined

  constructor(folder: string) {
    changeLoader()
    const require = cellRequire(folder, this.inMemory)
    // Display (notebook/display.ts) finds tslab there.
    Object.assign(globalThis, { __tslab__: { exports: this.exports(), require }, [checkName]: interrupts })
  }

  /** The compiler's answers to questions about a cell that is being written. */
  ask<T>(question: (converter: Converter, declarations: string) => T): T {
    return question(this.compiler, this.declarations)
  }

  /** @returns what went wrong, if something did */
  async execute(cell: Cell, run: Run): Promise<Report | undefined> {
    forgetChangedFiles()
    this.lines.set(cell.number, cell.source.split(/\r?\n/))
    const { module } = getCodeMetadata(cell.source)
    if (module !== undefined) return this.diagnosed(cell, this.compiler.addModule(module, cell.source), identity)
    const rewritten = rewrite(cell.source, process.cwd())
    const compiled = this.compiler.compile(this.declarations, rewritten.text)
    for (const { path, data } of compiled.sideOutputs ?? []) this.inMemory.set(path, data)
    if (compiled.diagnostics.length > 0) return this.diagnosed(cell, compiled.diagnostics, (offset) => rewritten.original(offset))
    const stale = this.build?.note(compiled.output ?? '')
    if (stale !== undefined) within(run, () => console.warn(stale))
    const before = this.declarations
    const after = withNamespaces(before, compiled.declOutput ?? '', compiled.names)
    this.reached = new Set()
    try {
      await this.evaluate(cell, compiled, rewritten, run)
    } catch (error) {
      const missing = new Set([...compiled.names].filter((name) => !this.reached.has(name)))
      this.declarations = withoutMissing(before, after, missing)
      return reportOf(error, cell.number, this.textOf)
    }
    for (const name of compiled.names) if (!this.reached.has(name)) this.values[name] = undefined
    this.declarations = after
    return undefined
  }

  /** Ends the cell that runs, if one does. */
  interrupt(): void {
    const current = this.current
    if (!current || current.run.interrupted) return
    void interrupt(current.run, current.ended).then(current.stop)
  }

  /** What an error looks like that no cell waited for. */
  report(error: unknown, number: number): Report {
    return reportOf(error, number, this.textOf)
  }

  close(): void {
    this.compiler.close()
  }

  private readonly textOf = (cell: number, line: number): string | undefined => this.lines.get(cell)?.[line - 1]

  private async evaluate(cell: Cell, compiled: Compiled, rewritten: Rewritten, run: Run): Promise<void> {
    const code = compiled.output
    if (!code) return
    const script = `makemoe-cell-${cell.number}.js`
    this.keepLines(script, cell, compiled, rewritten)
    const prefix = `(async function (exports, require) { `
    const ended = within(run, () =>
      // The line that closes is one of its own: the cell may end in a comment.
      runInThisContext(`${prefix}${code}\n})(__tslab__.exports, __tslab__.require)`, {
        filename: script,
        columnOffset: -prefix.length,
        breakOnSigint: true,
      }),
    ) as Promise<void>
    const interrupted = new Promise<never>((_, stop) => {
      this.current = { run, stop, ended: ended.catch(() => {}) }
    })
    try {
      await Promise.race([ended, interrupted])
    } finally {
      this.current = undefined
    }
    const last = compiled.lastExpressionVar
    const value = last === undefined ? undefined : this.values[last]
    if (last !== undefined) delete this.values[last]
    // As part of the run, so that it is printed below its cell.
    if (value !== undefined && value !== null) within(run, () => console.log(value))
  }

  private keepLines(script: string, cell: Cell, compiled: Compiled, rewritten: Rewritten): void {
    const starts = lineStarts(rewritten.text)
    const lines = this.lines.get(cell.number) ?? []
    const ownStarts = lineStarts(cell.source)
    const last = (compiled.output ?? '').split('\n').length
    keepCell(script, (line, column) => {
      if (line > last) return undefined
      const place = compiled.locate(line - 1, column - 1)
      if (!place) return undefined
      const offset = rewritten.original((starts[place.line] ?? 0) + place.column)
      return { cell: cell.number, line: place.line + 1, column: offset - (ownStarts[place.line] ?? 0) + 1, text: lines[place.line] ?? '' }
    })
  }

  private diagnosed(cell: Cell, diagnostics: Compiled['diagnostics'], original: (offset: number) => number): Report | undefined {
    if (diagnostics.length === 0) return undefined
    const starts = lineStarts(cell.source)
    const placed = diagnostics.map((diagnostic) => {
      if (diagnostic.fileName !== undefined) return diagnostic
      const { line, offset } = diagnostic.start
      return { ...diagnostic, start: { offset, line, character: original(offset) - (starts[line] ?? 0) } }
    })
    return reportOfDiagnostics(placed, cell.number, this.textOf)
  }

  private exports(): Record<string, unknown> {
    return new Proxy(this.values, {
      set: (values, name, value: unknown) => {
        this.reached.add(String(name))
        return Reflect.set(values, name, value)
      },
      // The compiler's way to export what a cell imports; it may be declared again.
      defineProperty: (values, name, { get, value }) => {
        if (name === '__esModule') return true
        this.reached.add(String(name))
        return Reflect.set(values, name, get ? get() : value)
      },
    })
  }
}

const identity = (offset: number): number => offset

/** The offset at which each line begins. */
function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}
