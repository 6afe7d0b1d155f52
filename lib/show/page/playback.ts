/** Writing that goes on by itself: a character at a time, at the speed that the person chose. */
import { element } from './view'

interface PlaybackEvents {
  readonly beforeStart: () => void
  readonly step: () => void
  /** Whether the text is so long that writing stops by itself. */
  readonly isDone: () => boolean
  readonly afterStop: () => void
}

export class Playback {
  playing = false
  private lastStep = 0

  constructor(private readonly events: PlaybackEvents) {}

  /** Starts or stops writing. */
  play(playing: boolean): void {
    if (playing) this.events.beforeStart()
    const begins = playing && !this.playing
    this.playing = playing
    element('play').textContent = playing ? 'Pause' : 'Play'
    element('play').setAttribute('aria-pressed', String(playing))
    element('path').setAttribute('aria-live', playing ? 'off' : 'polite')
    if (begins) requestAnimationFrame((time) => this.frame(time))
    if (!playing) this.events.afterStop()
  }

  private frame(time: number): void {
    if (!this.playing) return
    const due = 1000 / Number(element<HTMLSelectElement>('speed').value)
    if (time - this.lastStep >= due - 4) {
      this.lastStep = time
      this.events.step()
      if (this.events.isDone()) this.play(false)
    }
    requestAnimationFrame((next) => this.frame(next))
  }
}
