/** JupyterLab on this machine alone, with its token on, opened on the notebooks. */
import { runInForeground } from './child'
import { ownEnvironment } from './setup/environment'
import { paths, projectRoot } from './setup/paths'

/**
 * Runs JupyterLab until it ends.
 * @returns its exit status
 */
export function startJupyter(browser: boolean): Promise<number> {
  const args = ['lab', '--ip=127.0.0.1', `--notebook-dir=${paths.notebooks()}`, ...(browser ? [] : ['--no-browser'])]
  if (process.getuid?.() === 0) args.push('--allow-root')
  return runInForeground(paths.jupyter(), args, { cwd: projectRoot(), env: ownEnvironment() })
}
