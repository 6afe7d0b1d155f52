// How fast a model's page is and how much memory it takes: node test/show/page/times.mjs model.html [chromium] [firefox]. Linux alone: memory is
// the share of the page's process (PSS in /proc) that an empty page's does not have.
// Run by hand.
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { browsersOf, launch, opened, step } from './browsers.mjs'

const [file, ...names] = process.argv.slice(2)
const url = pathToFileURL(resolve(file)).href
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1]

/** Megabytes of the biggest process that shows pages, of those that this script has started. */
function megabytes() {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const parent = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))[1])
        return [{ pid: Number(pid), parent, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') }]
      } catch {
        return [] // it has ended
      }
    })
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]))
  const isOurs = (pid) => pid === process.pid || (parents.has(pid) && isOurs(parents.get(pid)))
  const sizes = processes
    .filter(({ pid, command }) => /--type=renderer|-contentproc.* tab\b/.test(command) && isOurs(pid))
    .map(({ pid }) => Number(/Pss:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1024)
  return Math.max(...sizes)
}

async function measure(name, plain) {
  const browser = await launch(name)
  try {
    const context = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1280, height: 900 } })
    if (plain) await context.addInitScript('delete globalThis.WebAssembly')
    const page = await context.newPage()
    await page.goto('data:text/html,<title>empty</title>')
    await new Promise((done) => setTimeout(done, 500))
    const before = megabytes()
    await page.goto(url)
    await opened(page)
    const ready = await page.evaluate(() => performance.getEntriesByName('ready')[0].startTime)
    await step(page, 40) // the window is full
    const wall = []
    for (let i = 0; i < (plain ? 3 : 6); i++) {
      const start = performance.now()
      await step(page, 20)
      wall.push((performance.now() - start) / 20)
    }
    const engine = /([\d.]+) ms a character/.exec(await page.locator('#status').textContent())[1]
    await new Promise((done) => setTimeout(done, 500))
    console.log(
      `${name} ${browser.version()}, ${plain ? 'plain loop' : 'SIMD'}: ready ${ready.toFixed(0)} ms; ${engine} ms a character (median), ${median(wall).toFixed(1)} with all that is shown; ${(megabytes() - before).toFixed(0)} MB more than an empty page`,
    )
  } finally {
    await browser.close()
  }
}

for (const name of browsersOf(names)) for (const plain of [false, true]) await measure(name, plain)
