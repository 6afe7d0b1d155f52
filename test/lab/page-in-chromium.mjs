// Opens the page of an inspection from file:// in headless Chromium: every layer can be chosen, nothing is requested or refused, nothing
// sticks out of a phone's screen, and axe finds no fault in light and dark. node test/lab/page-in-chromium.mjs; PAGE names a page to use
// instead of a small model's, PICTURES a folder for screenshots.
// Run by .ci/run.
import assert from 'node:assert'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { launch } from '../show/page/browsers.mjs'

const require = createRequire(import.meta.url)
const { CharTokenizer, createStreams, Dataset, presets, SparseMoELanguageModel } = require('makemoe')
const { inspect } = require('makemoe/dist/lab/inspect')
const { renderInspection } = require('makemoe/dist/show/inspection/render')

/** A small model's inspection; its text has what HTML must escape. */
async function smallInspection() {
  const text = 'First Citizen:\nSpeak, <speak> & be "heard"!\n\n'.repeat(60)
  const tokenizer = CharTokenizer.fromText(text)
  const config = {
    ...presets.corrected,
    nEmbed: 16,
    nHead: 4,
    numExperts: 4,
    dropout: 0,
    blockSize: 16,
    nLayer: 3,
    initialization: 'kaiming',
    vocabSize: tokenizer.vocabSize,
  }
  const streams = createStreams(7)
  const model = new SparseMoELanguageModel(config, streams.init)
  return inspect(model, tokenizer, new Dataset(tokenizer.encode(text), 16), { streams, source: 'a <text>' })
}

const scratch = mkdtempSync(join(tmpdir(), 'inspection-'))
const inspection = process.env.PAGE ? undefined : await smallInspection()
const html = inspection ? renderInspection(inspection, 'A <small> model') : readFileSync(process.env.PAGE, 'utf8')
const file = join(scratch, 'inspect.html')
writeFileSync(file, html)
const url = pathToFileURL(file).href
const layers = html.match(/name="layer"/g).length
const pictures = process.env.PICTURES
if (pictures) mkdirSync(pictures, { recursive: true })
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const browser = await launch('chromium')
for (const colorScheme of ['light', 'dark'])
  for (const width of [1280, 390]) {
    const what = `${colorScheme}, ${width} px`
    // The page's own policy forbids every script, so axe comes in beside it.
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true })
    const page = await context.newPage()
    await page.goto(url)
    if (pictures) await page.screenshot({ path: join(pictures, `${colorScheme}-${width}.png`), fullPage: true })
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    assert(overflow <= 0, `${what}: the page is ${overflow} px wider than the screen`)
    await page.addScriptTag({ content: axe })
    const { violations } = await page.evaluate(() => axe.run())
    assert.deepEqual(
      violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 120)} ${nodes[0].failureSummary}`),
      [],
      what,
    )
    await context.close()
    console.log(`fits and is accessible: ${what}`)
  }

// Under its own policy: no request but for the file, no complaint, and each layer can be chosen, by mouse and by keyboard.
const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage()
const problems = []
page.on('pageerror', (error) => problems.push(String(error)))
page.on('console', (message) => problems.push(message.text()))
page.on('request', (request) => !request.url().startsWith('data:') && request.url() !== url && problems.push(request.url()))
await page.goto(url)
const shown = () =>
  page.evaluate(() =>
    ['text', 'classes', 'characters'].map((id) =>
      [...document.querySelectorAll(`#${id} .of-layer`)].findIndex((view) => view.checkVisibility()),
    ),
  )
const colors = () =>
  page.evaluate(
    () => [...document.querySelectorAll('#text .of-layer')].find((view) => view.checkVisibility()).querySelectorAll('i').length > 0,
  )
for (let layer = 0; layer < layers; layer++) {
  await page.locator(`#layer-${layer}`).check()
  assert.deepEqual(await shown(), [layer, layer, layer])
  assert(await colors())
}
await page.keyboard.press('ArrowLeft')
assert.deepEqual(await shown(), Array(3).fill(layers - 2))
assert.deepEqual(problems, [])

if (inspection) {
  await page.locator('#layer-1').check()
  const view = page.locator('#text .layer-1 .text')
  assert.equal((await view.textContent()).replaceAll('↵', ''), inspection.text)
  const { first } = inspection.layers[1]
  const inOrder = await view.evaluate((box) =>
    [...box.querySelectorAll('i')].flatMap((run) =>
      Array([...run.textContent.replaceAll('↵', '')].length).fill(Number(/e(\d+)/.exec(run.className)[1])),
    ),
  )
  assert.deepEqual(inOrder, first)
  const background = (expert) =>
    view.evaluate((box, expert) => getComputedStyle(box.querySelector(`.e${expert}`)).backgroundColor.replace(/ ?\/.*/, ''), expert)
  const different = new Set(await Promise.all([...new Set(first)].map(background)))
  assert.equal(different.size, new Set(first).size, 'experts share a color')
  assert.match(await page.locator('h1').textContent(), /^A <small> model$/)
  assert.match(await page.locator('header').textContent(), /a <text>/)
}
console.log(`${layers} layers can be chosen; ${(html.length / 1e6).toFixed(2)} MB`)
await browser.close()
rmSync(scratch, { recursive: true })
