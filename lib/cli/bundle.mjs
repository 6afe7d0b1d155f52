// Steps of the build, after the compiler, each only where there is something to do.
//
// dist/show/page/program.js is the script of a model's page, with the modules that it imports; not minified, to be read on the page.
//
// dist/vendor/tfjs-node.js is what lib needs of tfjs-node (lib/engine/tensor/tfjs-node.ts says why). tfjs itself stays outside, so that there
// is one tfjs; so do protocol buffers, which tfjs-node needs for TensorBoard alone.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const lib = join(dirname(fileURLToPath(import.meta.url)), '..')

const page = join(lib, 'show/page')
const program = join(lib, 'dist/show/page/program.js')
const changed = Math.max(...readdirSync(page).map((name) => statSync(join(page, name)).mtimeMs))
if (!existsSync(program) || changed > statSync(program).mtimeMs) {
  const { build } = await import('esbuild')
  await build({ absWorkingDir: page, entryPoints: ['app.ts'], bundle: true, charset: 'utf8', outfile: program, logLevel: 'warning' })
}

const { version, license } = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/package.json')
const banner = `/* Bundled from @tensorflow/tfjs-node-gpu ${version}; ${license} license, copyright Google LLC. */`
const outfile = join(lib, 'dist/vendor/tfjs-node.js')

const withoutProtocolBuffers = {
  name: 'without-protocol-buffers',
  setup({ onLoad }) {
    onLoad({ filter: /api_pb\.js$/ }, () => ({ contents: 'module.exports = {}' }))
  },
}

if (!existsSync(outfile) || !readFileSync(outfile, 'utf8').startsWith(banner)) {
  const { build, stop } = await import('esbuild')
  await build({
    stdin: {
      contents: `
        require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels')
        module.exports = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend')`,
      resolveDir: lib,
    },
    bundle: true,
    platform: 'node',
    target: 'node20',
    external: ['@tensorflow/tfjs', '@tensorflow/tfjs-core'],
    plugins: [withoutProtocolBuffers],
    minifySyntax: true,
    minifyWhitespace: true, // names stay, for stack traces
    banner: { js: banner },
    outfile,
    logLevel: 'warning',
  })
  await stop()
}
