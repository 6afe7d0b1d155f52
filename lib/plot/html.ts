/** A figure as a page of its own, with plotly inside: it opens anywhere, without a network. */
import { readFileSync } from 'node:fs'
import type { Figure } from './figure'

/** An HTML page with one interactive figure. */
export function figurePage({ data, layout }: Figure): string {
  const plotly = readFileSync(require.resolve('plotly.js-dist-min/plotly.min.js'), 'utf8')
  const json = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c')
  return `<!doctype html>
<meta charset="utf-8">
<script>${plotly}</script>
<div id="figure"></div>
<script>Plotly.newPlot('figure', ${json(data)}, ${json(layout)}, { displaylogo: false })</script>
`
}
