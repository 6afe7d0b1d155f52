/**
 * A person's TypeScript file is checked against the types of lib, as the kernel checks a cell: with the compiler that tslab brings. A first
 * look goes without the types that few files need; only a name that it does not find takes the whole check, which is twice as long.
 */
import { basename, dirname, join, resolve } from 'node:path'
import type * as TypeScript from 'typescript'
import { ConfigError } from '../base/errors'

/** A file of plain JavaScript is not checked. */
const isTypeScript = (file: string): boolean => /\.[mc]?tsx?$/.test(file)

/** A module without types, or one that is not there, which running the file says. */
const moduleNotFound: readonly number[] = [2307, 2792, 7016]
/** What types that are left out may lead to: a module, a name, a member or an export that is not found. */
const notFound: readonly number[] = [...moduleNotFound, 2304, 2305, 2339, 2503, 2551, 2552, 2580, 2584, 2591, 2694]
/** Types that the first look leaves out, besides Node's: half of all that would be read. */
const seldomUsed = /\/zod\/v4\/locales\/|\/@webgpu\/|\/@tensorflow\/tfjs-(layers|data|converter|backend-\w+)\//

/** Node's types, where they are installed. */
function nodeTypes(): { readonly typeRoots: string[]; readonly types: string[] } {
  try {
    return { typeRoots: [join(dirname(require.resolve('@types/node/package.json')), '..')], types: ['node'] }
  } catch {
    return { typeRoots: [], types: [] }
  }
}

/** An error of the compiler, at a place in a person's file. */
interface Found {
  readonly code: number
  readonly file: string
  readonly line: number
  readonly message: string
}

/** The first error in a file and in what it imports, in the order of the files; `whole`: with all types. */
function firstError(file: string, expected: Readonly<Record<string, string>>, whole: boolean): Found | undefined {
  const ts: typeof TypeScript = require('@tslab/typescript-for-tslab')
  const lib = join(__dirname, '..')
  const options: TypeScript.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts'], // without the DOM: half the time
    module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Node10,
    strict: true,
    noImplicitAny: false, // what runs is not refused for a type that nobody wrote
    skipLibCheck: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    esModuleInterop: true,
    resolveJsonModule: true,
    paths: { makemoe: [join(lib, 'index')], 'makemoe/dist/*': [join(lib, '*')] },
    ...(whole ? nodeTypes() : { types: [] }),
  }
  // Beside the file, as if it lay there: each export has the type that is expected of its name, whether a person wrote it or not.
  const names = Object.keys(expected)
  const beside = join(dirname(resolve(file)), '.makemoe-check.ts')
  const uses = names.map((name) => `{ const it: import('makemoe').${expected[name]} = module.${name} }`)
  const check = [`import * as module from './${basename(file)}'`, ...uses].join('\n')
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (name) => name === beside || ((whole || !seldomUsed.test(name)) && fileExists(name))
  host.readFile = (name) => (name === beside ? check : readFile(name))
  host.getSourceFile = (name, ...rest) =>
    name === beside ? ts.createSourceFile(name, check, ts.ScriptTarget.ES2022) : getSourceFile(name, ...rest)
  const program = ts.createProgram([resolve(file), beside], options, host)

  const found = (source: TypeScript.SourceFile, { code, start = 0, messageText }: TypeScript.Diagnostic): Found => ({
    code,
    file: source.fileName === resolve(file) ? file : source.fileName,
    line: source.getLineAndCharacterOfPosition(start).line,
    message: ts.flattenDiagnosticMessageText(messageText, ' ').replace(/\s+/g, ' '),
  })
  const errorsOf = (source: TypeScript.SourceFile): readonly TypeScript.Diagnostic[] => [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source),
  ]
  const sources = program.getSourceFiles().filter(({ isDeclarationFile, fileName }) => !isDeclarationFile && !/node_modules/.test(fileName))
  for (const source of sources.filter(({ fileName }) => fileName !== beside)) {
    const first = errorsOf(source).find(({ code }) => !(whole && moduleNotFound.includes(code)))
    if (first) return found(source, first)
  }
  const source = program.getSourceFile(beside)
  const checker = program.getTypeChecker()
  const root = program.getSourceFile(resolve(file))
  const exported = root && checker.getSymbolAtLocation(root)
  if (!source || !exported) return undefined // a file without exports, which whoever needs them says
  for (const symbol of checker.getExportsOfModule(exported)) {
    const first = errorsOf(source).find(({ start }) => names[source.getLineAndCharacterOfPosition(start ?? 0).line - 1] === symbol.name)
    const at = symbol.declarations?.[0]
    if (first && at)
      return {
        ...found(at.getSourceFile(), { ...first, start: at.getStart() }),
        message: `${symbol.name}: ${found(source, first).message}`,
      }
  }
  return undefined
}

/**
 * Checks a file and what it imports.
 * @param what the file is, for the message
 * @param expected types that lib exports, by the names of the file's exports that must have them
 * @throws ConfigError that names file, line and what is wrong
 */
export function checkTypes(file: string, what: string, expected: Readonly<Record<string, string>> = {}): void {
  if (!isTypeScript(file)) return
  let error = firstError(file, expected, false)
  if (error && notFound.includes(error.code)) error = firstError(file, expected, true)
  if (error) throw new ConfigError(`${what}: ${error.file}, line ${error.line + 1}: ${error.message}`)
}
