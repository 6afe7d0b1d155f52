/** A real Python and a real Jupyter among the settings of other projects. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ownEnvironment, pipEnvironment } from 'makemoe/dist/cli/setup/environment'
import { paths } from 'makemoe/dist/cli/setup/paths'
import { runProgram } from 'makemoe/dist/cli/setup/program'
import { expect, test } from 'vitest'
import { foreignSettings } from './foreign-settings'

const { scratch, set } = foreignSettings()

test('a real Python makes a virtual environment, and pip installs into it', async () => {
  set()
  const home = join(scratch, 'venv')
  const wheel = join(scratch, 'small-1-py3-none-any.whl')
  const pack = `import zipfile, sys
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    for name, text in [('small.py', ''), ('small-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n'),
                       ('small-1.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'), ('small-1.dist-info/RECORD', '')]:
        z.writestr(name, text)`
  await runProgram(paths.python(), ['-c', pack, wheel], '')
  await runProgram(paths.python(), ['-m', 'venv', home], '')
  const python = join(home, 'bin', 'python')
  await runProgram(python, ['-m', 'pip', 'install', '--no-index', wheel], '', { env: pipEnvironment(python) })
  await runProgram(python, ['-c', `import small, sys; sys.exit(not small.__file__.startswith(${JSON.stringify(home)}))`], '')
})

test.runIf(existsSync(paths.jupyter()))('a real Jupyter finds our kernel, not a foreign one of the same name', () => {
  set()
  const { stdout } = spawnSync(paths.jupyter(), ['kernelspec', 'list', '--json'], { encoding: 'utf8', env: ownEnvironment() })
  expect(JSON.parse(stdout).kernelspecs.tslab).toMatchObject({ resource_dir: paths.kernelspec() })
})
