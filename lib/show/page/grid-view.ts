/** The grid of layers x experts: gates of one character, a switch for each expert, and the choice of the layer that colors the text. */
import { colorBy, make, percent } from './view'
import type { Choice } from './writer'

export interface GridActions {
  readonly chooseLayer: (layer: number) => void
  readonly toggle: (layer: number, expert: number) => void
}

export class GridView {
  /** Row by row: the layer's name, then its experts. */
  private readonly rows: HTMLButtonElement[][] = []

  constructor(table: HTMLElement, { nLayer, numExperts }: { readonly nLayer: number; readonly numExperts: number }, actions: GridActions) {
    const heads = Array.from({ length: numExperts }, (_, e) => {
      const head = make('span', { textContent: String(e) })
      colorBy(head, e)
      return make('th', { scope: 'col' }, head)
    })
    table.append(make('caption', { textContent: 'Gates of each layer’s experts', hidden: true }))
    table.append(make('thead', {}, make('tr', {}, make('th', { scope: 'col', textContent: 'expert' }), ...heads)))
    const body = table.appendChild(make('tbody'))
    for (let l = 0; l < nLayer; l++) {
      const name = make('button', { type: 'button', textContent: `layer ${l}`, onclick: () => actions.chooseLayer(l) })
      const cells = Array.from({ length: numExperts }, (_, e) => {
        const cell = make('button', { type: 'button', onclick: () => actions.toggle(l, e) })
        colorBy(cell, e)
        return cell
      })
      this.rows.push([name, ...cells])
      body.append(make('tr', {}, make('th', { scope: 'row' }, name), ...cells.map((cell) => make('td', {}, cell))))
    }
    // One stop for the Tab key; arrow keys move inside.
    for (const button of this.rows.flat()) button.tabIndex = -1
    this.rows[0][0].tabIndex = 0
    table.addEventListener('keydown', (event) => this.onKey(event))
    table.addEventListener('focusin', ({ target }) => {
      for (const button of this.rows.flat()) button.tabIndex = button === target ? 0 : -1
    })
  }

  private onKey(event: KeyboardEvent): void {
    const row = this.rows.findIndex((buttons) => buttons.includes(event.target as HTMLButtonElement))
    const column = this.rows[row]?.indexOf(event.target as HTMLButtonElement)
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key]
    if (row < 0 || !move) return
    event.preventDefault()
    this.rows[row + move[0]]?.[column + move[1]]?.focus()
  }

  /** Shows which layer colors the text. */
  choose(layer: number): void {
    for (const [l, [name]] of this.rows.entries()) name.setAttribute('aria-pressed', String(l === layer))
  }

  /** Shows the gates of a character, and which experts are off. */
  update(path: readonly Choice[], off: ReadonlySet<number>): void {
    for (const [l, [, ...cells]] of this.rows.entries()) {
      const { experts = [], gates = [] } = path[l] ?? {}
      for (const [e, cell] of cells.entries()) {
        const k = experts.indexOf(e)
        const gate = k < 0 ? 0 : gates[k]
        const isOff = off.has(l * cells.length + e)
        const says = `layer ${l}, expert ${e}: ${isOff ? 'switched off' : k < 0 ? 'not chosen' : `gate ${percent(gate)}`}`
        if (cell.ariaLabel === says) continue // most of them stay as they are
        cell.className = isOff ? 'off' : k < 0 ? '' : 'chosen'
        cell.style.setProperty('--gate', isOff ? '0' : gate.toFixed(3))
        const label = isOff ? 'off' : k < 0 ? '' : String(Math.round(100 * gate))
        if (cell.textContent !== label) cell.textContent = label
        cell.ariaLabel = says
        cell.ariaPressed = String(isOff)
      }
    }
  }
}
