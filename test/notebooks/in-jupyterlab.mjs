// Opens each notebook in a real JupyterLab in a real browser, runs all cells and waits until every figure is drawn.
// node test/notebooks/in-jupyterlab.mjs [FOLDER for screenshots [NOTEBOOK]]; CHROMIUM names the browser. Prints a line for each notebook.
import assert from 'node:assert'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { chromium } from 'playwright-core'

const root = resolve(import.meta.dirname, '../..')
const names = ['makeMoE_from_Scratch', 'makeMoE_from_Scratch_with_Expert_Capacity', 'makeMoE_Concise']
const [pictures, only] = process.argv.slice(2)

// Copies, so that the browser saves nothing into the project; below the project, so that its packages are found.
const scratch = join(root, 'data/runs', `jupyterlab-${process.pid}`)
mkdirSync(join(scratch, 'notebooks'), { recursive: true })
symlinkSync(join(root, 'data'), join(scratch, 'data'))
const outputsExpected = {}
for (const name of names) {
  const notebook = JSON.parse(readFileSync(join(root, 'notebooks', `${name}.ipynb`), 'utf8'))
  const source = notebook.cells.map((cell) => [cell.source].flat().join(''))
  outputsExpected[name] = source.join('\n').match(/^show\(|^compare\('|^view\.restart\(\)/gm).length
  for (const cell of notebook.cells) if (cell.cell_type === 'code') Object.assign(cell, { outputs: [], execution_count: null })
  writeFileSync(join(scratch, 'notebooks', `${name}.ipynb`), JSON.stringify(notebook))
}
// Without windowing all cells are on the page at once.
const settings = join(scratch, 'settings/@jupyterlab/notebook-extension')
mkdirSync(settings, { recursive: true })
writeFileSync(join(settings, 'tracker.jupyterlab-settings'), JSON.stringify({ windowingMode: 'none' }))

const env = {
  ...process.env,
  MAKEMOE_STEPS: '6',
  JUPYTERLAB_SETTINGS_DIR: join(scratch, 'settings'),
  JUPYTERLAB_WORKSPACES_DIR: join(scratch, 'workspaces'),
}
const args = ['lab', '--no-browser', '--ip=127.0.0.1', '--allow-root', `--notebook-dir=${join(scratch, 'notebooks')}`]
const jupyter = spawn(join(root, '.venv/bin/jupyter'), args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })

/** The server's address with its token, once it is up. */
const address = new Promise((done, fail) => {
  let log = ''
  const read = (chunk) => {
    log += chunk
    const found = /http:\/\/127\.0\.0\.1:(\d+)\/lab\?token=(\w+)/.exec(log)
    if (found) done({ base: `http://127.0.0.1:${found[1]}`, token: found[2] })
  }
  jupyter.stdout.on('data', read)
  jupyter.stderr.on('data', read)
  jupyter.on('close', () => fail(new Error(`JupyterLab ended: ${log.slice(-2000)}`)))
})

let failed = 0
let browser
try {
  const { base, token } = await address
  const flags = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ]
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags })
  for (const name of names.filter((each) => !only || each === only)) {
    const start = Date.now()
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    try {
      await page.goto(`${base}/lab/workspaces/${name}/tree/${name}.ipynb?token=${token}`)
      await page.waitForSelector('.jp-Notebook .jp-CodeCell', { timeout: 60_000 })
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
          drawings: document.querySelectorAll('.jp-RenderedSVG').length,
          rawJson: text.includes('"layout"'),
          errors: document.querySelectorAll(
            '.jp-OutputArea-output[data-mime-type$="stderr"], .jp-OutputArea-output[data-mime-type$="error"]',
          ).length,
        }
      })
      if (pictures) {
        const height = await page.evaluate(() => document.querySelector('.jp-Notebook .jp-WindowedPanel-outer').scrollHeight)
        await page.setViewportSize({ width: 1280, height: Math.min(height + 120, 16_000) })
        await page.evaluate(() => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 0))
        await page.waitForTimeout(1500)
        await page.screenshot({ path: join(pictures, `${name}.png`) })
      }
      assert.equal(seen.errors, 0, 'a cell wrote an error')
      assert(!seen.rawJson, 'a figure is shown as JSON')
      assert.equal(seen.figures, outputsExpected[name], 'figures that are drawn')
      console.log(`${name}: ${seen.figures} figures and ${seen.drawings} drawings (${Math.round((Date.now() - start) / 1000)} s)`)
    } catch (error) {
      failed++
      console.log(`${name}: FAILED: ${error.message}`)
      if (pictures) await page.screenshot({ path: join(pictures, `${name}-failed.png`) })
    } finally {
      await page.close()
    }
  }
} finally {
  await browser?.close()
  jupyter.removeAllListeners('close')
  jupyter.kill('SIGTERM')
  await new Promise((done) => setTimeout(done, 2000))
  jupyter.kill('SIGKILL')
  rmSync(scratch, { recursive: true, force: true })
}
process.exit(failed === 0 ? 0 : 1)
