/** What all figures share. A figure is a plain plotly object: data and layout, nothing that runs. */

/** A plotly figure. */
export interface Figure {
  readonly data: readonly Readonly<Record<string, unknown>>[]
  readonly layout: Readonly<Record<string, unknown>>
}

/** Eight colours that people with any kind of colour vision tell apart (Okabe & Ito 2008). */
export const palette = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#8C8C00', '#555555'] as const

/** The colour of the i-th thing. */
export const colour = (i: number): string => palette[i % palette.length] as string

/** A colour mixed with white, light enough for dark letters on it. */
export function pale(hex: string): string {
  const mixed = [1, 3, 5].map((at) => Math.round((Number.parseInt(hex.slice(at, at + 2), 16) + 255) / 2))
  return `#${mixed.map((part) => part.toString(16).padStart(2, '0')).join('')}`
}

/** From little to much; monotonous in lightness. */
export const sequential = 'Cividis'

/** A layout with a title, labelled axes and a size that is legible at 700 px; `more` is merged into it. */
export function layout(
  title: string,
  x: string,
  y: string,
  { xaxis = {}, yaxis = {}, ...more }: { xaxis?: object; yaxis?: object } & Record<string, unknown> = {},
): Record<string, unknown> {
  const axis = (text: string): object => ({ title: { text }, automargin: true, gridcolor: '#dddddd', zeroline: false })
  return {
    title: { text: title, font: { size: 16 } },
    width: 700,
    height: 400,
    margin: { l: 60, r: 20, t: 80, b: 50 },
    font: { size: 13, color: '#222222' },
    paper_bgcolor: '#ffffff',
    plot_bgcolor: '#ffffff',
    xaxis: { ...axis(x), ...xaxis },
    yaxis: { ...axis(y), ...yaxis },
    legend: { orientation: 'h', x: 0, y: 1, yanchor: 'bottom' },
    ...more,
  }
}

/** A character as people can see it. */
export function visible(character: string): string {
  if (character === '\n') return '↵'
  return character === ' ' ? '␣' : character
}
