/** The page at work: one or two writers, their settings, and what is shown of what they do. */
import { showCharacter } from './character-view'
import type { PageData } from './contents'
import { effectOf } from './effect'
import type { Engine } from './engine'
import { GridView } from './grid-view'
import { Playback } from './playback'
import { describeSettings, readSettings, showSettings, showTemperature } from './settings-view'
import { TextView } from './text-view'
import { element } from './view'
import { type Settings, Writer } from './writer'

/** Where a text stops by itself. */
const mostCharacters = 4000

interface Pane {
  readonly name: string
  readonly view: TextView
  writer: Writer
}

export class Desk {
  private readonly panes: Pane[]
  private readonly grid: GridView
  readonly playback = new Playback({
    beforeStart: () => {
      if (this.isFull) this.restart()
    },
    step: () => this.step(),
    isDone: () => this.isFull,
    afterStop: () => void this.measureEffect(),
  })
  private current = 0
  private layer: number
  /** A character of the current pane's text; undefined: the newest. */
  private inspected: number | undefined
  private milliseconds: number[] = []
  private measurement = 0

  constructor(
    private readonly engine: Engine,
    private readonly data: PageData,
    private readonly kernelName: string,
  ) {
    const { nLayer } = engine.config
    this.layer = Math.floor((nLayer - 1) / 2)
    element<HTMLTextAreaElement>('prompt').value = data.prompt
    this.panes = [this.pane('A', { temperature: 0.8, seed: 1337 })]
    this.grid = new GridView(element('grid'), engine.config, {
      chooseLayer: (layer) => this.chooseLayer(layer),
      toggle: (layer, expert) => this.toggle(layer, expert),
    })
    element('load-legend').hidden = data.facts.validation === undefined
    this.listen()
    showSettings(this.now.writer.settings)
    this.arrange()
    this.chooseLayer(this.layer)
  }

  private get now(): Pane {
    return this.panes[this.current]
  }

  private get isFull(): boolean {
    return this.now.writer.characters.length >= mostCharacters
  }

  private pane(name: string, settings: Settings, off: Iterable<number> = []): Pane {
    const view = new TextView(name, (index) => {
      this.choosePane(this.panes.findIndex((pane) => pane.view === view))
      this.inspected = index
      this.showCharacter()
    })
    view.chooser.addEventListener('change', () => this.choosePane(this.panes.findIndex((pane) => pane.view === view)))
    return { name, view, writer: this.writer(settings, off) }
  }

  private writer(settings: Settings, off: Iterable<number>): Writer {
    return new Writer(this.engine, this.data.vocabulary, element<HTMLTextAreaElement>('prompt').value, settings, off)
  }

  private listen(): void {
    element('play').addEventListener('click', () => this.playback.play(!this.playback.playing))
    element('step').addEventListener('click', () => {
      this.playback.play(false)
      this.step()
    })
    element('restart').addEventListener('click', () => this.restart())
    element('prompt').addEventListener('input', () => {
      this.playback.play(false)
      this.restart()
    })
    for (const id of ['temperature', 'top-k', 'top-p', 'seed'])
      element(id).addEventListener('input', () => this.takeSettings(id === 'seed'))
    const compare = element<HTMLInputElement>('compare')
    compare.addEventListener('change', () => this.compare(compare.checked))
  }

  private step(): void {
    for (const { writer, view } of this.panes) {
      const start = performance.now()
      writer.step()
      this.milliseconds.push(performance.now() - start)
      view.update(writer, this.layer)
    }
    this.milliseconds = this.milliseconds.slice(-60)
    this.showCharacter()
    this.showStatus()
  }

