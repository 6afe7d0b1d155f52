/** What all figures share. A figure is a plain plotly object: data and layout, nothing that runs. */
import { at } from '../checked'

/** A plotly figure. */
export interface Figure {
  readonly data: readonly Readonly<Record<string, unknown>>[]
  readonly layout: Readonly<Record<string, unknown>>
}

/** Eight colors that people with any kind of color vision tell apart (Okabe & Ito 2008). */
export const palette = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#8C8C00', '#555555'] as const

/** The color of the i-th thing. */
export const color = (i: number): string => at(palette, i % palette.length)

/** A color mixed with white, light enough for dark letters on it. */
export function pale(hex: string): string {
  const mixed = [1, 3, 5].map((at) => Math.round((Number.parseInt(hex.slice(at, at + 2), 16) + 255) / 2))
  return `#${mixed.map((part) => part.toString(16).padStart(2, '0')).join('')}`
}

/** From little to much; monotonic in lightness. */
export const sequential = 'Cividis'

/** The card that figures and drawings stand on: light, so that they read well in light and dark themes. */
export const card = '#fafafa'

/**
 * A layout with a title, labeled axes and a legend below; `more` is merged into it. It names no width: the figure fills its place, and is
 * legible from 500 px on.
 */
export function layout(
  title: string,
  x: string,
  y: string,
  { xaxis = {}, yaxis = {}, ...more }: { xaxis?: object; yaxis?: object } & Record<string, unknown> = {},
): Record<string, unknown> {
  const axis = (text: string): object => ({ title: { text }, automargin: true, gridcolor: '#e4e4e4', zeroline: false })
  return {
    title: { text: title, font: { size: 16 }, x: 0, xref: 'paper', xanchor: 'left', y: 0.98, yref: 'container', yanchor: 'top' },
    autosize: true,
    height: 420,
    margin: { l: 60, r: 20, t: 50, b: 50 },
    font: { size: 13, color: '#222222', family: 'Helvetica, Arial, sans-serif' },
    paper_bgcolor: card,
    plot_bgcolor: '#ffffff',
    xaxis: { ...axis(x), ...xaxis },
    yaxis: { ...axis(y), ...yaxis },
    legend: { orientation: 'h', x: 0, xanchor: 'left', y: 0, yref: 'container', yanchor: 'bottom' },
    ...more,
  }
}

/** The scale of a heatmap, below its right end: it takes no width from the map. Give the layout `margin: mapMargin`. */
export const colorbar = (text: string): Readonly<Record<string, unknown>> => ({
  title: { text: `${text} `, side: 'right' },
  orientation: 'h',
  thickness: 10,
  len: 0.5,
  x: 1,
  xanchor: 'right',
  y: 0,
  yref: 'container',
  yanchor: 'bottom',
  tickfont: { size: 11 },
  tickangle: 0,
  nticks: 5,
})

export const mapMargin = { l: 60, r: 20, t: 50, b: 100 } as const

/** A character as people can see it. */
export function visible(character: string): string {
  if (character === '\n') return '↵'
  return character === ' ' ? '␣' : character
}
