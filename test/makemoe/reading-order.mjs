// Writes the lines of each file, to the nearest ten, into lib/makemoe/README.md: node test/makemoe/reading-order.mjs.
// Run by hand, when readme.test.ts says that they are not true any more.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../lib/makemoe')
const readme = join(folder, 'README.md')
const linesOf = (file) => readFileSync(join(folder, file), 'utf8').split('\n').length - 1
const counted = readFileSync(readme, 'utf8').replace(
  /`([\w/-]+\.ts)` \(\d+\)/g,
  (_, file) => `\`${file}\` (${Math.max(10, 10 * Math.round(linesOf(file) / 10))})`,
)
writeFileSync(readme, counted)
