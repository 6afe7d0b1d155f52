/** JupyterLab on this machine alone, with its token on, opened on the first notebook. */
import { join } from 'node:path'
import { runInForeground } from './child'
import { writeLabDefaults } from './lab-defaults'
import { ownEnvironment } from './setup/environment'
import { paths, projectRoot } from './setup/paths'

const firstNotebook = 'makeMoE_from_Scratch.ipynb'

/**
 * Runs JupyterLab until it ends.
 * @returns its exit status
 */
export function startJupyter(browser: boolean): Promise<number> {
  const folder = paths.notebooks()
  const lab = join(paths.environment(), 'share/jupyter/lab')
  // The project's own layouts: those in a person's home are of other folders.
  const workspaces = process.env.JUPYTERLAB_WORKSPACES_DIR ?? join(lab, 'workspaces')
  writeLabDefaults(join(lab, 'settings'), workspaces)
  // Jupyter Server drops what a cell prints beyond a rate; our kernel has a limit of its own.
  const rates = ['data', 'msg'].map((what) => `--ZMQChannelsWebsocketConnection.iopub_${what}_rate_limit=100000000`)
  const args = [
    'lab',
    join(folder, firstNotebook),
    '--ip=127.0.0.1',
    `--notebook-dir=${folder}`,
    ...rates,
    ...(browser ? [] : ['--no-browser']),
  ]
  if (process.getuid?.() === 0) args.push('--allow-root')
  return runInForeground(paths.jupyter(), args, { cwd: projectRoot(), env: { ...ownEnvironment(), JUPYTERLAB_WORKSPACES_DIR: workspaces } })
}
