/** JupyterLab on this machine alone, with its token on, opened on the first notebook. */
import { join } from 'node:path'
import { writeFileAtomic } from '../base/files'
import { runInForeground } from './child'
import { ownEnvironment } from './setup/environment'
import { paths, projectRoot } from './setup/paths'

const firstNotebook = 'makeMoE_from_Scratch.ipynb'

/** What JupyterLab does unless the person set something else: whole file names in the list, and no question about news. */
const settings = {
  '@jupyterlab/apputils-extension:notification': { fetchNews: 'false', checkForUpdates: false },
  '@jupyterlab/filebrowser-extension:browser': { showLastModifiedColumn: false, showFileSizeColumn: false },
}

/**
 * Runs JupyterLab until it ends.
 * @returns its exit status
 */
export function startJupyter(browser: boolean): Promise<number> {
  const folder = paths.notebooks()
  writeFileAtomic(join(paths.environment(), 'share/jupyter/lab/settings/overrides.json'), `${JSON.stringify(settings, null, 2)}\n`)
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
  return runInForeground(paths.jupyter(), args, { cwd: projectRoot(), env: ownEnvironment() })
}
