// What a person sees after `npm start`, whose home has never seen Jupyter: the first notebook, all notebooks in the list, and no question
// about news. The address comes from where it hands it to the person: the BROWSER. CHROMIUM names the browser that looks.
// node test/notebooks/at-start.mjs [SCREENSHOT]
import assert from 'node:assert'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { chromium } from 'playwright-core'

const [screenshot] = process.argv.slice(2)
const root = resolve(import.meta.dirname, '../..')
const home = mkdtempSync(join(tmpdir(), 'makemoe-home-'))
const [script, told] = [join(home, 'browser'), join(home, 'address')]
writeFileSync(script, `#!/bin/sh\nprintf '%s' "$1" > ${told}\n`, { mode: 0o755 })
const start = spawn(process.execPath, ['lib/cli/bootstrap.mjs', 'start'], {
  cwd: root,
  env: { ...process.env, HOME: home, BROWSER: `${script} %s` },
  stdio: ['ignore', 'pipe', 'pipe'],
})
let log = ''
for (const stream of [start.stdout, start.stderr]) stream.on('data', (chunk) => (log += chunk))

/** The address that the browser got: of a page on disk, which leads to JupyterLab's with the token. */
async function address() {
  for (let attempt = 0; attempt < 1200 && start.exitCode === null; attempt++, await wait(100))
    if (existsSync(told) && readFileSync(told, 'utf8') !== '') return readFileSync(told, 'utf8')
  assert.fail(`npm start opened no browser: ${log.slice(-2000)}`)
}

const look = () => ({
  opened: document.querySelector('.lm-DockPanel .lm-TabBar-tab.jp-mod-current .lm-TabBar-tabLabel')?.textContent,
  listed: [...document.querySelectorAll('.jp-DirListing-itemText')].map((item) => item.textContent),
  asked: document.body.textContent.includes('Jupyter news'),
})

let browser
try {
  const page = await address()
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
  const tab = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  await tab.goto(page)
  await tab.waitForSelector('.jp-Notebook .jp-MarkdownCell', { timeout: 120_000 })
  await tab.waitForSelector('.jp-DirListing-itemText', { timeout: 60_000 })
  await tab.waitForTimeout(8000) // the question about news comes some seconds later
  if (screenshot) await tab.screenshot({ path: screenshot })
  const seen = await tab.evaluate(look)
  assert.equal(seen.opened, 'makeMoE_from_Scratch.ipynb')
  const files = readdirSync(join(root, 'notebooks')).filter((file) => file.endsWith('.ipynb'))
  assert.deepEqual(
    files.filter((file) => !seen.listed.includes(file)),
    [],
    'notebooks that are not in the list',
  )
  assert.equal(seen.asked, false, 'the question about news')
  console.log('npm start: the first notebook, all notebooks listed, no question')
} finally {
  await browser?.close()
  start.kill('SIGTERM')
  await Promise.race([new Promise((done) => start.on('exit', done)), wait(5000)])
  start.kill('SIGKILL')
  rmSync(home, { recursive: true, force: true })
}
