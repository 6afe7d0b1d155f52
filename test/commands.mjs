// `npm run bench` and `npm run notebooks`: commands that measure and check the project itself, beside those of lib/cli.
import { createRequire } from 'node:module'
import { prepare } from '../lib/cli/prepare.mjs'

await prepare('lib', 'test/commands.tsconfig.json')
const require = createRequire(import.meta.url)
const { main } = require('makemoe/dist/cli/main')
const commands = ['bench', 'notebooks'].map((name) => require(`./dist/${name}/command.js`).register)
process.exitCode = await main(process.argv.slice(2), commands)
