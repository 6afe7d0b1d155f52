/**
 * What the compiler adds to a cell's JavaScript: a check after each `await`, at the head of each loop, and where a function begins, which
 * throws if the run that the code belongs to was interrupted (interrupts.ts). And it leaves out the line that would set every name of the
 * cell to undefined before the cell has come so far.
 */
import type * as Compiler from '@tslab/typescript-for-tslab'

/** What a cell's code knows the checks by. */
export const checkName = '__makemoeInterrupts'

type Ts = typeof Compiler

/** A transformer of JavaScript that adds the checks. @param names gets every name that the cell exports */
export function withChecks(ts: Ts, names: Set<string>): Compiler.TransformerFactory<Compiler.SourceFile> {
  return (context) => (file) => {
    const f = context.factory
    const checks = f.createIdentifier(checkName)
    const call = (...args: Compiler.Expression[]): Compiler.Expression =>
      f.createCallExpression(f.createPropertyAccessExpression(checks, 'check'), undefined, args)
    /** `interrupts.pending && interrupts.check()` */
    const check = (when: 'pending' | 'arriving' = 'pending'): Compiler.Expression =>
      f.createLogicalAnd(f.createPropertyAccessExpression(checks, when), call())
    const checkFirst = (body: Compiler.Statement, when: 'pending' | 'arriving'): Compiler.Block => {
      const statements = ts.isBlock(body) ? body.statements : [body]
      return f.createBlock([f.createExpressionStatement(check(when)), ...statements], true)
    }
    const bodies = new WeakSet<Compiler.Node>()
    const visit = (node: Compiler.Node): Compiler.Node => {
      const body = bodyOf(ts, node)
      if (body) bodies.add(body)
      const inner = ts.visitEachChild(node, visit, context)
      if (ts.isAwaitExpression(inner)) return call(inner)
      if (ts.isIterationStatement(inner, false))
        return withBody(f, ts, inner, checkFirst(inner.statement, awaits(ts, node) ? 'pending' : 'arriving'))
      if (ts.isArrowFunction(inner) && !ts.isBlock(inner.body))
        return f.updateArrowFunction(
          inner,
          inner.modifiers,
          inner.typeParameters,
          inner.parameters,
          inner.type,
          inner.equalsGreaterThanToken,
          f.createParenthesizedExpression(f.createComma(check(), inner.body)),
        )
      if (ts.isBlock(inner) && bodies.has(node)) {
        const directives = inner.statements.findIndex(
          (statement) => !ts.isExpressionStatement(statement) || !ts.isStringLiteral(statement.expression),
        )
        const at = directives < 0 ? inner.statements.length : directives
        return f.updateBlock(inner, [...inner.statements.slice(0, at), f.createExpressionStatement(check()), ...inner.statements.slice(at)])
      }
      return inner
    }
    const statements = file.statements.filter(
      (statement) => !(ts.isExpressionStatement(statement) && setsToUndefined(ts, statement.expression, names)),
    )
    const own = statements.map((statement) => (isHelper(ts, statement) ? statement : (visit(statement) as Compiler.Statement)))
    return f.updateSourceFile(file, own)
  }
}

/** TypeScript's own `var __importStar = ...`. */
function isHelper(ts: Ts, statement: Compiler.Statement): boolean {
  const name = ts.isVariableStatement(statement) ? statement.declarationList.declarations[0]?.name : undefined
  return name !== undefined && ts.isIdentifier(name) && /^__[a-z]\w*$/i.test(name.text) && name.pos < 0
}

/** Whether it is `exports.a = exports.b = void 0`, which the compiler puts first; its names are added to `names`. */
function setsToUndefined(ts: Ts, expression: Compiler.Expression, names: Set<string>): boolean {
  if (expression.pos >= 0 || !ts.isBinaryExpression(expression) || expression.operatorToken.kind !== ts.SyntaxKind.EqualsToken) return false
  const { left, right } = expression
  if (!ts.isPropertyAccessExpression(left) || !ts.isIdentifier(left.expression) || left.expression.text !== 'exports') return false
  if (!ts.isVoidExpression(right) && !setsToUndefined(ts, right, names)) return false
  names.add(left.name.text)
  return true
}

/** The body of a function that is no constructor and no accessor. */
function bodyOf(ts: Ts, node: Compiler.Node): Compiler.Node | undefined {
  const checked =
    ts.isFunctionDeclaration(node) || ts.isFunctionExpression(node) || ts.isArrowFunction(node) || ts.isMethodDeclaration(node)
  return checked ? node.body : undefined
}

/** Whether there is an `await` in it that no function within it holds. */
function awaits(ts: Ts, loop: Compiler.Node): boolean {
  if (ts.isForOfStatement(loop) && loop.awaitModifier) return true
  const found = (node: Compiler.Node): boolean => {
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) return true
    return ts.isFunctionLike(node) ? false : (ts.forEachChild(node, (child) => found(child) || undefined) ?? false)
  }
  return ts.forEachChild(loop, (child) => found(child) || undefined) ?? false
}

function withBody(f: Compiler.NodeFactory, ts: Ts, loop: Compiler.IterationStatement, body: Compiler.Block): Compiler.Statement {
  if (ts.isForStatement(loop)) return f.updateForStatement(loop, loop.initializer, loop.condition, loop.incrementor, body)
  if (ts.isForOfStatement(loop)) return f.updateForOfStatement(loop, loop.awaitModifier, loop.initializer, loop.expression, body)
  if (ts.isForInStatement(loop)) return f.updateForInStatement(loop, loop.initializer, loop.expression, body)
  if (ts.isWhileStatement(loop)) return f.updateWhileStatement(loop, loop.expression, body)
  if (ts.isDoStatement(loop)) return f.updateDoStatement(loop, body, loop.expression)
  return loop
}
