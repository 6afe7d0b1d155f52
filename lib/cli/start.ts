/** `makemoe start`: the notebooks in JupyterLab. */
import type { Command } from 'commander'
import { requireGpu } from './gpu'
import { startJupyter } from './jupyter'
import { addCommand } from './options'
import { setup } from './setup/setup'

export function register(program: Command): void {
  addCommand(program, 'start', 'set up what is missing and open the notebooks')
    .option('--no-browser', 'do not open a browser; print the address')
    .option('--gpu', 'insist on a GPU')
    .action(async ({ browser, gpu }: { browser: boolean; gpu?: boolean }) => {
      await setup({ jupyter: true, text: true, ...(gpu ? { gpu } : {}) })
      if (gpu) requireGpu()
      process.exitCode = await startJupyter(browser)
    })
}
