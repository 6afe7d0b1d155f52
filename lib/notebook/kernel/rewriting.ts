/**
 * A cell's source as tslab can take it: `{ steps }` written out (tslab finds a variable of another cell in `steps: steps` alone), no
 * `export`, a type where a dynamic import needs one, and modules by the names under which there is one copy of them. Every edit stays within its line.
 */
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type * as Compiler from '@tslab/typescript-for-tslab'
import { tfjsModules } from '../../engine/tensor/tfjs-modules'
import { ts } from './typescript'

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** A rewritten source. */
export interface Rewritten {
  readonly text: string
  /** The offset in the source as it was written of an offset in the text. */
  original(offset: number): number
}

const lib = dirname(require.resolve('makemoe/package.json'))

/** Rewrites a cell, or a file in `folder`, of which only the modules' names are changed. */
export function rewrite(source: string, folder: string, kind: 'cell' | 'file' = 'cell'): Rewritten {
  // As a module, so that `await (x)` is no call.
  const file = ts.createSourceFile('cell.ts', `${source}\nexport {}`, ts.ScriptTarget.ESNext, true, ts.ScriptKind.TS)
  const edits: Edit[] = []
  const look = (node: Compiler.Node): void => {
    edits.push(...moduleEdits(node, file, folder))
    if (kind === 'cell' && node.end <= source.length) edits.push(...nameEdits(node, file, folder), ...exportEdits(node, file))
    ts.forEachChild(node, look)
  }
  look(file)
  return apply(source, edits)
}

function apply(source: string, edits: Edit[]): Rewritten {
  const sorted = edits.sort((a, b) => a.start - b.start || a.end - b.end)
  let text = ''
  let end = 0
  for (const edit of sorted) {
    text += source.slice(end, edit.start) + edit.text
    end = edit.end
  }
  const original = (offset: number): number => {
    let shift = 0
    for (const { start, end: to, text: put } of sorted) {
      if (offset < start + shift) break
      if (offset < start + shift + put.length) return Math.min(start + Math.max(0, offset - start - shift), to)
      shift += put.length - (to - start)
    }
    return Math.min(Math.max(0, offset - shift), source.length)
  }
  return { text: text + source.slice(end), original }
}

const insert = (at: number, text: string): Edit => ({ start: at, end: at, text })

/** Spaces in place of a text, its line ends kept. */
const blank = (file: Compiler.SourceFile, start: number, end: number): Edit => ({
  start,
  end,
  text: file.text.slice(start, end).replaceAll(/[^\n\r]/g, ' '),
})

function nameEdits(node: Compiler.Node, file: Compiler.SourceFile, folder: string): Edit[] {
  if (ts.isShorthandPropertyAssignment(node)) return [insert(node.name.end, `: ${node.name.text}`)]
  // tslab takes the property's name for the variable of an earlier cell that declares the type.
  if (ts.isBindingElement(node) && node.propertyName && ts.isIdentifier(node.propertyName)) return quoted(node.propertyName, file)
  if (ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) && isTarget(node.parent)) return quoted(node.name, file)
  if (ts.isVariableDeclaration(node) && !node.type && ts.isIdentifier(node.name)) {
    const name = importedBy(node.initializer)
    return name ? [insert(node.name.end, `: typeof import('${ownModule(name.text, folder) ?? name.text}')`)] : []
  }
  return []
}

const quoted = (name: Compiler.Identifier, file: Compiler.SourceFile): Edit[] => [insert(name.getStart(file), "'"), insert(name.end, "'")]

/** Whether an object literal is what values are assigned to. */
function isTarget(node: Compiler.Node): boolean {
  const { parent } = node
  if (ts.isBinaryExpression(parent)) {
    if (parent.operatorToken.kind !== ts.SyntaxKind.EqualsToken || parent.left !== node) return false
    return true
  }
  if (ts.isForOfStatement(parent) || ts.isForInStatement(parent)) return parent.initializer === node
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node && isTarget(parent.parent)
  if (ts.isArrayLiteralExpression(parent) || ts.isParenthesizedExpression(parent) || ts.isSpreadElement(parent)) return isTarget(parent)
  return false
}

