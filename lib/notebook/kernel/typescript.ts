/**
 * The compiler of the cells: tslab's converter (types of earlier cells, declarations of this one) on tslab's TypeScript, with what a notebook
 * needs besides: `await` at the top in every form, a source map from the JavaScript that runs to the cell, and checks for an interrupt.
 */
import { createRequire, SourceMap, type SourceMapPayload } from 'node:module'
import type * as Compiler from '@tslab/typescript-for-tslab'
import type { Converter, ConvertResult } from 'tslab/dist/converter'
import { withChecks } from './checks'

const compilerPath = createRequire(require.resolve('tslab')).resolve('@tslab/typescript-for-tslab')
const original: typeof Compiler = require(compilerPath)

/** tslab's TypeScript. */
export const ts = original

/** Where a place in the JavaScript that runs comes from, in the source that the compiler was given (lines and columns from 0). */
export type Locate = (line: number, column: number) => { readonly line: number; readonly column: number } | undefined

/** A file outside the notebook's folder; a name that ends in `.ts`: both can be loaded here. */
const allowed: readonly number[] = [6059, 5097]

/** What tslab does not return of what it compiles. */
interface Besides {
  readonly locate: Locate
  /** Every name with a value that the cell declares. */
  readonly names: ReadonlySet<string>
}

/** By the JavaScript. */
let besides = new Map<string, Besides>()

const mapComment = /\n?\/\/# sourceMappingURL=data:application\/json;(?:charset=utf-8;)?base64,([A-Za-z0-9+/=]+)\s*$/

/** The second pass: ES module to CommonJS, and the checks. */
function transpileModule(input: string, options: Compiler.TranspileOptions): Compiler.TranspileOutput {
  const names = new Set<string>()
  const encoded = mapComment.exec(input)?.[1]
  const { outputText, sourceMapText = '' } = original.transpileModule(input.replace(mapComment, ''), {
    ...options,
    compilerOptions: { ...options.compilerOptions, sourceMap: true },
    transformers: { after: [withChecks(original, names)] },
  })
  const text = outputText.replace(/\n?\/\/# sourceMappingURL=\S*\s*$/, '')
  if (encoded !== undefined) besides.set(text, { locate: throughBoth(encoded, sourceMapText), names })
  return { outputText: text }
}

function throughBoth(encoded: string, sourceMapText: string): Locate {
  const first = new SourceMap(JSON.parse(Buffer.from(encoded, 'base64').toString()) as SourceMapPayload)
  const second = new SourceMap(JSON.parse(sourceMapText) as SourceMapPayload)
  const through = (map: SourceMap, line: number, column: number): ReturnType<Locate> => {
    const entry = map.findEntry(line, column)
    return 'originalLine' in entry ? { line: entry.originalLine, column: entry.originalColumn } : undefined
  }
  return (line, column) => {
    const between = through(second, line, column)
    const place = between && through(first, between.line, between.column)
    return place && place.line > 0 ? { line: place.line - 1, column: place.column } : undefined // tslab puts one line before the cell
  }
}

/** What is in memory alone, a cell say, is tslab's to compile; a file is compiled when it is required (modules.ts). */
function withoutFiles(create: Compiler.CreateProgram<Compiler.EmitAndSemanticDiagnosticsBuilderProgram>): typeof create {
  return (...args) => {
    const builder = create(...args)
    const emit = builder.emit.bind(builder)
    builder.emit = (file, ...rest) =>
      file && original.sys.fileExists(file.fileName) ? { emitSkipped: true, diagnostics: [] } : emit(file, ...rest)
    return builder
  }
}

const createWatchCompilerHost = (
  files: string[],
  options: Compiler.CompilerOptions,
  ...rest: unknown[]
): Compiler.WatchCompilerHostOfFilesAndCompilerOptions<Compiler.EmitAndSemanticDiagnosticsBuilderProgram> => {
  const create = original.createWatchCompilerHost as (...args: unknown[]) => ReturnType<typeof createWatchCompilerHost> // the overload for files
  const host = create(files, { ...options, disableTopLevelAwait: false, inlineSourceMap: true }, ...rest)
  host.createProgram = withoutFiles(host.createProgram)
  // tslab takes every timer for the one that compiles the next cell. When files change, lib's say, there is a second one: it is not tslab's.
  const { setTimeout: compileLater, clearTimeout: compileNot } = host
  const others = new Set<unknown>()
  host.setTimeout = (callback, milliseconds, ...rest) => {
    if (callback.name !== 'invalidateResolutionsOfFailedLookup') return compileLater?.(callback, milliseconds, ...rest)
    const timer = setTimeout(callback, milliseconds).unref()
    others.add(timer)
    return timer
  }
  host.clearTimeout = (timer) => {
    if (others.delete(timer)) clearTimeout(timer as NodeJS.Timeout)
    else compileNot?.(timer)
  }
  return host
}

// tslab's own addition; it has no declaration.
const { getPreEmitDiagnosticsOfFiles } = original as unknown as {
  getPreEmitDiagnosticsOfFiles(program: Compiler.Program, files: Compiler.SourceFile[]): readonly Compiler.Diagnostic[]
}

/** tslab loads its TypeScript by name: what it gets there is this. */
const changed = {
  ...original,
  createWatchCompilerHost,
  transpileModule,
  getPreEmitDiagnosticsOfFiles: (program: Compiler.Program, files: Compiler.SourceFile[]) =>
    getPreEmitDiagnosticsOfFiles(program, files).filter(({ code }) => !allowed.includes(code)),
}
const loaded = require.cache[compilerPath]
if (loaded) loaded.exports = changed

/** A cell, compiled. */
export interface Compiled extends ConvertResult, Besides {}

/** The converter of tslab, started in this folder. It takes half a second. */
export function startCompiler(): Converter & { compile(declarations: string, source: string): Compiled } {
  const { createConverter }: typeof import('tslab/dist/converter') = require('tslab/dist/converter')
  const converter = createConverter({ isJS: false, isBrowser: false })
  return {
    ...converter,
    compile(declarations, source) {
      besides = new Map()
      const converted = converter.convert(declarations, source)
      return { locate: () => undefined, names: new Set(), ...besides.get(converted.output ?? ''), ...converted }
    },
  }
}
