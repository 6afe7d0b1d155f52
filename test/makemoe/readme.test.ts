import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

// Where this fails, test/makemoe/reading-order.mjs puts the counts right.
const folder = join(__dirname, '../../lib/makemoe')
const named = [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/`([\w/-]+\.ts)` \((\d+)\)/g)].map(
  ([, file = '', lines]) => [file, Number(lines)] as const,
)

test('the reading order names enough to know the model', () => expect(named.length).toBeGreaterThan(20))
test.each(named)('%s has about %i lines', (file, lines) => {
  const actual = readFileSync(join(folder, file), 'utf8').split('\n').length - 1
  expect(Math.abs(actual - lines)).toBeLessThanOrEqual(Math.max(10, 0.2 * lines))
})
