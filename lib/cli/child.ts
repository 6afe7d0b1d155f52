/** A program in the foreground: it has the terminal, and ends with this process. */
import { type SpawnOptions, spawn } from 'node:child_process'

/**
 * Runs a program until it ends; SIGTERM is passed on to it, and it gets Ctrl-C from the terminal itself.
 * @returns its exit status
 */
export function runInForeground(program: string, args: readonly string[], options: SpawnOptions): Promise<number> {
  const child = spawn(program, args, { ...options, stdio: 'inherit' })
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}
