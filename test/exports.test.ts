import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as makemoe from 'makemoe'
import * as internals from 'makemoe/internals'
import { expect, test } from 'vitest'

const tests = readdirSync(__dirname, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('exports'))
  .map((file) => readFileSync(join(__dirname, file), 'utf8'))
  .join('\n')

test.each(Object.keys({ ...makemoe, ...internals }))('%s is used in a test', (name) => expect(tests).toMatch(new RegExp(`\\b${name}\\b`)))
