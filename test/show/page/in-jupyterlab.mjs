// Shows a small model's page below a notebook's cell in a real JupyterLab in Chromium: it must open and write there too.
// node test/show/page/in-jupyterlab.mjs [PICTURE]; CHROMIUM names the browser.
// Run by .ci/run.
import assert from 'node:assert'
import { openNotebook, withJupyterLab } from '../../notebooks/jupyterlab.mjs'

const source = `import { CharTokenizer, createStreams, modelPage, presets, show, SparseMoELanguageModel } from 'makemoe'
const tokenizer = CharTokenizer.fromText('\\n abcdefghijklmnopqrstuvwxyz')
const sizes = { vocabSize: tokenizer.vocabSize, nEmbed: 32, nHead: 2, nLayer: 3 }
const model = new SparseMoELanguageModel({ ...presets.corrected, ...sizes }, createStreams(1).init)
show(modelPage(model, tokenizer))`
const notebook = {
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { kernelspec: { display_name: 'TypeScript (makeMoE)', language: 'typescript', name: 'tslab' } },
  cells: [{ id: 'cell', cell_type: 'code', source, metadata: {}, outputs: [], execution_count: null }],
}

await withJupyterLab({ page: notebook }, {}, async (browser, address) => {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1300 }, reducedMotion: 'reduce' })
  await openNotebook(page, address('page'))
  await page.waitForSelector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', { timeout: 60_000 })
  const frame = page.locator('.jp-OutputArea-output iframe')
  for (let attempt = 0; attempt < 3 && (await frame.count()) === 0; attempt++) {
    await page.click('.jp-Dialog .jp-mod-accept', { timeout: 1500 }).catch(() => {}) // JupyterLab may ask which kernel
    await page.click('.jp-CodeCell', { timeout: 5000 }).catch(() => {})
    await page.keyboard.press('Shift+Enter')
    await frame.waitFor({ timeout: 60_000 }).catch(() => {})
  }
  const inside = page.frameLocator('.jp-OutputArea-output iframe')
  await inside.locator('#step').click({ timeout: 60_000 })
  await inside.locator('#step').click()
  assert.equal(await inside.locator('.text span').count(), 3) // the prompt is a new line
  assert.match(await inside.locator('#status').textContent(), /WebAssembly SIMD/)
  if (process.argv[2]) await page.screenshot({ path: process.argv[2] })
  console.log('the page writes below a cell of JupyterLab')
})
process.exit(0)
