// Opens each notebook as somebody does who has just cloned the project: nothing run, nothing trusted. Every figure of its outputs and
// every drawing must be a picture on the page, and none wider than its place. The list of files shows whole names.
// node test/notebooks/at-first-sight.mjs [FOLDER for screenshots [light|dark [WIDTH [NOTEBOOK]]]]; a line for each notebook.
// Run by .ci/run.
import assert from 'node:assert'
import { join } from 'node:path'
import { committedNotebooks, openNotebook, photograph, withJupyterLab } from './jupyterlab.mjs'

const [pictures, theme = 'light', width = '1280', only] = process.argv.slice(2)

const isPicture = ({ data }) => data?.['image/svg+xml'] || data?.['application/vnd.plotly.v1+json']

/** For each output, and each text with a drawing, that is on the page: what is seen in it. */
const seenOutputs = () =>
  [...document.querySelectorAll('.jp-Notebook .jp-OutputArea-output, .jp-Notebook .jp-MarkdownOutput:has(img)')].map((output) => {
    const image = output.querySelector('img:not(.plot-img)')
    const plot = output.querySelector('.js-plotly-plot .main-svg')
    const seen = image ?? plot
    const box = seen?.getBoundingClientRect()
    return {
      isPicture:
        output.matches('.jp-RenderedImage, .jp-RenderedSVG, .jp-RenderedPlotly') || output.querySelector('img, .js-plotly-plot') !== null,
      drawn: image ? image.complete && image.naturalWidth > 100 : box !== undefined && box.height > 100,
      sticksOut: box !== undefined && box.right > output.getBoundingClientRect().right + 1,
    }
  })

/** Names in the list of files; those that are cut. */
const listedNames = () =>
  [...document.querySelectorAll('.jp-DirListing-itemText')].map((item) => {
    const isCut = [item, ...item.querySelectorAll('*')].some(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth && clientWidth > 0)
    return { name: item.textContent, isCut }
  })

let failed = 0
await withJupyterLab(committedNotebooks, { dark: theme === 'dark' }, async (browser, address) => {
  if (!only) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    try {
      await page.goto(address(''))
      await page.waitForSelector('.jp-DirListing-itemText', { timeout: 60_000 })
      await page.waitForTimeout(3000)
      const listed = await page.evaluate(listedNames)
      const expected = Object.keys(committedNotebooks).map((name) => `${name}.ipynb`)
      assert.deepEqual(
        listed
          .map(({ name }) => name)
          .filter((name) => name.endsWith('.ipynb'))
          .sort(),
        expected.sort(),
        'names in the list',
      )
      assert.deepEqual(
        listed.filter(({ isCut }) => isCut).map(({ name }) => name),
        [],
        'names that are cut',
      )
      console.log(`the list of files: ${expected.length} whole names`)
    } catch (error) {
      failed++
      console.log(`the list of files: FAILED: ${error.message}`)
    } finally {
      await page.close()
    }
  }
  for (const [name, notebook] of Object.entries(committedNotebooks)) {
    if (only && name !== only) continue
    const drawings = notebook.cells.filter(({ cell_type, source }) => cell_type === 'markdown' && [source].flat().join('').startsWith('!['))
    const expected = [...notebook.cells.flatMap(({ outputs = [] }) => outputs).filter(isPicture), ...drawings]
    const page = await browser.newPage({ viewport: { width: Number(width), height: 900 } })
    try {
      await openNotebook(page, address(name))
      await page.click('.jp-Dialog .jp-mod-accept', { timeout: 3000 }).catch(() => {}) // which kernel? the notebook's own
      const trust = await page.locator('.jp-NotebookTrustedStatus, [title*="trusted" i]').first().getAttribute('title')
      await page.waitForTimeout(3000)
      assert.match(trust ?? '', /not trusted|: \d+ of \d+/i, 'the copy must not be trusted')
      const seen = (await page.evaluate(seenOutputs)).filter((output) => output.isPicture)
      if (pictures) await photograph(page, join(pictures, `${name}-${theme}-${width}.png`))
      assert.equal(seen.length, expected.length, 'pictures on the page')
      assert.equal(seen.filter(({ drawn }) => drawn).length, expected.length, 'pictures that are drawn')
      assert.equal(seen.filter(({ sticksOut }) => sticksOut).length, 0, 'pictures wider than their place')
      console.log(`${name}: ${seen.length} figures and drawings at first sight (${trust})`)
    } catch (error) {
      failed++
      console.log(`${name}: FAILED: ${error.message}`)
    } finally {
      await page.close()
    }
  }
})
process.exit(failed === 0 ? 0 : 1)
