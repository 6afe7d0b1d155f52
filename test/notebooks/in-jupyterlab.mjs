// Opens each notebook in a real JupyterLab in a real browser, runs all cells and waits until every figure is drawn.
// node test/notebooks/in-jupyterlab.mjs [FOLDER for screenshots [NOTEBOOK]]; CHROMIUM names the browser. Prints a line for each notebook.
// Run by .ci/run.
import assert from 'node:assert'
import { join } from 'node:path'
import { committedNotebooks, openNotebook, photograph, withJupyterLab } from './jupyterlab.mjs'

const [pictures, only] = process.argv.slice(2)

/** Plotly figures among the outputs of the full run that is committed. */
const figuresExpected = (notebook) =>
  notebook.cells.flatMap(({ outputs = [] }) => outputs).filter(({ data }) => data?.['application/vnd.plotly.v1+json']).length
const withoutOutputs = (notebook) => ({
  ...notebook,
  cells: notebook.cells.map((cell) => (cell.cell_type === 'code' ? { ...cell, outputs: [], execution_count: null } : cell)),
})
const notebooks = Object.fromEntries(Object.entries(committedNotebooks).map(([name, notebook]) => [name, withoutOutputs(notebook)]))

let failed = 0
await withJupyterLab(notebooks, { env: { MAKEMOE_STEPS: '6' } }, async (browser, address) => {
  for (const name of Object.keys(notebooks)) {
    if (only && name !== only) continue
    const start = Date.now()
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    try {
      await openNotebook(page, address(name))
      await page.waitForSelector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', { timeout: 60_000 })
      // A page that is still settling may swallow the click.
      const begun = () => document.querySelector('.jp-CodeCell .jp-InputPrompt')?.textContent !== '[ ]:'
      for (let attempt = 0; attempt < 5 && !(await page.evaluate(begun)); attempt++) {
        // JupyterLab may ask which kernel; it proposes the notebook's own.
        await page.click('.jp-Dialog .jp-mod-accept', { timeout: 1500 }).catch(() => {})
        await page.click('.lm-MenuBar-itemLabel:text-is("Run")', { timeout: 5000 }).catch(() => {})
        await page.click('.lm-Menu-itemLabel:text-is("Run All Cells")', { timeout: 5000 }).catch(() => {})
        await page.waitForFunction(begun, undefined, { timeout: 8000 }).catch(() => {})
      }
      // Every code cell has a number, or a cell has failed and the rest was given up.
      const done = () => {
        const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map((prompt) => prompt.textContent)
        const failure = document.querySelector('.jp-OutputArea-output[data-mime-type$="stderr"]')
        return prompts.every((prompt) => /\[\d+\]/.test(prompt)) || failure?.textContent
      }
      const failure = await (await page.waitForFunction(done, undefined, { timeout: 300_000, polling: 500 })).jsonValue()
      assert(failure === true, `a cell wrote an error: ${failure}`)
      await page.waitForTimeout(3000)
      const seen = await page.evaluate(() => {
        const drawn = [...document.querySelectorAll('.js-plotly-plot')].filter((plot) => {
          const svg = plot.querySelector('.main-svg')
          return svg && svg.getBoundingClientRect().height > 100 && plot.querySelectorAll('path, rect').length > 5
        })
        const text = [...document.querySelectorAll('.jp-OutputArea-output')].map((output) => output.textContent).join('\n')
        return {
          figures: drawn.length,
          undrawn: document.querySelectorAll('.jp-RenderedPlotly').length - drawn.length,
          rawJson: text.includes('"layout"'),
          errors: document.querySelectorAll(
            '.jp-OutputArea-output[data-mime-type$="stderr"], .jp-OutputArea-output[data-mime-type$="error"]',
          ).length,
        }
      })
      if (pictures) await photograph(page, join(pictures, `${name}.png`))
      assert.equal(seen.errors, 0, 'a cell wrote an error')
      assert(!seen.rawJson, 'a figure is shown as JSON')
      const expected = figuresExpected(committedNotebooks[name])
      assert.equal(seen.undrawn, 0, 'figures that are not drawn')
      assert(seen.figures >= expected, `${seen.figures} figures are drawn, expected the ${expected} of the full run`)
      console.log(`${name}: ${seen.figures} figures (${Math.round((Date.now() - start) / 1000)} s)`)
    } catch (error) {
      failed++
      console.log(`${name}: FAILED: ${error.message}`)
      if (pictures) await page.screenshot({ path: join(pictures, `${name}-failed.png`) })
    } finally {
      await page.close()
    }
  }
})
process.exit(failed === 0 ? 0 : 1)
