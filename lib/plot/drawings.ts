/**
 * Drawings of the parts of the model, from a few boxes and arrows. Each stands on a light card of its own, so that it reads well in light
 * and dark themes.
 */
import type { Config } from '../config'

interface Point {
  readonly x: number
  readonly y: number
}

const ink = '#222222'
const fills = { plain: '#ffffff', data: '#e3f1fb', learned: '#fdeccb', chosen: '#56B4E9', dropped: '#D55E00', quiet: '#ececec' } as const
type Fill = keyof typeof fills

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** A drawing in the making. */
class Sketch {
  private readonly parts: string[] = []

  constructor(
    readonly width: number,
    readonly height: number,
    readonly title: string,
  ) {}

  /** Lines of text in the middle of a rounded box. */
  box(x: number, y: number, width: number, height: number, text: string, fill: Fill = 'plain'): this {
    const dark = fill === 'dropped'
    this.parts.push(`<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" fill="${fills[fill]}" stroke="${ink}"/>`)
    const lines = text.split('\n')
    const first = y + height / 2 + 4.5 - (lines.length - 1) * 8
    for (const [i, line] of lines.entries()) this.text(x + width / 2, first + i * 16, line, dark ? '#ffffff' : ink)
    return this
  }

  text(x: number, y: number, text: string, fill: string = ink, anchor = 'middle'): this {
    this.parts.push(`<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${fill}">${escaped(text)}</text>`)
    return this
  }

  arrow(from: Point, to: Point, dashed = false): this {
    const dash = dashed ? ' stroke-dasharray="4 3"' : ''
    this.parts.push(
      `<line x1="${from.x}" y1="${from.y}" x2="${to.x}" y2="${to.y}" stroke="${ink}" stroke-width="1.4"${dash} marker-end="url(#tip)"/>`,
    )
    return this
  }

  /** A path around other things: a residual connection. */
  path(d: string): this {
    this.parts.push(`<path d="${d}" fill="none" stroke="${ink}" stroke-width="1.4" marker-end="url(#tip)"/>`)
    return this
  }

