// The project's npm scripts enter here, with `exec`, so that a signal to npm reaches the command and not a shell: prepares what the commands in
// lib/cli need, and hands over to them.
import { createRequire } from 'node:module'
import { prepare } from './prepare.mjs'

await prepare('lib')
const { main } = createRequire(import.meta.url)('../dist/cli/main.js')
process.exitCode = await main(process.argv.slice(2))
