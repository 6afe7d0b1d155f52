/** A person's TypeScript file is checked against the types of lib, as the kernel checks a cell: with the compiler that tslab brings. */
import { dirname, join, resolve } from 'node:path'
import { ConfigError } from '../base/errors'

/** A file of plain JavaScript is not checked. */
const isTypeScript = (file: string): boolean => /\.[mc]?tsx?$/.test(file)

/** A module without types, or one that is not there, which running the file says. */
const moduleNotFound: readonly number[] = [2307, 2792, 7016]

/** Node's types, where they are installed. */
function nodeTypes(): { readonly typeRoots: string[]; readonly types: string[] } {
  try {
    return { typeRoots: [join(dirname(require.resolve('@types/node/package.json')), '..')], types: ['node'] }
  } catch {
    return { typeRoots: [], types: [] }
  }
}

/**
 * Checks a file and what it imports.
 * @param what the file is, for the message
 * @throws ConfigError that names file, line and what is wrong
 */
export function checkTypes(file: string, what: string): void {
  if (!isTypeScript(file)) return
  const ts: typeof import('typescript') = require('@tslab/typescript-for-tslab')
  const lib = join(__dirname, '..')
  const program = ts.createProgram([resolve(file)], {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts'], // without the DOM: half the time
    module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Node10,
    strict: true,
    noImplicitAny: false, // what runs is not refused for a type that nobody wrote
    skipLibCheck: true,
    noEmit: true,
    esModuleInterop: true,
    resolveJsonModule: true,
    paths: { makemoe: [join(lib, 'index')], 'makemoe/dist/*': [join(lib, '*')] },
    ...nodeTypes(),
  })
  const own = program.getSourceFiles().filter((source) => !source.isDeclarationFile && !/node_modules/.test(source.fileName))
  for (const source of own) {
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    const first = found.find(({ code }) => !moduleNotFound.includes(code))
    if (!first) continue
    const { line } = source.getLineAndCharacterOfPosition(first.start ?? 0)
    const shown = source.fileName === resolve(file) ? file : source.fileName
    throw new ConfigError(
      `${what}: ${shown}, line ${line + 1}: ${ts.flattenDiagnosticMessageText(first.messageText, ' ').replace(/\s+/g, ' ')}`,
    )
  }
}
