/** A page in a notebook: a file beside it, and an iframe of that. */
import { basename } from 'node:path'
import { writeFileAtomic } from '../base/files'
import { escaped } from '../show/escaped'
import type { HtmlView } from './display'

/**
 * Writes a page as a file, and shows it in a notebook as an iframe.
 * @param file in the notebook's folder, where Jupyter finds it
 * @param title for whoever cannot see it
 */
export function pageView(file: string, html: string, title: string): HtmlView {
  writeFileAtomic(file, html)
  const name = basename(file)
  return {
    html: `<iframe src="${encodeURIComponent(name)}" title="${escaped(title)}" style="width: 100%; height: 1000px; border: 0"></iframe>`,
    text: `${name} (${(html.length / 1e6).toFixed(1)} MB) opens in any browser`,
  }
}
