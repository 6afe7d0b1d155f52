/** What JupyterLab does in this project unless the person set something else: whole file names in the list, and no question about news. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../base/files'

const settings = {
  '@jupyterlab/apputils-extension:notification': { fetchNews: 'false', checkForUpdates: false },
  '@jupyterlab/filebrowser-extension:browser': { showLastModifiedColumn: false, showFileSizeColumn: false },
}

/** The list of files takes 250 px unless a layout says otherwise; the longest name needs 400 of 1280. In parts of the window: list, notebook, right. */
const layout = {
  relativeSizes: [0.335, 0.665, 0],
  left: { collapsed: false, visible: true, current: 'filebrowser', widgets: ['filebrowser'] },
}
const workspace = { data: { 'layout-restorer:data': layout }, metadata: { id: 'default' } }

/** JupyterLab's own name of the file of the workspace that it opens. */
const workspaceFile = 'default-37a8.jupyterlab-workspace'

/**
 * @param settingsFolder the application's settings, which a person's own override
 * @param workspacesFolder where JupyterLab keeps layouts: one that is there stays
 */
export function writeLabDefaults(settingsFolder: string, workspacesFolder: string): void {
  writeFileAtomic(join(settingsFolder, 'overrides.json'), `${JSON.stringify(settings, null, 2)}\n`)
  const file = join(workspacesFolder, workspaceFile)
  if (!existsSync(file)) writeFileAtomic(file, `${JSON.stringify(workspace)}\n`)
}
