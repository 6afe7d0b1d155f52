/** The text on the page: one colored span a character; pointing, tapping or the arrow keys choose the one whose path is shown. */
import { colorBy, make } from './view'
import type { Writer } from './writer'

export class TextView {
  readonly pane: HTMLElement
  readonly chooser = make('input', { type: 'radio', name: 'pane' })
  readonly title = document.createTextNode('')
  private readonly box = make('div', { className: 'text', tabIndex: 0 })
  private shown: Element | undefined
  private pinned: number | undefined

  /**
   * @param name of the pane: A or B
   * @param onInspect called with the index of a character, or undefined for the newest
   */
  constructor(
    name: string,
    private readonly onInspect: (index: number | undefined) => void,
  ) {
    this.pane = make('div', { className: 'pane' }, make('label', {}, this.chooser, make('span', {}, this.title)), this.box)
    this.box.setAttribute('role', 'group')
    this.box.setAttribute('aria-label', `Text ${name}`)
    this.box.setAttribute('aria-describedby', 'text-hint')
    this.box.addEventListener('pointerover', ({ target, pointerType }) => {
      if (pointerType === 'mouse' && this.indexOf(target) !== undefined) onInspect(this.indexOf(target))
    })
    this.box.addEventListener('pointerleave', () => onInspect(this.pinned))
    this.box.addEventListener('click', ({ target }) => this.pin(this.indexOf(target)))
    this.box.addEventListener('keydown', (event) => this.onKey(event))
  }

  private indexOf(target: EventTarget | null): number | undefined {
    const index = target instanceof HTMLElement ? target.dataset.index : undefined
    return index === undefined ? undefined : Number(index)
  }

  /** Keeps a character's path in view; undefined: the newest's. */
  private pin(index: number | undefined): void {
    this.pinned = index === this.pinned ? undefined : index
    this.onInspect(this.pinned)
  }

  private onKey(event: KeyboardEvent): void {
    const last = this.box.childElementCount - 1
    const at = this.pinned ?? last
    const goal = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last, Escape: last }[event.key]
    if (goal === undefined) return
    event.preventDefault()
    this.pinned = goal >= last ? undefined : Math.max(goal, 0)
    this.onInspect(this.pinned)
    this.box.children[Math.min(Math.max(goal, 0), last)]?.scrollIntoView({ block: 'nearest' })
  }

  /** Empties the pane. */
  clear(): void {
    this.pinned = undefined
    this.box.replaceChildren()
  }

  /** Adds what the writer has written since, and keeps the end in view if it was. */
  update(writer: Writer, layer: number): void {
    const atEnd = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 40
    for (let i = this.box.childElementCount; i < writer.characters.length; i++) {
      const { text, id, ofPrompt } = writer.characters[i]
      const classes = [ofPrompt ? 'of-prompt' : '', id === undefined ? 'unknown' : '', text === '\n' ? 'newline' : '']
      const span = make('span', { textContent: text, className: classes.filter(Boolean).join(' ') })
      span.dataset.index = String(i)
      this.box.append(span)
      this.color(span, writer, i, layer)
    }
    if (atEnd) this.box.scrollTop = this.box.scrollHeight
  }

  /** Colors everything by another layer. */
  recolor(writer: Writer, layer: number): void {
    for (const [i, span] of Array.from(this.box.children).entries()) this.color(span as HTMLElement, writer, i, layer)
  }

  private color(span: HTMLElement, writer: Writer, index: number, layer: number): void {
    const choice = writer.characters[index].path[layer]
    if (choice) colorBy(span, choice.experts[0])
  }

  /** Outlines the character whose path is shown. */
  mark(index: number | undefined): void {
    this.shown?.classList.remove('shown')
    this.shown = index === undefined ? undefined : this.box.children[index]
    this.shown?.classList.add('shown')
  }
}
