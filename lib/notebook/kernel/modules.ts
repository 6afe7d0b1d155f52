/**
 * What cells, and a person's files that cells import, get when they require a module: TypeScript files compiled on the way, read again when
 * one of them changed, and lib's TensorFlow in place of every other copy of tfjs (gradients and tensors of two copies do not mix).
 */
import { readFileSync, statSync } from 'node:fs'
import Module, { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { tfjsModule, tfjsModules } from '../../engine/tensor/tfjs-modules'
import { keepScript } from './places'
import { rewrite } from './rewriting'
import { ts } from './typescript'

/** Node's module loader; these parts have no declaration. */
interface Loader {
  _load(request: string, parent: Module | undefined, isMain: boolean): unknown
  readonly _extensions: Record<string, (module: Module & { _compile(code: string, file: string): void }, file: string) => void>
}

const loader = Module as unknown as Loader
const lib = dirname(require.resolve('makemoe/package.json'))

/** When each of the person's files was changed last, as it was loaded. */
const loadedAt = new Map<string, number>()

const changedAt = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0

function compile(file: string): string {
  const source = readFileSync(file, 'utf8')
  const { outputText, sourceMapText = '' } = ts.transpileModule(rewrite(source, dirname(file), 'file').text, {
    fileName: file,
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      esModuleInterop: true,
      experimentalDecorators: true,
      sourceMap: true,
    },
  })
  keepScript(file, sourceMapText)
  return outputText.replace(/\n?\/\/# sourceMappingURL=\S*\s*$/, '')
}

/** Whether a module belongs to a person, and not to lib or a package. */
const isOwn = (file: string | undefined): boolean =>
  file === undefined || !(file.includes(`${sep}node_modules${sep}`) || file.startsWith(join(lib, 'dist') + sep))

/** Makes Node load TypeScript files and one TensorFlow. */
export function changeLoader(): void {
  const load = loader._load
  loader._load = function (request, parent, isMain) {
    return tfjsModules.includes(request) && isOwn(parent?.filename) ? tfjsModule() : load.call(this, request, parent, isMain)
  }
  loader._extensions['.ts'] = (module, file) => {
    loadedAt.set(file, changedAt(file))
    module._compile(compile(file), file)
  }
}

/** Forgets the person's files if one of them changed: all of them, since they may hold what the changed one exports. */
export function forgetChangedFiles(): void {
  if (![...loadedAt].some(([file, at]) => changedAt(file) !== at)) return
  for (const file of loadedAt.keys()) delete require.cache[file]
  loadedAt.clear()
}

/** `require` of the cells. @param inMemory modules that cells declared (`@module`), by path */
export function cellRequire(folder: string, inMemory: ReadonlyMap<string, string>): NodeJS.Require {
  const own = createRequire(join(folder, 'cell.js'))
  const loaded = new Map<string, { code: string; module: Module }>()
  const load = ((id: string): unknown => {
    if (id === 'tslab') return require('tslab')
    const path = join(folder, id.endsWith('.js') ? id : `${id}.js`)
    const code = inMemory.get(path)
    if (code === undefined) return own(id)
    const known = loaded.get(path)
    if (known?.code === code) return known.module.exports
    const module = new Module(path) as Module & { _compile(code: string, file: string): void }
    module.filename = path
    module.require = load as NodeJS.Require
    loaded.set(path, { code, module })
    module._compile(code, path)
    return module.exports
  }) as NodeJS.Require
  return Object.assign(load, { resolve: own.resolve, cache: own.cache, main: own.main, extensions: own.extensions })
}
