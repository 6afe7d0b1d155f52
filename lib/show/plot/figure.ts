/** What all figures share. A figure is a plain plotly object: data and layout, nothing that runs. */

import { at } from '../../base/assertions'
import { codePointCount } from '../../base/characters'

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
export function pale(hex: string, white = 0.5): `#${string}` {
  const mixed = [1, 3, 5].map((at) => Math.round((1 - white) * Number.parseInt(hex.slice(at, at + 2), 16) + white * 255))
  return `#${mixed.map((part) => part.toString(16).padStart(2, '0')).join('')}`
}

/** The fill of expert e: its color in the figures, light enough for dark letters; the two blues are mixed differently, to stay apart. */
export const expertFill = (e: number): `#${string}` => pale(color(e), [0.35, 0.5, 0.5, 0.5, 0.75][e % palette.length])

/** From little to much; monotonic in lightness. */
export const sequential = 'Cividis'

/** The card that figures stand on: light, so that they read well in light and dark themes. */
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
    title: { text: title, font: { size: 15 }, x: 0, pad: { l: 12 }, xanchor: 'left', y: 0.98, yref: 'container', yanchor: 'top' },
    autosize: true,
    height: 420,
    margin: { l: 60, r: 20, t: 50, b: 60 },
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
  title: { text: `${text} `, side: 'right', font: { size: 12 } },
  orientation: 'h',
  thickness: 10,
  lenmode: 'pixels',
  len: 300, // the text beside it among them
  x: 1,
  xanchor: 'right',
  y: 0,
  yref: 'container',
  yanchor: 'bottom',
  tickfont: { size: 11 },
  tickangle: 0,
  nticks: 5,
})

export const mapMargin = { l: 60, r: 20, t: 50, b: 105 } as const

/** A character as people can see it. */
export function visible(character: string): string {
  if (character === '\n') return '↵'
  return character === ' ' ? '␣' : character
}

/** An x axis with nothing below its title, in a layout whose margin leaves room for both: plotly would put the title on the figure's edge. */
export const lastLine = { automargin: false } as const

/** The axis of many characters: their labels stand in two rows, so that they fit where the page is narrow. */
export const characterAxis = (characters: readonly string[]): Readonly<Record<string, unknown>> => ({
  tickvals: characters.map((_, i) => i),
  ticktext: characters.map((character, i) => `${i % 2 === 1 ? '<br>' : ''}${visible(character)}`),
  tickfont: { size: 10, family: 'monospace' },
  tickangle: 0,
})

/** A name in lines of about `length` characters, for an axis that shall leave room for the plot; `k = 2` stays together. */
export function inLines(name: string, length = 18): string {
  const lines: string[] = []
  for (const word of name.replaceAll(' = ', '\u00a0=\u00a0').split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && codePointCount(last) + codePointCount(word) < length) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines.join('<br>')
}

/** Rows of numbers. */
export type Matrix = readonly (readonly number[])[]

/** Four digits are enough to draw. */
export const rounded = (matrix: Matrix): number[][] => matrix.map((row) => row.map((value) => Number(value.toFixed(4))))

/** For a tall x axis without a legend. */
export const roomBelow = { ...mapMargin, b: 80 } as const
