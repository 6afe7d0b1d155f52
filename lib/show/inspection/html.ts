/** HTML in small pieces. The page runs no script and has no style attributes, so that it opens wherever its content policy is kept. */
import { escaped } from '../escaped'

/** How many steps a heat has, besides 0; inspection.css knows them as classes h0 to h20. */
export const heatSteps = 20

/** The class of a heat from 0 to 1. */
export const heat = (share: number): string => `h${Math.round(heatSteps * Math.min(1, Math.max(0, share)))}`

/** A number for people: digits behind the point, a real minus sign, a dash where there is none. */
export const number = (value: number | undefined, digits: number): string =>
  value === undefined || !Number.isFinite(value)
    ? '–'
    : value
        .toFixed(digits)
        .replace(/^-(?=0?\.?0*$)/, '')
        .replace('-', '−')

/** The same with a sign. */
export const signed = (value: number, digits: number): string => {
  const text = number(value, digits)
  return Number(value.toFixed(digits)) > 0 ? `+${text}` : text
}

/** A share as percent, without its sign. */
export const percent = (share: number | undefined, digits = 0): string => number(share === undefined ? undefined : 100 * share, digits)

/** A place that scrolls sideways where a screen is too narrow; the keyboard reaches it. */
export const scrolling = (label: string, content: string): string =>
  `<div class="scroll" role="region" tabindex="0" aria-label="${escaped(label)}">${content}</div>`

/** A cell of a heat table: what it says, and how warm it is. */
export interface Cell {
  readonly text: string
  /** From 0 to 1; absent: no color. */
  readonly heat?: number
  /** Another class: `cold` for what lies below zero, `dead`. */
  readonly mark?: string
}

/**
 * A table of numbers on colors.
 * @param corner what its first column is
 * @param rows a name and the cells
 */
export function heatTable(
  caption: string,
  corner: string,
  columns: readonly string[],
  rows: readonly { readonly name: string; readonly cells: readonly Cell[] }[],
): string {
  const head = columns.map((column) => `<th scope="col">${escaped(column)}</th>`).join('')
  const cell = ({ text, heat: share, mark }: Cell): string => {
    const classes = [...(share === undefined ? [] : [heat(share)]), ...(mark === undefined ? [] : [mark])].join(' ')
    return `<td${classes ? ` class="${classes}"` : ''}>${escaped(text)}</td>`
  }
  const body = rows.map(({ name, cells }) => `<tr><th scope="row">${escaped(name)}</th>${cells.map(cell).join('')}</tr>`).join('\n')
  const table = `<table class="heat" aria-label="${escaped(caption)}"><thead><tr><th scope="col">${escaped(corner)}</th>${head}</tr></thead>
<tbody>${body}</tbody></table>`
  return `<p class="hint">${escaped(caption)}</p>${scrolling(caption, table)}`
}

/** A section of the page. */
export const section = (id: string, title: string, ...content: readonly string[]): string =>
  `<section id="${id}"><h2>${escaped(title)}</h2>\n${content.join('\n')}</section>`

/** A paragraph, of a class if need be. */
export const paragraph = (text: string, kind?: string): string => `<p${kind ? ` class="${kind}"` : ''}>${escaped(text)}</p>`
