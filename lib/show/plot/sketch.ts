/** Boxes, arrows and words as SVG: what the drawings are made of. Every drawing stands on a light card, as the figures do. */
import { isOneOf, keysOf } from '../../base/assertions'

import { card, color, pale } from './figure'

export interface Point {
  readonly x: number
  readonly y: number
}

const ink = '#222222'
const quietInk = '#5f5f5f'
/** What a box is: tensors, learned parts, plain operations; a choice that was taken, one that was dropped, what is left out. */
const fills = {
  plain: '#ffffff',
  data: pale(color(4)),
  learned: pale(color(1)),
  chosen: color(4),
  dropped: color(5),
  quiet: '#ececec',
} as const
export type Fill = keyof typeof fills

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

interface ArrowStyle {
  readonly dashed?: boolean
  /** Stroke; default: ink. */
  readonly color?: string
  readonly width?: number
}

interface TextStyle {
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly bold?: boolean
  readonly quiet?: boolean
}

/** A drawing in the making. */
export class Sketch {
  private readonly parts: string[] = []

  /** @param title what the drawing shows, for whoever cannot see it */
  constructor(
    readonly width: number,
    readonly height: number,
    readonly title: string,
  ) {}

  /** Lines of text in the middle of a rounded box; `fill` is a kind of box or a color. */
  box(x: number, y: number, width: number, height: number, text: string, fill: Fill | `#${string}` = 'plain'): this {
    const paint = isOneOf(keysOf(fills), fill) ? fills[fill] : fill
    this.parts.push(`<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" fill="${paint}" stroke="${ink}"/>`)
    const lines = text.split('\n')
    const first = y + height / 2 + 4.5 - (lines.length - 1) * 8
    for (const [i, line] of lines.entries()) this.write(x + width / 2, first + i * 16, line, fill === 'dropped' ? '#ffffff' : ink, {})
    return this
  }

  /** A frame around parts that belong together. */
  frame(x: number, y: number, width: number, height: number): this {
    this.parts.push(
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="10" fill="#f0f0f0" stroke="#9a9a9a" stroke-dasharray="5 4"/>`,
    )
    return this
  }

  circle({ x, y }: Point, radius: number, text: string): this {
    this.parts.push(`<circle cx="${x}" cy="${y}" r="${radius}" fill="#ffffff" stroke="${ink}" stroke-width="1.4"/>`)
    return this.write(x, y + 4.5, text, ink, {})
  }

  /** Words outside of boxes, with a halo where lines pass behind them. */
  text(x: number, y: number, text: string, style: TextStyle = {}): this {
    return this.write(x, y, text, style.quiet ? quietInk : ink, style, ` paint-order="stroke" stroke="${card}" stroke-width="4"`)
  }

  private write(x: number, y: number, text: string, fill: string, { anchor = 'middle', bold }: TextStyle, halo = ''): this {
    const font = bold ? ' font-weight="bold"' : ''
    this.parts.push(`<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${fill}"${font}${halo}>${escaped(text)}</text>`)
    return this
  }

  line(from: Point, to: Point, style: ArrowStyle = {}): this {
    return this.stroke(`M ${from.x} ${from.y} L ${to.x} ${to.y}`, style, false)
  }

  arrow(from: Point, to: Point, style: ArrowStyle = {}): this {
    return this.stroke(`M ${from.x} ${from.y} L ${to.x} ${to.y}`, style, true)
  }

  /** An arrow around other things, as SVG's path commands. */
  path(d: string, style: ArrowStyle = {}): this {
    return this.stroke(d, style, true)
  }

  private stroke(d: string, { dashed = false, color: paint = ink, width = 1.4 }: ArrowStyle, tip: boolean): this {
    const dash = dashed ? ' stroke-dasharray="5 4"' : ''
    const end = tip ? ` marker-end="url(#tip-${paint.slice(1)})"` : ''
    this.parts.push(`<path d="${d}" fill="none" stroke="${paint}" stroke-width="${width}"${dash}${end}/>`)
    return this
  }

  toString(): string {
    const { width, height, title, parts } = this
    const body = parts.join('\n')
    const paints = new Set([...body.matchAll(/url\(#tip-([0-9A-Fa-f]+)\)/g)].map(([, paint]) => paint))
    const tips = [...paints].map(
      (paint) =>
        `<marker id="tip-${paint}" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0 L9 4 L0 8 z" fill="#${paint}"/></marker>`,
    )
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
      `<title>${escaped(title)}</title><defs>${tips.join('')}</defs>`,
      `<rect width="${width}" height="${height}" rx="10" fill="${card}"/>`,
      body,
      '</svg>',
    ].join('\n')
  }
}