  toString(): string {
    const { width, height, title, parts } = this
    const tip =
      '<marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#222222"/></marker>'
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="sans-serif" font-size="13">`,
      `<title>${escaped(title)}</title><defs>${tip}</defs>`,
      `<rect width="${width}" height="${height}" rx="10" fill="#fafafa"/>`,
      ...parts,
      '</svg>',
    ].join('\n')
  }
}

const down = (sketch: Sketch, x: number, from: number, to: number): Sketch => sketch.arrow({ x, y: from }, { x, y: to })

/** Sizes that the drawing of the whole model names. */
export type ArchitectureSizes = Pick<Config, 'batchSize' | 'blockSize' | 'nEmbed' | 'nHead' | 'nLayer' | 'numExperts' | 'topK'> & {
  readonly vocabSize: number
}

/** The whole model, with the shapes that pass through it. */
export function architectureDrawing(s: ArchitectureSizes): string {
  const shape = `[${s.batchSize}, ${s.blockSize}, ${s.nEmbed}]`
  const d = new Sketch(700, 520, 'The whole model: characters in, scores for the next character out')
  d.box(40, 20, 260, 34, `characters [${s.batchSize}, ${s.blockSize}]`, 'data')
  down(d, 170, 54, 80)
  d.box(40, 80, 260, 48, `token + position embeddings\n${shape}`, 'learned')
  down(d, 170, 128, 168)
  d.box(20, 152, 420, 262, '', 'quiet').text(395, 172, `${s.nLayer} blocks`)
  d.box(60, 182, 220, 34, 'LayerNorm', 'learned')
  down(d, 170, 216, 228)
  d.box(60, 228, 220, 34, `causal attention, ${s.nHead} heads`, 'learned')
  down(d, 170, 262, 284)
  d.text(170, 297, '+')
  d.path('M 170 160 H 350 V 292 H 182')
  down(d, 170, 302, 318)
  d.box(60, 318, 220, 34, 'LayerNorm', 'learned')
  down(d, 170, 352, 364)
  d.box(60, 364, 220, 34, 'SparseMoE', 'learned')
  down(d, 170, 398, 422)
  d.text(150, 412, '+')
  d.path('M 170 308 H 350 V 408 H 182')
  d.box(40, 424, 260, 34, `LayerNorm, Linear ${s.nEmbed} to ${s.vocabSize}`, 'learned')
  down(d, 170, 458, 472)
  d.box(40, 474, 260, 34, `scores [${s.batchSize}, ${s.blockSize}, ${s.vocabSize}]`, 'data')
  d.box(480, 200, 190, 34, 'router', 'learned').text(575, 190, 'inside SparseMoE')
  const shown = Math.min(s.numExperts, 8)
  const width = 190 / shown
  for (let e = 0; e < shown; e++) {
    const chosen = e === 1 || (s.topK > 1 && e === 4)
    d.box(480 + e * width + 1, 290, width - 2, 60, String(e), chosen ? 'chosen' : 'plain')
    if (chosen) d.arrow({ x: 575, y: 234 }, { x: 480 + (e + 0.5) * width, y: 290 })
  }
  d.text(575, 372, `${s.topK} of ${s.numExperts} experts for each token`)
  d.arrow({ x: 280, y: 381 }, { x: 476, y: 320 }, true)
  return d.toString()
}

/** One head of causal self-attention. */
export function attentionDrawing(): string {
  const d = new Sketch(700, 240, 'One head of causal self-attention')
  d.box(20, 95, 110, 48, 'x\n[B, T, C]', 'data')
  for (const [i, name] of ['query', 'key', 'value'].entries()) {
    const y = 25 + i * 75
    d.box(190, y, 110, 40, `${name} [B, T, D]`, 'learned').arrow({ x: 130, y: 119 }, { x: 188, y: y + 20 })
  }
  d.box(350, 55, 130, 48, 'q kᵀ / √D\n[B, T, T]').arrow({ x: 300, y: 45 }, { x: 348, y: 72 }).arrow({ x: 300, y: 120 }, { x: 348, y: 88 })
  d.box(350, 128, 130, 34, 'mask, softmax').arrow({ x: 415, y: 103 }, { x: 415, y: 126 })
  d.box(540, 150, 140, 48, 'weighted sum\n[B, T, D]', 'data').arrow({ x: 480, y: 146 }, { x: 538, y: 166 })
  d.arrow({ x: 300, y: 195 }, { x: 538, y: 182 })
  return d.toString()
}

/** Top-k gating, in numbers that can be followed by eye. */
export function topKDrawing(): string {
  const logits = [1.2, -0.4, 2.0, 0.3]
  const kept = [true, false, true, false]
  const sum = logits.reduce((total, value, e) => total + (kept[e] ? Math.exp(value) : 0), 0)
  const d = new Sketch(700, 230, 'Top-2 gating of four experts')
  for (const [row, label] of ['logits', 'the best 2; the rest −∞', 'softmax: the gates'].entries()) {
    d.text(20, 50 + row * 75, label, ink, 'start')
    for (const [e, value] of logits.entries()) {
      const gate = kept[e] ? Math.exp(value) / sum : 0
      const text = row === 0 ? value.toFixed(1) : row === 1 ? (kept[e] ? value.toFixed(1) : '−∞') : gate.toFixed(2)
      d.box(230 + e * 112, 28 + row * 75, 92, 34, text, row > 0 && kept[e] ? 'chosen' : row === 0 ? 'data' : 'quiet')
      if (row > 0) down(d, 276 + e * 112, 62 + (row - 1) * 75, 26 + row * 75)
    }
  }
  return d.toString()
}

/** Noisy top-k gating. */
export function noisyTopKDrawing(): string {
  const d = new Sketch(700, 210, 'Noisy top-k gating')
  d.box(20, 80, 90, 44, 'x [N, C]', 'data')
  d.box(160, 30, 150, 40, 'Linear: logits', 'learned').arrow({ x: 110, y: 95 }, { x: 158, y: 55 })
  d.box(160, 130, 150, 40, 'Linear, softplus', 'learned').arrow({ x: 110, y: 110 }, { x: 158, y: 148 })
  d.box(340, 130, 90, 40, '× N(0, 1)').arrow({ x: 310, y: 150 }, { x: 338, y: 150 })
  d.box(370, 40, 34, 34, '+').arrow({ x: 310, y: 50 }, { x: 368, y: 56 }).arrow({ x: 387, y: 130 }, { x: 387, y: 76 })
  d.box(440, 37, 110, 40, 'top k, softmax').arrow({ x: 404, y: 57 }, { x: 438, y: 57 })
  d.box(590, 37, 90, 40, 'gates [N, E]', 'data').arrow({ x: 550, y: 57 }, { x: 588, y: 57 })
  d.text(500, 155, 'while training only', ink, 'start')
  return d.toString()
}

/** A sparse mixture of experts: tokens are sorted to their experts and come back. */
export function sparseMoEDrawing(): string {
  const d = new Sketch(700, 300, 'SparseMoE: each token visits two of four experts')
  const tokens = ['a', 'b', 'c', 'd', 'e']
  const choices = [
    [0, 2],
    [1, 2],
    [0, 3],
    [2, 3],
    [0, 1],
  ]
  for (const [i, token] of tokens.entries())
    d.box(30, 30 + i * 50, 60, 34, token, 'data').box(610, 30 + i * 50, 60, 34, `${token}′`, 'data')
  for (let e = 0; e < 4; e++) d.box(290, 32 + e * 62, 120, 44, `expert ${e}`, 'learned')
  for (const [i, experts] of choices.entries())
    for (const e of experts) {
      d.arrow({ x: 90, y: 47 + i * 50 }, { x: 288, y: 54 + e * 62 })
      d.arrow({ x: 410, y: 54 + e * 62 }, { x: 608, y: 47 + i * 50 })
    }
  d.text(190, 290, 'dispatch: rows sorted by expert').text(510, 290, 'combine: sum of gate × output')
  return d.toString()
}

/** Expert capacity: what does not fit is dropped. */
export function capacityDrawing(): string {
  const d = new Sketch(700, 220, 'Capacity 2: an expert serves two pairs at most')
  const queue = [
    [0, 1, 0, 0],
    [1, 0],
    [0, 0, 1],
  ]
  const waiting = ['a', 'b', 'c', 'd']
  for (const [e, row] of queue.entries()) {
    d.box(30, 25 + e * 62, 110, 44, `expert ${e}`, 'learned')
    for (const i of row.keys()) {
      const dropped = i >= 2
      d.box(180 + i * 96, 30 + e * 62, 80, 34, `${waiting[(e + i) % 4]}${dropped ? ' dropped' : ''}`, dropped ? 'dropped' : 'chosen')
    }
  }
  d.text(570, 90, 'A dropped token keeps', ink).text(570, 108, 'its residual path alone.', ink)
  d.text(350, 210, 'capacity = tokens × K / E × factor')
  return d.toString()
}
