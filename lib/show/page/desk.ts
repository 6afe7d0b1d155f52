/** The page at work: one or two writers, their settings, and what is shown of what they do. */
import { showLoad, showProbabilities } from './bars-view'
import type { PageData } from './contents'
import { effectOf } from './effect'
import type { Engine } from './engine'
import { GridView } from './grid-view'
import { readSettings, showSettings, showTemperature } from './settings-view'
import { TextView } from './text-view'
import { element, percent, visible } from './view'
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
  private current = 0
  private layer: number
  /** A character of the current pane's text; undefined: the newest. */
  private inspected: number | undefined
  private playing = false
  private lastStep = 0
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
    element('play').addEventListener('click', () => this.play(!this.playing))
    element('step').addEventListener('click', () => {
      this.play(false)
      this.step()
    })
    element('restart').addEventListener('click', () => this.restart())
    element('prompt').addEventListener('input', () => {
      this.play(false)
      this.restart()
    })
    for (const id of ['temperature', 'top-k', 'top-p', 'seed'])
      element(id).addEventListener('input', () => this.takeSettings(id === 'seed'))
    const compare = element<HTMLInputElement>('compare')
    compare.addEventListener('change', () => this.compare(compare.checked))
  }

  /** Starts or stops writing. */
  play(playing: boolean): void {
    if (playing && this.now.writer.characters.length >= mostCharacters) this.restart()
    const begins = playing && !this.playing
    this.playing = playing
    element('play').textContent = playing ? 'Pause' : 'Play'
    element('play').setAttribute('aria-pressed', String(playing))
    element('path').setAttribute('aria-live', playing ? 'off' : 'polite')
    if (begins) requestAnimationFrame((time) => this.frame(time))
    if (!playing) this.measureEffect()
  }

  private frame(time: number): void {
    if (!this.playing) return
    const due = 1000 / Number(element<HTMLSelectElement>('speed').value)
    if (time - this.lastStep >= due - 4) {
      this.lastStep = time
      this.step()
      if (this.now.writer.characters.length >= mostCharacters) this.play(false)
    }
    requestAnimationFrame((next) => this.frame(next))
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
    if (!this.playing) this.measureEffect()
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
      const { temperature, topK, topP, seed } = writer.settings
      const parts = [
        `temperature ${temperature}`,
        topK && `top-k ${topK}`,
        topP && `top-p ${topP}`,
        `seed ${seed}`,
        writer.off.size > 0 && `${writer.off.size} off`,
      ]
      view.title.data = `${name}: ${parts.filter(Boolean).join(', ')}`
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
    const { vocabulary, facts } = this.data
    const { numExperts } = this.engine.config
    const index = this.inspected ?? writer.characters.length - 1
    const { text, id, path, expected, ofPrompt } = writer.characters[index]
    view.mark(this.inspected)
    this.grid.update(path, writer.off)
    const name = `“${visible(text)}”`
    element('of-which').textContent = `gates in % for ${name}${this.inspected === undefined ? ', the newest character' : ''}`
    const choice = path[this.layer]
    const chosen = choice?.experts.map((e, k) => `expert ${e} (${percent(choice.gates[k])})`).join(', ')
    const likely = expected && id !== undefined ? `${percent(expected[id])} likely here` : 'the beginning'
    element('path').textContent =
      id === undefined
        ? `${name} is not among the ${vocabulary.length} characters that the model knows: shown, but not seen by the model.`
        : `${name}, ${ofPrompt ? 'of the prompt' : `character ${index}`}: ${likely}. Layer ${this.layer}: ${chosen}.`
    element('next-title').textContent = this.inspected === undefined ? 'Next character' : `What else was likely instead of ${name}`
    if (this.inspected === undefined) showProbabilities(element('next'), writer.next(), vocabulary, undefined)
    else showProbabilities(element('next'), expected, vocabulary, id)
    const ofLayer = (load: ArrayLike<number>): number[] => Array.from(load).slice(this.layer * numExperts, (this.layer + 1) * numExperts)
    showLoad(element('load'), ofLayer(writer.load), facts.validation && ofLayer(facts.validation.load))
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