  /** Begins again, with the prompt, the settings and the experts as they are. */
  private restart(): void {
    for (const pane of this.panes) {
      pane.writer = this.writer(pane.writer.settings, pane.writer.off)
      pane.view.clear()
      pane.view.update(pane.writer, this.layer)
    }
    const { unknown } = this.now.writer
    const list = unknown.map((text) => `“${text}”`).join(' ')
    this.showProblem(unknown.length > 0 ? `The model does not know ${list}: shown in the text, but not seen by the model.` : '')
    this.inspected = undefined
    this.showCharacter()
    this.showStatus()
    if (!this.playback.playing) this.measureEffect()
  }

  private takeSettings(restart: boolean): void {
    const { writer } = this.now
    try {
      writer.settings = readSettings()
    } catch (error) {
      this.showProblem((error as Error).message)
      return
    }
    this.showProblem('')
    showTemperature(writer.settings.temperature)
    this.showTitles()
    if (restart) this.restart()
    else this.showCharacter()
  }

  private compare(two: boolean): void {
    if (two) {
      const { settings, off } = this.now.writer
      this.panes.push(this.pane('B', { ...settings, temperature: settings.temperature > 0.6 ? settings.temperature / 2 : 1 }, off))
    } else {
      this.panes.splice(0, 2, this.now)
      this.current = 0
    }
    this.arrange()
    this.restart()
  }

  private choosePane(index: number): void {
    if (index === this.current || index < 0) return
    this.now.view.mark(undefined)
    this.current = index
    this.inspected = undefined
    showSettings(this.now.writer.settings)
    this.showTitles()
    this.showCharacter()
    this.measureEffect()
  }

  private arrange(): void {
    const { length } = this.panes
    element('panes').className = length === 1 ? 'one' : 'two'
    element('panes').replaceChildren(...this.panes.map(({ view }) => view.pane))
    this.showTitles()
  }

  private showTitles(): void {
    for (const [i, { name, view, writer }] of this.panes.entries()) {
      view.title.data = `${name}: ${describeSettings(writer.settings, writer.off.size)}`
      view.chooser.checked = i === this.current
    }
    element('whose').textContent = this.panes.length > 1 ? ` of ${this.now.name}` : ''
  }

  private chooseLayer(layer: number): void {
    this.layer = layer
    for (const name of document.querySelectorAll('.layer-name')) name.textContent = String(layer)
    for (const { view, writer } of this.panes) {
      view.update(writer, layer)
      view.recolor(writer, layer)
    }
    this.grid.choose(layer)
    this.showCharacter()
  }

  private toggle(layer: number, expert: number): void {
    const { topK } = this.engine.config
    if (this.now.writer.toggle(layer, expert)) this.showProblem('')
    else this.showProblem(`Layer ${layer} needs at least ${topK} of its experts: switch another one on first.`)
    this.showTitles()
    this.showCharacter()
    this.measureEffect()
  }

  /** Says what the experts that are off do to the loss of the text shown. */
  private async measureEffect(): Promise<void> {
    const mine = ++this.measurement
    const { writer } = this.now
    const effect = writer.off.size === 0 ? '' : await effectOf(writer, this.engine.config.numExperts, () => mine === this.measurement)
    if (effect !== undefined) element('effect').textContent = effect
  }

  /** Shows everything about the inspected character. */
  private showCharacter(): void {
    const { writer, view } = this.now
    view.mark(this.inspected)
    this.grid.update(writer.characters[this.inspected ?? writer.characters.length - 1].path, writer.off)
    showCharacter(writer, this.data, { layer: this.layer, numExperts: this.engine.config.numExperts, inspected: this.inspected })
  }

  private showProblem(problem: string): void {
    element('problem').textContent = problem
  }

  private showStatus(): void {
    const sorted = [...this.milliseconds].sort((a, b) => a - b)
    const speed = sorted.length > 0 ? `, ${sorted[Math.floor(sorted.length / 2)].toFixed(1)} ms a character` : ''
    element('status').textContent =
      `${this.now.writer.characters.length} characters${speed} (${this.kernelName}). Everything runs in this page; nothing is sent.`
  }
}
