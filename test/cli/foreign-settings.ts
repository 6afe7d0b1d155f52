/** A machine on which everything is set that was found to break a set-up. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, vi } from 'vitest'

/** @returns the folder of its files, its variables, and what sets them until the test has ended; to be called once in a file of tests */
export function foreignSettings() {
  const scratch = mkdtempSync(join(tmpdir(), 'makemoe-environment-'))
  const machine: Readonly<Record<string, string>> = {
    NODE_ENV: 'production',
    PYTHONPATH: join(scratch, 'old'),
    PYTHONHOME: join(scratch, 'nowhere'),
    PYTHONSTARTUP: join(scratch, 'nowhere.py'),
    PYTHONWARNINGS: 'error',
    PYTHONOPTIMIZE: '2',
    VIRTUAL_ENV: join(scratch, 'other'),
    CONDA_PREFIX: join(scratch, 'conda'),
    JUPYTER_PATH: join(scratch, 'jupyter'),
    JUPYTER_CONFIG_DIR: join(scratch, 'jupyter-config'),
    JUPYTER_DATA_DIR: join(scratch, 'jupyter'),
    JUPYTER_RUNTIME_DIR: '/proc/nowhere',
    JUPYTERLAB_DIR: join(scratch, 'lab'),
    PIP_TARGET: join(scratch, 'target'),
    PIP_USER: '1',
    PIP_PREFIX: join(scratch, 'prefix'),
    PIP_NO_BINARY: ':all:',
    PIP_DRY_RUN: '1',
    PIP_CONSTRAINT: join(scratch, 'nowhere.txt'),
    PIP_REQUIREMENT: join(scratch, 'nowhere.txt'),
    PIP_CONFIG_FILE: join(scratch, 'pip.conf'),
    PIP_TRUSTED_HOST: 'index.example',
  }
  const set = (): void => {
    for (const [name, value] of Object.entries(machine)) vi.stubEnv(name, value)
  }
  beforeAll(() => {
    mkdirSync(join(scratch, 'old'))
    for (const module of ['pip', 'json', 'venv', 'zipfile'])
      writeFileSync(join(scratch, 'old', `${module}.py`), "raise ImportError('an old module')\n")
    writeFileSync(
      join(scratch, 'pip.conf'),
      '[global]\nproxy = http://proxy.example:3128\nuser = true\n[install]\nroot = /nowhere\nno-deps = no\nretries = 7\n',
    )
    const kernel = join(scratch, 'jupyter', 'kernels', 'tslab')
    mkdirSync(kernel, { recursive: true })
    writeFileSync(join(kernel, 'kernel.json'), JSON.stringify({ argv: ['false'], display_name: 'foreign', language: 'none' }))
    mkdirSync(join(scratch, 'jupyter-config', 'lab', 'user-settings'), { recursive: true })
  })
  afterEach(() => vi.unstubAllEnvs())
  afterAll(() => rmSync(scratch, { recursive: true }))
  return { scratch, machine, set }
}
