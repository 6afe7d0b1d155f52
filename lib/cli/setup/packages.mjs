// The npm packages: what the lock file wants, what is there, and how npm is called. A person's settings (npmrc, npm_config_*, NODE_ENV) say where
// packages come from: registry, proxy, cache, certificates. What is installed, and where, is the lock file's.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** For npm, whose command line wins over every file and variable. */
export const npmArguments = [
  'ci',
  ...['include=dev', 'include=optional', 'include=peer', 'global=false', 'dry-run=false', 'package-lock=true', 'package-lock-only=false'],
  ...['install-strategy=hoisted', 'install-links=false', 'bin-links=true', 'workspaces=true', 'include-workspace-root=true'],
  ...['ignore-scripts=true', 'audit=false', 'fund=false', 'loglevel=error'],
].map((option, i) => (i === 0 ? option : `--${option}`))

/** Without what no argument of npm's overrides. */
export function npmEnvironment({ NODE_ENV, npm_config_workspace, npm_config_workspaces, npm_config_prefix, ...env } = process.env) {
  return env
}

/** The packages of a folder's lock file. */
export class Packages {
  /** @param {string} root */
  constructor(root) {
    this.root = root
    this.lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
    this.stamp = join(root, 'node_modules/.makemoe-packages')
    this.hash = createHash('sha256').update(this.lock).digest('hex')
  }

  /** Those that this machine needs and does not have. */
  missing() {
    const needed = ({ optional, os, cpu, libc }) =>
      !optional || (os?.includes(process.platform) && cpu?.includes(process.arch) && libc === undefined)
    const all = Object.entries(JSON.parse(this.lock).packages).filter(([path, entry]) => path !== '' && needed(entry))
    return all.map(([path]) => path).filter((path) => !existsSync(join(this.root, path, 'package.json')))
  }

  /** Whether these packages were installed, and are still there. */
  installed() {
    return existsSync(this.stamp) && readFileSync(this.stamp, 'utf8') === this.hash && this.missing().length === 0
  }

  /** Before an installation; `note` comes last. */
  forget() {
    rmSync(this.stamp, { force: true })
  }

  note() {
    writeFileSync(this.stamp, this.hash)
  }
}
