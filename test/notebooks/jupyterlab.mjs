// A real JupyterLab on copies of the notebooks, and a real browser; for the checks beside this file. CHROMIUM names the browser.
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { writeLabDefaults } from 'makemoe/dist/cli/lab-defaults'
import { chromium } from 'playwright-core'

const root = resolve(import.meta.dirname, '../..')

/** The notebooks as they are committed, by name. */
export const committedNotebooks = Object.fromEntries(
  readdirSync(join(root, 'notebooks'))
    .filter((file) => file.endsWith('.ipynb'))
    .map((file) => [file.replace(/\.ipynb$/, ''), JSON.parse(readFileSync(join(root, 'notebooks', file), 'utf8'))]),
)

/**
 * Starts JupyterLab on copies of notebooks and hands the visitor a browser and the address of each, and of JupyterLab without a name.
 * Copies, so that the browser saves nothing into the project; below the project, so that its packages are found; with Jupyter's data in a
 * folder of their own, so that nothing is trusted because this machine has seen it before.
 * @param notebooks by name
 * @param options.dark the theme
 * @param options.env more environment
 */
export async function withJupyterLab(notebooks, { dark = false, env = {} }, visit) {
  const scratch = join(root, 'data/runs', `jupyterlab-${process.pid}`)
  const write = (folder, file, value) => {
    mkdirSync(join(scratch, folder), { recursive: true })
    writeFileSync(join(scratch, folder, file), JSON.stringify(value))
  }
  for (const [name, notebook] of Object.entries(notebooks)) write('notebooks', `${name}.ipynb`, notebook)
  symlinkSync(join(root, 'data'), join(scratch, 'data'))
  cpSync(join(root, 'notebooks/images'), join(scratch, 'notebooks/images'), { recursive: true })
  writeLabDefaults(join(root, '.venv/share/jupyter/lab/settings'), join(scratch, 'workspaces')) // as `npm start` does
  // Without windowing all cells are on the page at once.
  write('settings/@jupyterlab/notebook-extension', 'tracker.jupyterlab-settings', { windowingMode: 'none' })
  const theme = dark ? 'JupyterLab Dark' : 'JupyterLab Light'
  write('settings/@jupyterlab/apputils-extension', 'themes.jupyterlab-settings', { theme })
  const args = ['lab', '--no-browser', '--ip=127.0.0.1', '--allow-root', `--notebook-dir=${join(scratch, 'notebooks')}`]
  const jupyter = spawn(join(root, '.venv/bin/jupyter'), args, {
    cwd: root,
    env: {
      ...process.env,
      JUPYTER_DATA_DIR: join(scratch, 'jupyter'),
      JUPYTERLAB_SETTINGS_DIR: join(scratch, 'settings'),
      JUPYTERLAB_WORKSPACES_DIR: join(scratch, 'workspaces'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let browser
  try {
    const { base, token } = await new Promise((done, fail) => {
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
    const quiet = ['--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync']
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', ...quiet] })
    await visit(browser, (name) => `${base}/lab${name ? `/workspaces/${name}/tree/${name}.ipynb` : ''}?token=${token}`)
  } finally {
    await browser?.close()
    jupyter.removeAllListeners('close')
    jupyter.kill('SIGTERM')
    await new Promise((done) => setTimeout(done, 2000))
    jupyter.kill('SIGKILL')
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Waits until a notebook's cells are on the page. */
export async function openNotebook(page, address) {
  await page.goto(address)
  await page.waitForSelector('.jp-Notebook .jp-CodeCell', { timeout: 60_000 })
}

/** A picture of the whole notebook, however long. */
export async function photograph(page, path) {
  const { width } = page.viewportSize()
  const height = await page.evaluate(() => document.querySelector('.jp-Notebook .jp-WindowedPanel-outer').scrollHeight)
  await page.setViewportSize({ width, height: Math.min(height + 120, 16_000) })
  await page.evaluate(() => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 0))
  await page.waitForTimeout(1500)
  await page.screenshot({ path })
}
