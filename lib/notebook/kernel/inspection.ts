/** What the person sees on Tab and Shift-Tab: names that fit, and a name's type with its doc comment. */
import type * as Compiler from '@tslab/typescript-for-tslab'
import type { Converter } from 'tslab/dist/converter'
import { ts } from './typescript'

/** Each name that fits at a position, once, and the range that it replaces. */
export function complete(converter: Converter, declarations: string, source: string, position: number) {
  const { start, end, candidates } = converter.complete(declarations, source, position)
  return { start, end, candidates: [...new Set(candidates)] }
}

const text = (parts: readonly Compiler.SymbolDisplayPart[] | undefined): string => (parts ?? []).map((part) => part.text).join('')

/** A name's type, description and tags (`@param x ...`, `@returns ...`), or undefined where no name is. */
export function inspect(converter: Converter, declarations: string, source: string, position: number): string | undefined {
  const at = (place: number): Compiler.QuickInfo | undefined => converter.inspect(declarations, source, place)
  const called = calledAt(source, position)
  const onName = /[\w$]/.test(source.slice(Math.max(0, position - 1), position + 1))
  const info = (onName ? (at(position) ?? at(position - 1)) : undefined) ?? (called === undefined ? undefined : at(called))
  if (!info) return undefined
  const type = text(info.displayParts)
    .replace(/^\(alias\) /, '')
    .replace(/\nimport \S+$/, '')
  const described = info.documentation?.length ? info : (classOf(converter, declarations, source, type) ?? info)
  const tags = [...new Set([...(info.tags ?? []), ...(described.tags ?? [])])]
  const lines = tags.map(({ name, text: parts }) => `@${name} ${text(parts)}`.trim())
  return [type, text(described.documentation), lines.join('\n')].filter((part) => part !== '').join('\n\n')
}

/** A constructor without a description of its own has that of its class. */
function classOf(converter: Converter, declarations: string, source: string, type: string): Compiler.QuickInfo | undefined {
  const name = /^(?:new |constructor )([\w$.]+)/.exec(type)?.[1]
  if (name === undefined) return undefined
  const line = `${source}\n;${name}`
  return converter.inspect(declarations, line, line.length - 1)
}

/** The position of the function's name in the innermost call around a position: in `new Linear(` that of `Linear`. */
function calledAt(source: string, position: number): number | undefined {
  const file = ts.createSourceFile('cell.ts', source, ts.ScriptTarget.ESNext, true, ts.ScriptKind.TS)
  let found: number | undefined
  const look = (node: Compiler.Node): void => {
    if ((ts.isCallExpression(node) || ts.isNewExpression(node)) && node.expression.end < position && position <= lastOf(node, source)) {
      found = node.expression.end - 1
    }
    ts.forEachChild(node, look)
  }
  look(file)
  return found
}

/** Where a call ends; one that is not closed yet ends with what follows it. */
function lastOf(node: Compiler.CallExpression | Compiler.NewExpression, source: string): number {
  if (source[node.end - 1] === ')') return node.end - 1
  const rest = /^[^\S\n]*/.exec(source.slice(node.end))?.[0].length ?? 0
  return node.end + rest
}
