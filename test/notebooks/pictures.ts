/**
 * A picture beside each figure and drawing of a notebook, for pages that run nothing and trust nobody. JupyterLab draws no SVG of a notebook
 * that it does not trust, so a drawing gets a PNG. It does draw interactive figures, but would show a PNG beside one instead, at its full
 * size, so a figure gets an SVG, for code hosts. Only whoever commits outputs needs this, and Chromium.
 */

import { SetupError } from 'makemoe/dist/base/errors'
import type { Browser, Page } from 'playwright-core'
import { joined, type Notebook, type Output, outputsOf, plotlyType } from './notebook'

/** Pixels of the file for each pixel on the page: sharp on high-density screens. */
const density = 2
/** Figures fill the width that they get; their pictures have this one. */
const defaultWidth = 760
const defaultHeight = 400

interface Pages {
  /** Has plotly. */
  readonly figures: Page
  readonly drawings: Page
}

async function figureSvg(page: Page, figure: { layout?: { width?: number; height?: number } }): Promise<string> {
  const { width = defaultWidth, height = defaultHeight } = figure.layout ?? {}
  const options = JSON.stringify({ format: 'svg', width, height })
  const url = String(await page.evaluate(`Plotly.toImage(${JSON.stringify(figure)}, ${options})`))
  return decodeURIComponent(url.slice(url.indexOf(',') + 1))
}

/** What a drawing says of itself, for whoever cannot see it. */
const svgTitle = (svg: string): string =>
  (/<title>([^<]*)<\/title>/.exec(svg)?.[1] ?? 'drawing').replaceAll('&lt;', '<').replaceAll('&amp;', '&')

async function addPicture({ figures, drawings }: Pages, output: Output): Promise<boolean> {
  const { data } = output
  if (!data) return false
  const figure = data[plotlyType]
  if (figure) {
    data['image/svg+xml'] = await figureSvg(figures, figure)
    delete data['image/png']
    return true
  }
  const svg = joined(data['image/svg+xml'])
  if (svg === '') return false
  await drawings.setContent(`<body style="margin: 0">${svg}</body>`)
  const drawing = drawings.locator('svg').first()
  const { width = 0, height = 0 } = (await drawing.boundingBox()) ?? {}
  data['image/png'] = (await drawing.screenshot({ omitBackground: true })).toString('base64')
  const alt = svgTitle(svg)
  data['text/plain'] = alt
  output.metadata = { ...output.metadata, 'image/png': { width: Math.round(width), height: Math.round(height), alt } }
  return true
}

async function openBrowser(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
  const { chromium } = await import('playwright-core')
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] }).catch((error: Error) => {
    throw new SetupError(`no Chromium at ${executablePath}: ${error.message.split('\n')[0]}`, 'install chromium or set CHROMIUM to it')
  })
}

/** @throws SetupError without Chromium */
export async function requireChromium(): Promise<void> {
  await (await openBrowser()).close()
}

/**
 * Adds a picture to each figure and drawing, or renews it.
 * @returns how many
 * @throws SetupError without Chromium
 */
export async function addPictures(notebook: Notebook): Promise<number> {
  const browser = await openBrowser()
  try {
    const pages = { figures: await browser.newPage(), drawings: await browser.newPage({ deviceScaleFactor: density }) }
    await pages.figures.addScriptTag({ path: require.resolve('plotly.js-dist-min/plotly.min.js') })
    let added = 0
    for (const output of outputsOf(notebook)) if (await addPicture(pages, output)) added++
    return added
  } finally {
    await browser.close()
  }
}
