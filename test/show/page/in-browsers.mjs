// Opens pages of a small model from file:// in real headless browsers and uses every control; what they write must equal the engine's text in
// Node. node test/show/page/in-browsers.mjs [chromium] [firefox] (default: those that are installed); PAGE is a page to use instead of the small
// model's.
// Run by .ci/run.
import assert from 'node:assert'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { browsersOf, launch, opened, step } from './browsers.mjs'

const require = createRequire(import.meta.url)
const { createStreams, presets, SparseMoELanguageModel } = require('makemoe')
const { engineOf, parseData } = require('makemoe/dist/show/page/contents')
const { simdLinear } = require('makemoe/dist/show/page/kernel')
const { makePage } = require('makemoe/dist/show/page/page')
const { decodeBase64 } = require('makemoe/dist/show/page/weights')
const { Writer } = require('makemoe/dist/show/page/writer')

const wanted = browsersOf(process.argv.slice(2))

const scratch = mkdtempSync(join(tmpdir(), 'page-'))
const save = (name, html) => {
  writeFileSync(join(scratch, name), html)
  return pathToFileURL(join(scratch, name)).href
}

function smallPage() {
  const vocabulary = [...'\n !,.:;?ABCDEFGHIJKLMNOPRSTUWYabcdefghijklmnopqrstuvwxyz']
  const config = {
    ...presets.corrected,
    initialization: 'kaiming',
    nEmbed: 32,
    nHead: 2,
    nLayer: 3,
    vocabSize: vocabulary.length,
  }
  const model = new SparseMoELanguageModel(config, createStreams(7).init)
  const validation = Array.from({ length: 300 }, (_, i) => (i * i + 3) % vocabulary.length)
  return makePage(model, vocabulary, { validation }).html
}
const html = process.env.PAGE ? readFileSync(process.env.PAGE, 'utf8') : smallPage()
const good = save('good.html', html)

// The same page in Node, out of its own file.
const partOf = (id) => new RegExp(`id="${id}">([^<]*)</script>`).exec(html)[1]
const data = parseData(partOf('data'))
const engine = engineOf(partOf('weights'), data, simdLinear(decodeBase64(data.kernel)))
const { numExperts, topK, nLayer } = data.config
function textInNode(settings, steps, { prompt = data.prompt, off = [] } = {}) {
  const writer = new Writer(engine, data.vocabulary, prompt, settings, off)
  for (let i = 0; i < steps; i++) writer.step()
  return writer
}
const textOf = (writer) => writer.characters.map(({ text }) => text).join('')

const text = (page, pane = 0) =>
  page
    .locator('.text')
    .nth(pane)
    .evaluate((box) => box.textContent)
const said = (page, id) => page.locator(`#${id}`).textContent()
const cell = (page, layer, expert) => page.locator('#grid tbody tr').nth(layer).locator('td button').nth(expert)
/** As typing does; Playwright's own `fill` adds to what a number field of Firefox holds. */
const fill = (page, id, value) =>
  page.locator(`#${id}`).evaluate((field, value) => {
    field.value = value
    field.dispatchEvent(new Event('input', { bubbles: true }))
  }, String(value))

