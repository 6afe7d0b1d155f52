/**
 * Cells import lib as it was compiled and as this process loaded it. In a checkout a person may edit lib beside the notebook: a cell then says
 * that it runs the code from before.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isInstalled, packageRoot } from '../../base/installed'

const changedAt = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0

const buildInfos = ['dist/tsconfig.tsbuildinfo', 'dist/show/page/tsconfig.tsbuildinfo']

/** Whether a cell's JavaScript imports lib. */
const importsLib = (code: string): boolean => /\brequire\(["']makemoe["'/]/.test(code)

export class StaleBuild {
  /** When the build that this process has loaded was made. */
  private build: number
  /** The build of which a cell that does not import lib has said that it came later. */
  private said = 0

  /**
   * @param lib its folder
   * @param isLoaded whether this process has loaded what cells import
   */
  constructor(
    private readonly isLoaded: () => boolean,
    private readonly lib = packageRoot,
  ) {
    this.build = this.builtAt()
  }

  /** What to say before a cell runs, if it will run other code of lib than the files hold. @param code the cell's JavaScript */
  note(code: string): string | undefined {
    const built = this.builtAt()
    if (!this.isLoaded()) this.build = built
    const imports = importsLib(code)
    const edited = imports ? this.editedSince(built) : undefined
    if (edited !== undefined)
      return `${edited} was edited after lib was compiled, and runs as it was: \`npm run build\`, then restart the kernel`
    if (built === this.build || (!imports && this.said === built)) return undefined
    if (!imports) this.said = built
    return 'lib was compiled again since this kernel loaded it, and runs as it was: restart the kernel'
  }

  private builtAt(): number {
    return Math.max(...buildInfos.map((file) => changedAt(join(this.lib, file))))
  }

  /** The source file that was edited last, if that was after a time; a path from the project's folder. */
  private editedSince(time: number): string | undefined {
    const files = readdirSync(this.lib, { withFileTypes: true })
      .filter((entry) => entry.name !== 'dist' && entry.name !== 'docs' && entry.name !== 'node_modules')
      .flatMap((entry) => {
        if (!entry.isDirectory()) return [entry.name]
        return readdirSync(join(this.lib, entry.name), { recursive: true, encoding: 'utf8' }).map((name) => join(entry.name, name))
      })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => ({ name, at: changedAt(join(this.lib, name)) }))
    const last = files.reduce((a, b) => (b.at > a.at ? b : a), { name: '', at: 0 })
    return last.at > time ? join('lib', last.name) : undefined
  }
}

/** The watch of this lib; undefined for an installed package, which nobody edits. */
export function watchBuild(): StaleBuild | undefined {
  return isInstalled() ? undefined : new StaleBuild(() => require.cache[join(packageRoot, 'dist/index.js')] !== undefined)
}
