/** The declarations that the next cell is compiled against, as TypeScript's own text: which of them are kept after a cell that failed. */
import type * as Compiler from '@tslab/typescript-for-tslab'
import { ts } from './typescript'

/** The declarations in a text whose names are wanted. */
function select(text: string, wanted: (name: string, statement: Compiler.Statement) => boolean): string {
  const file = ts.createSourceFile('cells.d.ts', text, ts.ScriptTarget.ESNext, true)
  const kept = file.statements.flatMap((statement) => {
    const names = namesOf(statement)
    const those = names.filter((name) => wanted(name, statement))
    if (those.length === names.length) return [text.slice(statement.pos, statement.end)]
    return those.length === 0 ? [] : [narrowed(statement, new Set(those), file)]
  })
  return kept.map((part) => `${part.trim()}\n`).join('')
}

function namesOf(statement: Compiler.Statement): string[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.getText())
  if (ts.isImportDeclaration(statement)) {
    const { name, namedBindings } = statement.importClause ?? {}
    const bound = namedBindings && ts.isNamespaceImport(namedBindings) ? [namedBindings] : (namedBindings?.elements ?? [])
    return [...(name ? [name.text] : []), ...bound.map((binding) => binding.name.text)]
  }
  const { name } = statement as Compiler.Statement & { readonly name?: Compiler.Identifier } // classes, functions, enums, types, namespaces
  return name ? [name.text] : []
}

/** A statement that declares several names, of which some are kept. */
function narrowed(statement: Compiler.Statement, names: ReadonlySet<string>, file: Compiler.SourceFile): string {
  const f = ts.factory
  const print = (node: Compiler.Node): string => ts.createPrinter().printNode(ts.EmitHint.Unspecified, node, file)
  if (ts.isVariableStatement(statement)) {
    const { declarations, flags } = statement.declarationList
    const kept = declarations.filter(({ name }) => names.has(name.getText()))
    return print(f.createVariableStatement(statement.modifiers, f.createVariableDeclarationList(kept, flags)))
  }
  if (!ts.isImportDeclaration(statement) || !statement.importClause) return statement.getText()
  const { isTypeOnly, name, namedBindings: bound } = statement.importClause
  const keptName = name && names.has(name.text) ? name : undefined
  const keptBound =
    bound && ts.isNamedImports(bound) ? f.createNamedImports(bound.elements.filter((element) => names.has(element.name.text))) : bound
  const clause = f.createImportClause(isTypeOnly, keptName, keptBound)
  return print(f.createImportDeclaration(statement.modifiers, clause, statement.moduleSpecifier, statement.assertClause))
}

/**
 * After a cell that failed: what it came to declare, and what was there before of the rest.
 * @param before the declarations before it
 * @param after those had it not failed
 * @param missing names that it would have declared and did not reach
 */
export function withoutMissing(before: string, after: string, missing: ReadonlySet<string>): string {
  return select(after, (name) => !missing.has(name)) + select(before, (name) => missing.has(name))
}

/** tslab forgets namespaces of earlier cells: adds those that the cell does not declare again. */
export function withNamespaces(before: string, after: string, declared: ReadonlySet<string>): string {
  if (!/\bnamespace\b|\bmodule\b/.test(before)) return after
  const kept = select(before, (name, statement) => ts.isModuleDeclaration(statement) && !declared.has(name))
  return (
    after +
    kept
      .split(/(?<=^})\n/m)
      .filter((part) => !after.includes(part))
      .join('\n')
  )
}