async function checkBrowser(name, browser) {
  const check = async (what, options, run, url = good) => {
    const start = performance.now()
    const context = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1280, height: 900 }, ...options })
    const page = await context.newPage()
    const problems = []
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
    page.on(
      'request',
      (request) => request.url() !== url && !request.url().startsWith('data:') && problems.push(`a request of ${request.url()}`),
    )
    if (options.init) await page.addInitScript(options.init)
    await page.goto(url)
    await run(page)
    assert.deepEqual(problems, [], `${name}: ${what}`)
    await context.close()
    console.log(`${name}: ${what} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
  }

  await check('writes what the engine writes in Node', {}, async (page) => {
    await opened(page)
    assert.equal(await text(page), data.prompt)
    await step(page, 50)
    assert.equal(await text(page), textOf(textInNode({ temperature: 0.8, seed: 1337 }, 50)))
    const ready = await page.evaluate(() => performance.getEntriesByName('ready')[0].startTime)
    console.log(`${name}: ready after ${ready.toFixed(0)} ms; ${await said(page, 'status')}`)
  })

  await check('temperature, top-k, top-p, seed, prompt, restart', {}, async (page) => {
    await opened(page)
    await fill(page, 'temperature', 1.5)
    await fill(page, 'top-k', 9)
    await fill(page, 'top-p', 0.9)
    await fill(page, 'seed', 5)
    await fill(page, 'prompt', 'The ')
    await step(page, 40)
    const settings = { temperature: 1.5, topK: 9, topP: 0.9, seed: 5 }
    const expected = textOf(textInNode(settings, 40, { prompt: 'The ' }))
    assert.equal(await text(page), expected)
    await page.locator('#restart').click()
    assert.equal(await text(page), 'The ')
    await step(page, 40)
    assert.equal(await text(page), expected)
    await fill(page, 'top-p', 3)
    assert.match(await said(page, 'problem'), /Top-p: got 3, expected a number above 0, at most 1/)
    assert.equal(await page.locator('#top-p').getAttribute('aria-invalid'), 'true')
    await fill(page, 'top-p', '')
    assert.equal(await said(page, 'problem'), '')
  })

  await check('play, pause and speed', { reducedMotion: 'no-preference' }, async (page) => {
    await opened(page)
    if (name === 'chromium')
      assert.equal(await said(page, 'play'), 'Pause') // it plays by itself
    else await page.locator('#play').click()
    await page.locator('#speed').selectOption('60')
    await page.waitForFunction(() => document.querySelectorAll('.text span').length > 40)
    await page.locator('#play').click()
    const length = (await text(page)).length
    await page.waitForTimeout(300)
    assert.equal((await text(page)).length, length)
    assert.equal(await text(page), textOf(textInNode({ temperature: 0.8, seed: 1337 }, length - data.prompt.length)))
    await page.locator('#play').click()
    await page.waitForFunction((n) => document.querySelectorAll('.text span').length > n, length)
  })

  await check('pointing, clicking and keys show a path; layers color', {}, async (page) => {
    await opened(page)
    await step(page, 30)
    const writer = textInNode({ temperature: 0.8, seed: 1337 }, 30)
    const at = data.prompt.length + 4
    const { text: character, path, expected, id } = writer.characters[at]
    const assertPath = async () => {
      const layer = Number(await page.locator('.layer-name').first().textContent())
      assert.match(
        await said(page, 'path'),
        new RegExp(`character ${at}: .* likely here. Layer ${layer}: expert ${path[layer].experts[0]} `),
      )
      for (const [l, { experts, gates }] of path.entries())
        for (const [k, e] of experts.entries()) assert.equal(await cell(page, l, e).textContent(), String(Math.round(100 * gates[k])))
      assert.match(await said(page, 'next-title'), /instead of/)
      assert.equal(await page.locator('#next .drawn').count(), 1)
      assert(expected[id] > 0 && character.length === 1)
    }
    const spans = page.locator('.text span')
    await spans.nth(at).hover()
    await assertPath()
    await page.locator('h1').hover()
    assert.equal(await said(page, 'next-title'), 'Next character')
    await spans.nth(at).click()
    await page.locator('h1').hover()
    await assertPath() // it stays
    await page.locator('.text').focus()
    await page.keyboard.press('Escape')
    assert.equal(await said(page, 'next-title'), 'Next character')
    await page.keyboard.press('Home')
    for (let i = 0; i < at; i++) await page.keyboard.press('ArrowRight')
    await assertPath()
    const colorOf = (index) => spans.nth(index).evaluate((span) => span.style.getPropertyValue('--expert'))
    for (const layer of [0, nLayer - 1]) {
      await page.locator('#grid th button').nth(layer).click()
      assert.equal(await colorOf(at), `var(--expert-${path[layer].experts[0]})`)
    }
    await cell(page, 0, 0).focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowRight')
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label').slice(0, 17)), 'layer 1, expert 1')
  })

  await check('a click switches an expert off and says what that costs', {}, async (page) => {
    await opened(page)
    await step(page, 50)
    await cell(page, 1, 3).click()
    assert.equal(await cell(page, 1, 3).textContent(), 'off')
    await page.waitForFunction(() => /with all experts/.test(document.getElementById('effect').textContent))
    const writer = textInNode({ temperature: 0.8, seed: 1337 }, 50)
    const lossOf = (off) => {
      const windows = writer.loss(off)
      let window = windows.next()
      while (!window.done) window = windows.next()
      return window.value.toFixed(3)
    }
    const effect = await said(page, 'effect')
    for (const loss of [lossOf([]), lossOf([numExperts + 3])]) assert(effect.includes(loss), `${effect} says ${loss}`)
    await step(page, 10)
    writer.toggle(1, 3)
    for (let i = 0; i < 10; i++) writer.step()
    assert.equal(await text(page), textOf(writer))
    for (let e = 0; e < numExperts; e++) if (e !== 3) await cell(page, 1, e).click()
    assert.equal(await page.locator('#grid .off').count(), numExperts - topK)
    assert.match(await said(page, 'problem'), new RegExp(`needs at least ${topK}`))
    await cell(page, 1, 3).click()
    assert.equal(await page.locator('#grid .off').count(), numExperts - topK - 1)
  })

  await check('two settings side by side', {}, async (page) => {
    await opened(page)
    await page.locator('#compare').check()
    await step(page, 40)
    assert.equal(await text(page, 0), textOf(textInNode({ temperature: 0.8, seed: 1337 }, 40)))
    assert.equal(await text(page, 1), textOf(textInNode({ temperature: 0.4, seed: 1337 }, 40)))
    await page.locator('.pane input').nth(1).check()
    assert.equal(await said(page, 'whose'), ' of B')
    await fill(page, 'seed', 9)
    await step(page, 40)
    assert.equal(await text(page, 1), textOf(textInNode({ temperature: 0.4, seed: 9 }, 40)))
    await page.locator('#compare').uncheck()
    assert.equal(await page.locator('.text').count(), 1)
  })

  await check('a prompt with characters the model does not know shows them', {}, async (page) => {
    await opened(page)
    await fill(page, 'prompt', 'Ro€meo 你')
    assert.equal(await text(page), 'Ro€meo 你')
    assert.equal(await page.locator('.text .unknown').count(), 2)
    assert.match(await said(page, 'problem'), /does not know “€” “你”/)
    await step(page, 20)
    const known = textOf(textInNode({ temperature: 0.8, seed: 1337 }, 20, { prompt: 'Romeo ' }))
    assert.equal((await text(page)).replace('€', '').replace('你', ''), known)
  })

  for (const colorScheme of ['light', 'dark'])
    await check(`no accessibility problem, ${colorScheme}`, { colorScheme }, async (page) => {
      await opened(page)
      await step(page, 20)
      await page.locator('#compare').check()
      await cell(page, 1, 3).click()
      await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'))
      const { violations } = await page.evaluate(() => globalThis.axe.run())
      assert.deepEqual(
        violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`),
        [],
      )
    })

  await check('fits a phone, and a tap shows a path', { viewport: { width: 390, height: 844 }, hasTouch: true }, async (page) => {
    await opened(page)
    await step(page, 60)
    for (const two of [false, true]) {
      await page.locator('#compare').setChecked(two)
      await step(page, 20)
      assert((await page.evaluate(() => document.scrollingElement.scrollWidth)) <= 390, 'wider than the phone')
    }
    const character = page.locator('.text').first().locator('span').nth(8)
    await (name === 'chromium' ? character.tap() : character.click()) // Playwright's tap misses in Firefox
    assert.match(await said(page, 'path'), /character 8: |of the prompt: /)
    const small = await page
      .locator('button:visible, select:visible, input:visible')
      .evaluateAll(
        (all) => all.map((each) => each.getBoundingClientRect()).filter(({ height, width }) => Math.min(height, width) < 16).length,
      )
    assert.equal(small, 0, 'controls too small to tap')
  })

  await check('without WebAssembly the plain loop writes the same', { init: 'delete globalThis.WebAssembly' }, async (page) => {
    await opened(page)
    await step(page, 40)
    assert.equal(await text(page), textOf(textInNode({ temperature: 0.8, seed: 1337 }, 40)))
    assert.match(await said(page, 'status'), /plain JavaScript/)
  })

  const weights = html.indexOf('id="weights">') + 13
  const middle = Math.floor((weights + html.length) / 2)
  const other = html[middle] === 'A' ? 'B' : 'A'
  const bad = {
    'cut in half': [html.slice(0, middle), /incomplete: \d\d % of its weights/],
    'cut before the weights': [html.slice(0, weights - 40), /incomplete: 0 % of its weights/],
    'a changed letter in the weights': [html.slice(0, middle) + other + html.slice(middle + 1), /fail their checksum/],
    'a letter in the weights that is not base64': [`${html.slice(0, middle)}%${html.slice(middle + 1)}`, /cannot be decoded/],
    'a damaged description': [html.replace('"makemoe-page-1"', '"makemoe-page-1'), /description cannot be read/],
    'another format': [html.replace('makemoe-page-1"', 'makemoe-page-9"'), /has the format makemoe-page-9/],
    'a tensor that is missing': [html.replace('"ln_f.bias"', '"ln_f.else"'), /no tensor ln_f.bias/],
  }
  for (const [what, [page, message]] of Object.entries(bad)) {
    const url = save(`${what.replaceAll(' ', '-')}.html`, page)
    await check(
      `says what is wrong: ${what}`,
      {},
      async (page) => {
        await page.locator('#message.failed').waitFor({ timeout: 10_000 })
        assert.match(await said(page, 'message'), message)
        assert(!(await page.locator('#main').isVisible()), 'nothing is written')
      },
      url,
    )
  }
  await check(
    'a page that ends in its script says so',
    {},
    async (page) => {
      assert.match(await said(page, 'message'), /the file is incomplete/)
    },
    save('no-script.html', html.slice(0, html.indexOf('id="code">') + 2000)),
  )
}

/** The browsers take turns with this process, and with each other, so they run side by side. */
const results = await Promise.allSettled(
  wanted.map(async (name) => {
    const browser = await launch(name)
    try {
      await checkBrowser(name, browser)
    } finally {
      await browser.close()
    }
  }),
)
rmSync(scratch, { recursive: true })
for (const [i, { reason }] of results.entries()) if (reason) console.error(`${wanted[i]} FAILED`, reason)
process.exit(results.some(({ status }) => status === 'rejected') ? 1 : 0)
