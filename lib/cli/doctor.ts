/** `makemoe doctor`: one page about the machine and what is installed, to paste into a bug report, with a remedy where something is wrong. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { isInstalled, packageRoot } from '../base/installed'
import { type Examination, type Finding, find, page } from './doctor/findings'
import { machineExaminations } from './doctor/machine'
import { softwareExaminations } from './doctor/software'
import { speedExaminations } from './doctor/speed'
import { addCommand } from './options'
import { paths } from './setup/paths'

export function register(program: Command): void {
  addCommand(
    program,
    'doctor',
    'one page to paste into a bug report: machine, installation, speed, and what to do where something is wrong',
  )
    .option('--quick', 'leave out what takes seconds: the speed of a product and of a training step')
    .action(async ({ quick = false }: { quick?: boolean }) => {
      process.exitCode = await examine(quick)
    })
}

/** The nearest folder above a path that is there. */
const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)))

function title(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
  if (isInstalled()) return `makemoe ${version}, an installed package`
  const commit = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: packageRoot, encoding: 'utf8' }).stdout?.trim()
  return `makemoe ${version}, ${commit ? `commit ${commit}` : 'no git repository'}`
}

/** Prints the page. @returns the exit status: 1 where something is wrong */
async function examine(quick: boolean): Promise<number> {
  const examinations: Examination[] = [
    ...machineExaminations(existing(paths.environment())),
    ...softwareExaminations,
    ...(quick ? [] : speedExaminations),
  ]
  const findings: Finding[] = []
  for (const examination of examinations) findings.push(await find(examination))
  console.log(page(title(), findings, homedir()))
  return findings.some(({ remedy }) => remedy !== undefined) ? 1 : 0
}
