/**
 * A picture beside each figure of a notebook, for pages that run nothing and trust nobody. An SVG, since JupyterLab, which draws interactive
 * figures of notebooks that it does not trust, would show a PNG instead of the figure, at its full size. Only whoever commits outputs needs
 * this, and Chromium.
 */

import { SetupError } from 'makemoe/dist/base/errors'
import type { Browser, Page } from 'playwright-core'
import { type Notebook, type Output, outputsOf, plotlyType } from './notebook'

/** Figures fill the width that they get; their pictures have this one. */
const defaultWidth = 760
const defaultHeight = 400

async function figureSvg(page: Page, figure: { layout?: { width?: number; height?: number } }): Promise<string> {
  const { width = defaultWidth, height = defaultHeight } = figure.layout ?? {}
  const options = JSON.stringify({ format: 'svg', width, height })
  const url = String(await page.evaluate(`Plotly.toImage(${JSON.stringify(figure)}, ${options})`))
  return decodeURIComponent(url.slice(url.indexOf(',') + 1))
}

async function addPicture(page: Page, { data }: Output): Promise<boolean> {
  const figure = data?.[plotlyType]
  if (!data || !figure) return false
  data['image/svg+xml'] = await figureSvg(page, figure)
  delete data['image/png']
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
 * Adds a picture to each figure, or renews it.
 * @returns how many
 * @throws SetupError without Chromium
 */
export async function addPictures(notebook: Notebook): Promise<number> {
  const browser = await openBrowser()
  try {
    const page = await browser.newPage()
    await page.addScriptTag({ path: require.resolve('plotly.js-dist-min/plotly.min.js') })
    let added = 0
    for (const output of outputsOf(notebook)) if (await addPicture(page, output)) added++
    return added
  } finally {
    await browser.close()
  }
}