/** The module's name in `await import('name')`. */
function importedBy(expression: Compiler.Expression | undefined): Compiler.StringLiteralLike | undefined {
  let inner: Compiler.Expression | undefined = expression
  while (inner && ts.isParenthesizedExpression(inner)) inner = inner.expression
  if (!inner || !ts.isAwaitExpression(inner)) return undefined
  inner = inner.expression
  while (ts.isParenthesizedExpression(inner)) inner = inner.expression
  if (!ts.isCallExpression(inner) || inner.expression.kind !== ts.SyntaxKind.ImportKeyword) return undefined
  const [name] = inner.arguments
  return name && ts.isStringLiteralLike(name) ? name : undefined
}

function exportEdits(node: Compiler.Node, file: Compiler.SourceFile): Edit[] {
  if (node.parent !== file) return []
  if (ts.isExportAssignment(node)) {
    const start = node.expression.getStart(file)
    return [blank(file, node.getStart(file), start), insert(start, '('), insert(node.expression.end, ')')]
  }
  if (ts.isExportDeclaration(node)) return exportListEdits(node, file)
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : []
  const exported = modifiers.filter(({ kind }) => kind === ts.SyntaxKind.ExportKeyword || kind === ts.SyntaxKind.DefaultKeyword)
  const edits = exported.map((modifier) => blank(file, modifier.getStart(file), modifier.end))
  const nameless = (ts.isClassDeclaration(node) || ts.isFunctionDeclaration(node)) && !node.name
  const last = exported.at(-1)
  return nameless && last ? [...edits, insert(last.end, '('), insert(node.end, ')')] : edits
}

function exportListEdits(node: Compiler.ExportDeclaration, file: Compiler.SourceFile): Edit[] {
  const start = node.getStart(file)
  if (node.moduleSpecifier) {
    if (node.exportClause) return [{ start, end: start + 'export'.length, text: 'import' }]
    return [{ ...blank(file, start, node.end), text: `import ${node.moduleSpecifier.getText(file)}` }] // names nothing here
  }
  const list = node.exportClause
  if (!list || !ts.isNamedExports(list)) return []
  const renamed = list.elements.filter(
    ({ propertyName, name }) => propertyName && propertyName.text !== name.text && name.text !== 'default',
  )
  const text = renamed.map(({ propertyName, name }) => `const ${name.text} = ${propertyName?.text};`).join(' ')
  const kept = blank(file, start, node.end)
  return [{ ...kept, text: text + kept.text.slice(text.length) }]
}

/** Names of modules, in imports and exports of every form. */
function moduleEdits(node: Compiler.Node, file: Compiler.SourceFile, folder: string): Edit[] {
  const name = moduleNameIn(node)
  const own = name && ownModule(name.text, folder)
  return name && own !== undefined ? [{ start: name.getStart(file) + 1, end: name.end - 1, text: own }] : []
}

function moduleNameIn(node: Compiler.Node): Compiler.StringLiteralLike | undefined {
  let name: Compiler.Node | undefined
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) name = node.moduleSpecifier
  else if (ts.isExternalModuleReference(node)) name = node.expression
  else if (ts.isImportTypeNode(node)) name = ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined
  else if (ts.isCallExpression(node)) {
    const { expression } = node
    const loads = expression.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(expression) && expression.text === 'require')
    name = loads ? node.arguments[0] : undefined
  }
  return name && ts.isStringLiteralLike(name) ? name : undefined
}

/** The name by which a module of ours is imported, or undefined if it is none. */
function ownModule(name: string, folder: string): string | undefined {
  if (tfjsModules.includes(name)) return tfjsModules[0] // the one whose types are there
  if (!/^\.{0,2}\//.test(name)) return undefined
  const path = resolve(folder, name).replace(/\.[jt]s$/, '')
  const inLib = relative(lib, path)
  if (inLib.startsWith('..') || inLib === '') return inLib === '' ? 'makemoe' : undefined
  if (inLib === 'index' || inLib === join('dist', 'index')) return 'makemoe'
  const compiled = inLib.startsWith(`dist/`) ? inLib.slice('dist/'.length) : inLib
  const found = ['', '/index'].find((end) => existsSync(join(lib, 'dist', `${compiled}${end}.js`)))
  return found === undefined ? undefined : `makemoe/dist/${compiled}${found}`
}
