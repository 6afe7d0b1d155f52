/** Whether lib is part of the project or a package that somebody installed: commands are called, and files found, in another way then. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** lib in the project, `node_modules/makemoe` where it is installed. */
export const packageRoot = join(__dirname, '../..')

/** Whether lib is an installed package: the project's start script is not part of it. */
export const isInstalled = (): boolean => !existsSync(join(packageRoot, 'cli', 'bootstrap.mjs'))

/**
 * How a person types one of the commands: `npm run train -- --steps 3`, or `npx makemoe train --steps 3`.
 * @param options what follows its name
 */
export function commandLine(name: string, options = ''): string {
  if (isInstalled()) return `npx makemoe ${name}${options && ` ${options}`}`
  return `npm run ${name}${options && ` -- ${options}`}`
}
