/** `makemoe setup`: installs what the project needs. */
import type { Command } from 'commander'
import { requireGpu } from './gpu'
import { addCommand } from './options'
import { setup } from './setup/setup'

export function register(program: Command): void {
  addCommand(program, 'setup', 'install what the project needs: TensorFlow, JupyterLab, the text')
    .option('--gpu', "take TensorFlow's CUDA build")
    .action(async (options: { gpu?: boolean }) => {
      await setup({ jupyter: true, text: true, ...options })
      if (options.gpu) requireGpu()
      console.log('ready')
    })
}
