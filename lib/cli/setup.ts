/** `makemoe setup`: installs what the commands need. */
import type { Command } from 'commander'
import { isInstalled } from '../base/installed'
import { requireGpu } from './gpu'
import { addCommand } from './options'
import { setup } from './setup/setup'

export function register(program: Command): void {
  const command = addCommand(program, 'setup', 'install what the commands need: TensorFlow, the text, JupyterLab')
  if (isInstalled()) command.option('--jupyter', 'JupyterLab and the TypeScript kernel too, as start brings them')
  command.option('--gpu', "take TensorFlow's CUDA build").action(async (options: { gpu?: boolean; jupyter?: boolean }) => {
    await setup({ text: true, ...options, jupyter: options.jupyter ?? !isInstalled() })
    if (options.gpu) requireGpu()
    console.log('ready')
  })
}
