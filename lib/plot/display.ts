/**
 * Showing things in a notebook. tslab (the kernel) has one message type for several forms of the same output; from a page that runs nothing
 * a reader sees the picture, in Jupyter the interactive figure. Outside a kernel nothing is shown.
 */
import type { Figure } from './figure'

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
  readonly ZmqServer: { readonly prototype: { iopub: { sendTimeout: number }; publishStatus(...args: unknown[]): void } }
}

/** undefined outside a kernel. */
const tslab = (): TslabJupyter | undefined =>
  (globalThis as { __tslab__?: { require(name: string): TslabJupyter } }).__tslab__?.require('tslab/dist/jupyter')

/**
 * After 512 messages zeromq lets one wait for the next turn, and throws at whoever sends another before ("Socket is busy writing"): in the
 * middle of a cell that shows something. With this timeout none waits; a publisher never blocks.
 */
function keepPublishing({ ZmqServer: { prototype } }: TslabJupyter): void {
  const { publishStatus } = prototype
  prototype.publishStatus = function (...args) {
    this.iopub.sendTimeout = 0
    publishStatus.apply(this, args)
  }
}

const kernel = tslab()
if (kernel) keepPublishing(kernel)

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
    this.bundle({ 'application/vnd.plotly.v1+json': { ...figure, config: { displaylogo: false } }, 'text/plain': title })
  }

  text(text: string): void {
    this.bundle({ 'text/plain': text })
  }

  svg(svg: string): void {
    this.bundle({ 'image/svg+xml': svg, 'text/plain': 'drawing' })
  }

  private bundle(data: Bundle): void {
    this.write?.({ data, metadata: {}, transient: { display_id: this.id } }, this.shown)
    this.shown = true
  }
}

/** Shows a figure below the cell. */
export function show(figure: Figure): void {
  new Display().figure(figure)
}

/** Shows a drawing below the cell. */
export function showDrawing(svg: string): void {
  new Display().svg(svg)
}

/**
 * A signal that fires when the person interrupts the kernel. tslab ends the waiting cell; what runs in it must be told.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController()
  const stop = (): void => controller.abort()
  // Not at once: while a cell starts, Node's own handler for interrupts is being exchanged, and another listener would end the kernel.
  setImmediate(() => process.once('SIGINT', stop))
  return controller.signal
}
