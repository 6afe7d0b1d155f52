/** Figures as an HTML page of their own, with plotly inside, which opens anywhere, without a network. */
import { readFileSync } from 'node:fs'
import { escaped } from '../escaped'
import type { Figure } from './figure'

export interface FigurePageOptions {
  /** In the browser's tab. */
  readonly title: string
  /** Text below the figures, its lines and columns as they are. */
  readonly note?: string
  /** Seconds after which a browser reads the file again, for a page that is still being written. */
  readonly refresh?: number | undefined
}

/** An HTML page with interactive figures, one below the other. */
export function figurePage(figures: Figure | readonly Figure[], { title, note = '', refresh }: FigurePageOptions): string {
  const plotly = readFileSync(require.resolve('plotly.js-dist-min/plotly.min.js'), 'utf8')
  const json = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c')
  const all = 'data' in figures ? [figures] : figures
  const places = all.map((_, i) => `<div id="figure${i}"></div>`)
  const drawn = all.map(
    ({ data, layout }, i) => `Plotly.newPlot('figure${i}', ${json(data)}, ${json(layout)}, { displaylogo: false, responsive: true })`,
  )
  return `<!doctype html>
<meta charset="utf-8">
<title>${escaped(title)}</title>
<meta name="viewport" content="width=device-width">
${refresh === undefined ? '' : `<meta http-equiv="refresh" content="${refresh}">`}
<script>${plotly}</script>
${places.join('\n')}
<pre style="white-space: pre-wrap">${escaped(note)}</pre>
<script>${drawn.join('\n')}</script>
`
}
