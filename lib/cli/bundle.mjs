// A step of the build, after the compiler: bundles what lib needs of tfjs-node into dist/vendor/tfjs-node.js (lib/engine/tensor/tfjs-node.ts
// says why). tfjs itself stays outside, so that there is one tfjs; so do protocol buffers, which tfjs-node needs for TensorBoard alone.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const lib = join(dirname(fileURLToPath(import.meta.url)), '..')
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
  const { build } = await import('esbuild')
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
}
