/**
 * What a cell prints, sent in pieces: a message a line would fill the queue of messages, which then drops some, the end of the cell among
 * them. Beyond a limit the rest is counted and not sent.
 */
import { StringDecoder } from 'node:string_decoder'
import { codePointCount, wholeEnd } from '../../base/characters'

export type StreamName = 'stdout' | 'stderr'

type Send = (name: StreamName, text: string) => void

/** Characters of one cell; a browser is slow with more. */
const limit = 10_000_000
const pieceLimit = 1_000_000
const intervalMs = 50

/** The printed output of one run of a cell. */
export class Output {
  private name: StreamName = 'stdout'
  private waiting: string[] = []
  private waitingLength = 0
  private sentAt = 0
  private timer: NodeJS.Timeout | undefined
  private total = 0
  private leftOut = { characters: 0, lines: 0 }
  private readonly decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') }

  constructor(private readonly send: Send) {}

  /** Takes what the process writes, also part of a character. */
  write(name: StreamName, chunk: string | Uint8Array, encoding?: BufferEncoding): void {
    if (typeof chunk !== 'string') this.add(name, this.decoders[name].write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)))
    else if (encoding === undefined || /^utf-?8$/i.test(encoding)) this.add(name, chunk)
    else this.add(name, this.decoders[name].write(Buffer.from(chunk, encoding)))
  }

  /** Sends what waits, and says what was left out since. */
  flush(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.sentAt = performance.now()
    const text = this.waiting.join('')
    this.waiting = []
    this.waitingLength = 0
    for (let at = 0; at < text.length; ) {
      const end = wholeEnd(text, at + pieceLimit)
      this.send(this.name, text.slice(at, end))
      at = end
    }
  }

  /** The cell has ended: all is sent, and a line says what was not. */
  end(): void {
    this.flush()
    const { characters, lines } = this.leftOut
    if (characters === 0) return
    this.leftOut = { characters: 0, lines: 0 }
    const count = (n: number): string => n.toLocaleString('en-US')
    this.send('stderr', `\n${count(characters)} more characters (${count(lines)} line ends) not shown: a cell shows ${count(limit)}\n`)
  }

  private add(name: StreamName, text: string): void {
    if (text === '') return
    const shown = text.slice(0, wholeEnd(text, Math.max(0, limit - this.total)))
    this.total = shown.length < text.length ? limit : this.total + shown.length
    if (shown.length < text.length) this.leaveOut(text.slice(shown.length))
    if (shown === '') return
    if (name !== this.name) {
      this.flush()
      this.name = name
    }
    this.waiting.push(shown)
    this.waitingLength += shown.length
    const due = this.sentAt + intervalMs - performance.now()
    if (due <= 0 || this.waitingLength >= pieceLimit) this.flush()
    else this.timer ??= setTimeout(() => this.flush(), due)
  }

  private leaveOut(text: string): void {
    this.leftOut.characters += codePointCount(text)
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.leftOut.lines++
    // After the cell's end, from a timer say.
    this.timer ??= setTimeout(() => this.end(), 1000)
  }
}
