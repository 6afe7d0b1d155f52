/** JupyterLab on this machine alone, with its token on, opened on the notebooks. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { paths, projectRoot } from './setup/paths'

/**
 * Runs JupyterLab until it ends.
 * @returns its exit status
 */
export function startJupyter(browser: boolean): Promise<number> {
  const args = ['lab', '--ip=127.0.0.1', `--notebook-dir=${join(projectRoot(), 'notebooks')}`, ...(browser ? [] : ['--no-browser'])]
  if (process.getuid?.() === 0) args.push('--allow-root')
  const child = spawn(paths.jupyter(), args, { cwd: projectRoot(), stdio: 'inherit' })
  process.on('SIGINT', () => {}) // Jupyter gets it too, and asks
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)))
}
