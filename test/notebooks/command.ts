/** `npm run notebooks`: the command and its options. */
import type { Command } from 'commander'
import { isOneOf } from 'makemoe/dist/base/assertions'
import { ConfigError } from 'makemoe/dist/base/errors'
import { setup } from 'makemoe/dist/cli/setup/setup'
import { notebookNames } from './expectations'

export function register(program: Command): void {
  program
    .command('notebooks')
    .description('run the notebooks in a real kernel and check what they show')
    .argument('[names...]', 'which; default: all')
    .option('--full', 'train in full, add pictures (needs Chromium) and keep the outputs')
    .option('--pictures', 'run nothing: renew the pictures of the outputs that are kept (needs Chromium)')
    .action(async (names: string[], options: { full?: boolean; pictures?: boolean }) => {
      const unknown = names.find((name) => !isOneOf(notebookNames, name))
      if (unknown !== undefined) throw new ConfigError(`notebooks: got ${unknown}, expected some of ${notebookNames.join(', ')}`)
      const chosen = names.length > 0 ? notebookNames.filter((name) => names.includes(name)) : notebookNames
      const { renewPictures, runNotebooks } = await import('./run')
      if (options.pictures) return await renewPictures(chosen)
      await setup({ jupyter: true, text: true })
      await runNotebooks(chosen, options.full ?? false)
    })
}
