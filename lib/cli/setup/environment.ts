/**
 * A person's machine is not ours: variables and files for other projects' Python, pip and Jupyter reach every process that is started here.
 * What says where packages come from (index, proxy, cache, certificates) is kept; what would change what runs is not.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { paths } from './paths'

export type Environment = Readonly<Record<string, string | undefined>>

/** Harmless, and wanted by those who set them. */
const keptPython = /^PYTHON(|DONTWRITEBYTECODE|UNBUFFERED|PYCACHEPREFIX|UTF8|HTTPSVERIFY)$/
const foreign = /^(PYTHON|VIRTUAL_ENV|CONDA_|JUPYTER|IPYTHON|__PYVENV_LAUNCHER__$|NODE_ENV$)/
const keptJupyter = /^JUPYTER_(TOKEN|PORT)$/

/**
 * An environment without what was set for another Python, virtual environment, Jupyter or Node project. Jupyter's own settings lie inside the
 * project, except a person's theme and shortcuts.
 */
export function ownEnvironment(env: Environment = process.env): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (!foreign.test(entry[0]) || keptPython.test(entry[0]) || keptJupyter.test(entry[0])),
  )
  const home = paths.environment()
  const settings = env.JUPYTERLAB_SETTINGS_DIR ?? join(env.JUPYTER_CONFIG_DIR ?? join(homedir(), '.jupyter'), 'lab', 'user-settings')
  return {
    ...Object.fromEntries(kept),
    PYTHONNOUSERSITE: '1',
    JUPYTER_PATH: paths.jupyterData(), // before all others, a person's kernel of the same name too
    JUPYTER_CONFIG_DIR: join(home, 'etc', 'jupyter'),
    JUPYTER_DATA_DIR: join(home, 'share', 'jupyter'),
    JUPYTER_RUNTIME_DIR: join(home, 'share', 'jupyter', 'runtime'),
    ...(existsSync(settings) ? { JUPYTERLAB_SETTINGS_DIR: settings } : {}),
  }
}

/** pip's settings of where packages come from. */
const sources =
  'index-url extra-index-url find-links no-index trusted-host proxy cert client-cert cache-dir no-cache-dir timeout default-timeout retries resume-retries keyring-provider disable-pip-version-check'.split(
    ' ',
  )

const variableOf = (key: string): string => `PIP_${key.toUpperCase().replaceAll('-', '_')}`

/** A Python string as `repr` writes it. */
const unquoted = (text: string): string =>
  text.slice(1, -1).replace(/\\(.)/g, (_, letter: string) => ({ n: '\n', t: '\t', r: '\r' })[letter] ?? letter)

/**
 * The variables that give pip the person's sources and nothing else.
 * @param listed what `pip config list` prints: `section.key='value'`, files and variables
 * @param more settings to keep besides
 */
export function pipSources(listed: string, more: readonly string[] = []): Record<string, string> {
  const found = new Map<string, string>()
  for (const section of ['global', 'download', 'install', ':env:'])
    for (const [, of, key = '', value = ''] of listed.matchAll(/^([\w:]+)\.([\w-]+)=(.*)$/gm))
      if (of === section && (sources.includes(key) || more.includes(key))) found.set(key, unquoted(value))
  return { ...Object.fromEntries([...found].map(([key, value]) => [variableOf(key), value])), PIP_CONFIG_FILE: '/dev/null' }
}

/**
 * The environment of our pip.
 * @param more of the person's settings that are kept, besides where packages come from
 */
export function pipEnvironment(python: string, more: readonly string[] = []): Record<string, string> {
  const environment = ownEnvironment()
  const all = [...sources, ...more, 'config-file'].map(variableOf)
  const wanted = Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('PIP_') || all.includes(name)))
  // Settings for `pip install` are also taken for options of `pip config`.
  const whole = { PIP_USER: '0', PIP_GLOBAL: '0', PIP_SITE: '0' }
  const { stdout } = spawnSync(python, ['-m', 'pip', 'config', 'list'], { encoding: 'utf8', env: { ...wanted, ...whole } })
  return { ...wanted, ...pipSources(stdout ?? '', more) }
}
