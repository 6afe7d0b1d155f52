// The documentation's site (npm run docs), looked at: every link leads to a page and a place that are there; in a real Chromium no page
// complains, the groups are those of index.ts, formulas and pictures are shown. node test/docs/in-chromium.mjs [FOLDER for screenshots]
import assert from 'node:assert'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join, resolve } from 'node:path'
import { launch } from '../show/page/browsers.mjs'

const root = resolve(import.meta.dirname, '../..')
const site = join(root, 'data/docs')
const [screenshots] = process.argv.slice(2)

const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'))
const idsOf = (file) => new Set([...readFileSync(file, 'utf8').matchAll(/\bid="([^"]+)"/g)].map(([, id]) => id))
const decode = (text) => text.replaceAll('&amp;', '&')
let links = 0
for (const page of pages) {
  const file = join(site, page)
  for (const [, raw] of readFileSync(file, 'utf8').matchAll(/\b(?:href|src)="([^"]+)"/g)) {
    if (/^(https?:|mailto:|data:)/.test(raw) || raw === '#') continue
    const [path, id] = decode(raw).split('#')
    const target = path ? join(dirname(file), decodeURIComponent(path.split('?')[0])) : file
    assert(existsSync(target) && statSync(target).isFile(), `${page}: ${raw} leads nowhere`)
    if (id) assert(idsOf(target).has(decodeURIComponent(id)), `${page}: ${raw}: that place is not there`)
    links++
  }
}
console.log(`${pages.length} pages, ${links} links lead to what is there`)

const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' }
const server = createServer(({ url }, response) => {
  const file = join(site, decodeURIComponent(new URL(url, 'http://site').pathname))
  if (url === '/favicon.ico') return response.writeHead(204).end()
  if (!existsSync(file)) return response.writeHead(404).end()
  response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' }).end(readFileSync(file))
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const address = `http://127.0.0.1:${server.address().port}`
const browser = await launch('chromium')
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
const complaints = []
page.on('pageerror', (error) => complaints.push(String(error)))
page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
page.on('requestfailed', (request) => complaints.push(`not loaded: ${request.url()}`))
page.on('request', (request) => request.url().startsWith(address) || complaints.push(`asks the network for ${request.url()}`))
const open = async (path) => {
  await page.goto(`${address}/${path}`)
  await page.waitForLoadState('networkidle')
}
const picture = async (name) => screenshots && (await page.screenshot({ path: join(screenshots, `w8-docs-${name}.png`) }))

await open('modules/makemoe.html')
const groups = readFileSync(join(root, 'lib/index.ts'), 'utf8').match(/(?<=^\/\/ ).*$/gm)
const shown = await page.locator('details.tsd-member-group > summary h2, details.tsd-panel-group > summary h2').allInnerTexts()
const order = shown.map((text) => text.trim()).filter((text) => groups.includes(text))
assert.deepEqual(order, groups, `groups: got ${shown.join(' | ')}`)
await picture('groups')

await open('variables/makemoe.switchLoss.html')
assert((await page.locator('math').count()) > 0, 'formulas are rendered')
await picture('formula')
await open('classes/makemoe.SparseMoE.html')
await picture('class')

const notebooks = readdirSync(join(root, 'notebooks')).filter((file) => file.endsWith('.ipynb'))
for (const notebook of notebooks) {
  await open(`documents/${notebook.replace('.ipynb', '.html')}`)
  const pictures = await page
    .locator('.tsd-typography img, .tsd-document img')
    .evaluateAll((images) => images.map(({ naturalWidth }) => naturalWidth))
  assert(pictures.length > 3 && pictures.every((width) => width > 0), `${notebook}: pictures ${pictures}`)
  const code = await page.locator('pre code').count()
  assert(code > 20, `${notebook}: ${code} cells`)
  console.log(`${notebook}: ${pictures.length} pictures, ${code} blocks of code and output`)
  if (notebook === notebooks.at(-2)) {
    await page.locator('img').nth(1).scrollIntoViewIfNeeded()
    await picture('notebook')
  }
}
await browser.close()
server.close()
assert.deepEqual(complaints, [])
