/**
 * Showing things in a notebook. tslab (the kernel) has one message type for several forms of the same output; from a page that runs nothing
 * a reader sees the picture, in Jupyter the interactive figure. Outside a kernel nothing is shown.
 */
import type { Figure } from '../show/plot/figure'

/** HTML, and the text that stands for it. */
export interface HtmlView {
  readonly html: string
  readonly text: string
}

type Bundle = Readonly<Record<string, unknown>>

interface Message {
  readonly data: Bundle
  readonly metadata: object
  readonly transient: { readonly display_id?: string }
}

type Write = (message: Message, update: boolean) => void

/** The part of tslab that talks to Jupyter. */
interface TslabJupyter {
  readonly lastWriteDisplayData: Write | null
}

/** undefined outside a kernel. */
const tslab = (): TslabJupyter | undefined =>
  (globalThis as { __tslab__?: { require(name: string): TslabJupyter } }).__tslab__?.require('tslab/dist/jupyter')

/** tslab's own way to the page. */
const writer = (): Write | undefined => tslab()?.lastWriteDisplayData ?? undefined

let displays = 0

/** A place in a cell's output that can be shown again with other content. */
export class Display {
  private readonly id = `makemoe-${process.pid}-${displays++}`
  private shown = false
  private readonly write = writer()

  /** Shows a figure, with an optional line of text below it. */
  figure(figure: Figure): void {
    const title = (figure.layout as { title?: { text?: string } }).title?.text ?? 'figure'
    this.bundle({ 'application/vnd.plotly.v1+json': { ...figure, config: { displaylogo: false, responsive: true } }, 'text/plain': title })
  }

  text(text: string): void {
    this.bundle({ 'text/plain': text })
  }

  /** Shows HTML; `text` stands where a reader sees none. */
  html({ html, text }: HtmlView): void {
    this.bundle({ 'text/html': html, 'text/plain': text })
  }

  private bundle(data: Bundle): void {
    this.write?.({ data, metadata: {}, transient: { display_id: this.id } }, this.shown)
    this.shown = true
  }
}

/** Shows a figure, or HTML as of `modelPage`, below the cell. */
export function show(view: Figure | HtmlView): void {
  if ('html' in view) new Display().html(view)
  else new Display().figure(view)
}
