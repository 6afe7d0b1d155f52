/** Drawings of the parts of the model, with the shapes on the arrows; expert e has the color that it has in the figures. */
import type { Config } from '../../makemoe/config'
import { color, expertFill } from './figure'
import { Sketch } from './sketch'

/** Sizes that the drawing of the whole model names. */
export type ArchitectureSizes = Pick<Config, 'batchSize' | 'blockSize' | 'nEmbed' | 'nHead' | 'nLayer' | 'numExperts' | 'topK'> & {
  readonly vocabSize: number
}

/** The whole model, with the shapes that pass through it, and one token's way through a SparseMoE. */
export function architectureDrawing(s: ArchitectureSizes): string {
  const shape = `[${s.batchSize}, ${s.blockSize}, ${s.nEmbed}]`
  const d = new Sketch(
    760,
    560,
    `The model: token ids, embeddings, ${s.nLayer} blocks of attention and SparseMoE on a residual stream, LayerNorm, Linear, logits. Inside SparseMoE a router sends each token to ${s.topK} of ${s.numExperts} experts and adds their outputs, weighed by the gates.`,
  )
  const stream = 125
  d.box(20, 20, 210, 34, `token ids [${s.batchSize}, ${s.blockSize}]`, 'data').arrow({ x: stream, y: 54 }, { x: stream, y: 77 })
  d.box(20, 78, 210, 36, 'token + position embedding', 'learned')
  d.frame(20, 152, 460, 226).text(468, 172, `${s.nLayer} blocks, one after the other`, { anchor: 'end', bold: true })
  d.text(stream + 10, 138, shape, { anchor: 'start', quiet: true })
  const branch = (y: number, name: string): void => {
    const sum = y + 62
    d.arrow({ x: stream, y }, { x: 169, y }).box(170, y - 18, 100, 36, 'LayerNorm', 'learned')
    d.arrow({ x: 270, y }, { x: 299, y }).box(300, y - 18, 166, 36, name, 'learned')
    d.path(`M 383 ${y + 18} V ${sum} H ${stream + 12}`).text(250, sum - 7, shape, { quiet: true })
  }
  d.arrow({ x: stream, y: 114 }, { x: stream, y: 251 })
  branch(202, `causal attention, ${s.nHead} heads`)
  d.arrow({ x: stream, y: 275 }, { x: stream, y: 341 })
  branch(292, 'SparseMoE')
  d.circle({ x: stream, y: 264 }, 11, '+').circle({ x: stream, y: 354 }, 11, '+')
  d.text(40, 240, 'residual', { anchor: 'start', quiet: true }).text(40, 255, 'stream', {
    anchor: 'start',
    quiet: true,
  })
  d.arrow({ x: stream, y: 366 }, { x: stream, y: 401 }).box(20, 402, 210, 34, 'LayerNorm', 'learned')
  d.arrow({ x: stream, y: 436 }, { x: stream, y: 453 }).box(20, 454, 210, 34, `Linear ${s.nEmbed} → ${s.vocabSize}`, 'learned')
  d.arrow({ x: stream, y: 488 }, { x: stream, y: 505 }).box(
    20,
    506,
    210,
    34,
    `logits [${s.batchSize}, ${s.blockSize}, ${s.vocabSize}]`,
    'data',
  )

  d.frame(510, 60, 236, 440).text(628, 82, 'inside SparseMoE: one token', { bold: true })
  d.path('M 466 292 H 509', { dashed: true })
  d.box(568, 96, 120, 34, `token [${s.nEmbed}]`, 'data').arrow({ x: 628, y: 130 }, { x: 628, y: 155 })
  d.box(568, 156, 120, 34, 'router', 'learned').text(696, 178, `[${s.numExperts}]`, { anchor: 'start', quiet: true })
  const shown = Math.min(s.numExperts, 8)
  const width = 212 / shown
  const center = (e: number): number => 522 + (e + 0.5) * width
  const chosen = [1, 4, 6, 3].filter((e) => e < shown).slice(0, s.topK)
  const gates = chosen.length === 1 ? ['1'] : ['0.7', '0.3']
  for (let e = 0; e < shown; e++) {
    const on = chosen.includes(e)
    d.box(center(e) - width / 2 + 1, 278, width - 2, 44, String(e), on ? expertFill(e) : 'plain')
    if (!on) continue
    d.arrow({ x: 628, y: 190 }, { x: center(e), y: 277 }, { color: color(e), width: 2 })
    d.arrow({ x: center(e), y: 322 }, { x: 628 + (center(e) - 628) / 5, y: 403 }, { color: color(e), width: 2 })
    const gate = gates[chosen.indexOf(e)]
    if (gate && chosen.length <= 2)
      d.text((center(e) + 628) / 2 + (center(e) < 628 ? -14 : 14), 366, `× ${gate}`, {
        anchor: center(e) < 628 ? 'end' : 'start',
      })
  }
  d.text(738, 342, `${s.topK} of ${s.numExperts} experts`, { anchor: 'end', quiet: true })
  d.box(568, 404, 120, 34, 'sum', 'plain')
    .arrow({ x: 628, y: 438 }, { x: 628, y: 453 })
    .box(568, 454, 120, 34, `output [${s.nEmbed}]`, 'data')
  return d.toString()
}

/** One head of causal self-attention. */
export function attentionDrawing(): string {
  const d = new Sketch(
    760,
    270,
    'One head of causal self-attention: x becomes query, key and value; query times key gives scores; mask and softmax make weights of them; the output is the weighted sum of the values.',
  )
  d.box(16, 106, 96, 48, 'x\n[B, T, C]', 'data')
  for (const [i, name] of ['query', 'key', 'value'].entries()) {
    const y = 24 + i * 86
    d.box(160, y, 120, 40, `${name} [B, T, D]`, 'learned').arrow({ x: 112, y: 130 }, { x: 159, y: y + 20 })
  }
  d.box(330, 64, 120, 48, 'q kᵀ / √D\n[B, T, T]').arrow({ x: 280, y: 44 }, { x: 329, y: 80 }).arrow({ x: 280, y: 130 }, { x: 329, y: 98 })
  d.text(390, 56, 'scores', { quiet: true })
  d.arrow({ x: 450, y: 88 }, { x: 489, y: 88 }).text(535, 24, 'mask, then softmax', { quiet: true })
  // Lower triangle: position t looks at positions up to t.
  const cell = 22
  for (let row = 0; row < 4; row++)
    for (let column = 0; column < 4; column++)
      d.box(490 + column * cell, 38 + row * cell, cell, cell, column > row ? '' : '•', column > row ? 'quiet' : 'chosen')
  d.text(535, 142, 'weights [B, T, T]', { quiet: true })
  d.box(620, 150, 124, 48, 'weighted sum\n[B, T, D]', 'data').path('M 580 82 H 682 V 149')
  d.path('M 280 216 H 682 V 199').text(470, 208, 'values', { quiet: true })
  return d.toString()
}

/** Top-k gating, in numbers that can be followed by eye. */
export function topKDrawing(): string {
  const logits = [1.2, -0.4, 2.0, 0.3]
  const kept = [true, false, true, false]
  const sum = logits.reduce((total, value, e) => total + (kept[e] ? Math.exp(value) : 0), 0)
  const d = new Sketch(
    760,
    262,
    'Top-2 gating of four experts: the two largest logits, 2.0 and 1.2, stay; the others become minus infinity; the softmax gives the gates 0.69 and 0.31, and exactly 0 for the others.',
  )
  for (const e of logits.keys()) d.text(316 + e * 120, 28, `expert ${e}`, { quiet: true })
  for (const [row, label] of ['logits of one token [E]', 'the top 2 stay, the rest: −∞', 'softmax: the gates [E]'].entries()) {
    d.text(20, 62 + row * 80, label, { anchor: 'start' })
    for (const [e, value] of logits.entries()) {
      const gate = kept[e] ? Math.exp(value) / sum : 0
      const text = row === 0 ? value.toFixed(1) : row === 1 ? (kept[e] ? value.toFixed(1) : '−∞') : kept[e] ? gate.toFixed(2) : '0'
      const fill = row === 0 ? 'data' : kept[e] ? expertFill(e) : 'quiet'
      d.box(266 + e * 120, 40 + row * 80, 100, 34, text, fill)
      if (row > 0)
        d.arrow(
          { x: 316 + e * 120, y: 74 + (row - 1) * 80 },
          { x: 316 + e * 120, y: 39 + row * 80 },
          kept[e] ? { width: 2, color: color(e) } : {},
        )
    }
  }
  return d.toString()
}

/** Noisy top-k gating, and when the noise is on. */
export function noisyTopKDrawing(): string {
  const d = new Sketch(
    760,
    222,
    'Noisy top-k gating: normal noise, scaled by the softplus of a second Linear, is added to the logits before the top k are chosen. Our default adds it while training only, the makemoe preset always, as the original does.',
  )
  d.box(16, 82, 84, 44, 'x\n[N, C]', 'data')
  d.box(150, 34, 140, 40, 'Linear: logits', 'learned').arrow({ x: 100, y: 98 }, { x: 149, y: 58 })
  d.box(150, 132, 140, 40, 'Linear, softplus', 'learned').arrow({ x: 100, y: 112 }, { x: 149, y: 148 })
  d.arrow({ x: 290, y: 152 }, { x: 341, y: 152 }).text(315, 144, '[N, E]', { quiet: true })
  d.box(342, 132, 96, 40, '× N(0, 1)')
  d.arrow({ x: 290, y: 54 }, { x: 375, y: 54 }).text(332, 46, '[N, E]', { quiet: true })
  d.arrow({ x: 390, y: 132 }, { x: 390, y: 68 }, { dashed: true }).circle({ x: 390, y: 54 }, 13, '+')
  d.arrow({ x: 403, y: 54 }, { x: 449, y: 54 }).box(450, 34, 120, 40, 'top k, softmax')
  d.arrow({ x: 570, y: 46 }, { x: 629, y: 34 }).arrow({ x: 570, y: 62 }, { x: 629, y: 86 })
  d.box(630, 14, 114, 38, 'gates [N, E]', 'data').box(630, 68, 114, 38, 'indices [N, K]', 'data')
  d.text(456, 146, 'default: while training only', { anchor: 'start' })
  d.text(456, 164, 'preset makemoe: always, as the original', { anchor: 'start' })
  return d.toString()
}

/** A sparse mixture of experts; the way of one token in color. */
export function sparseMoEDrawing(): string {
  const d = new Sketch(
    760,
    380,
    'SparseMoE: the router chooses two of four experts for each of five tokens. Token c goes to experts 0 and 3 with gates 0.7 and 0.3; its output is 0.7 times that of expert 0 plus 0.3 times that of expert 3.',
  )
  const tokens = ['a', 'b', 'c', 'd', 'e']
  const choices = [
    [0, 2],
    [1, 2],
    [0, 3],
    [2, 3],
    [0, 1],
  ] as const
  const followed = 2
  const tokenY = (i: number): number => 62 + i * 56
  const expertY = (e: number): number => 72 + e * 66
  for (const [x, text] of [
    [58, '1 tokens [N, C]'],
    [176, '2 route'],
    [276, '3 dispatch'],
    [390, '4 compute'],
    [520, '5 weigh, add'],
    [688, '6 outputs [N, C]'],
  ] as const)
    d.text(x, 28, text, { bold: true })
  const way = (i: number, e: number, style: { color: string; width?: number }): void => {
    d.arrow({ x: 208, y: tokenY(i) }, { x: 329, y: expertY(e) }, style).arrow({ x: 450, y: expertY(e) }, { x: 633, y: tokenY(i) }, style)
  }
  for (const [i, experts] of choices.entries()) for (const e of experts) if (i !== followed) way(i, e, { color: '#b5b5b5' })
  for (const e of choices[followed]) way(followed, e, { color: color(e), width: 2.6 })
  d.box(150, 42, 58, 264, 'router', 'learned')
  for (const [i, token] of tokens.entries()) {
    const on = i === followed
    d.box(30, tokenY(i) - 17, 56, 34, token, on ? 'chosen' : 'data').box(634, tokenY(i) - 17, 56, 34, `${token}′`, on ? 'chosen' : 'data')
    d.arrow({ x: 86, y: tokenY(i) }, { x: 149, y: tokenY(i) }, on ? { width: 2.6 } : { color: '#b5b5b5' })
  }
  for (let e = 0; e < 4; e++) d.box(330, expertY(e) - 22, 120, 44, `expert ${e}`, expertFill(e))
  d.text(516, 100, '× 0.7', { bold: true }).text(516, 262, '× 0.3', { bold: true })
  d.text(380, 346, 'c′ = 0.7 · expert 0 (c) + 0.3 · expert 3 (c)', { bold: true })
  d.text(380, 366, 'experts 1 and 2 compute nothing for c', { quiet: true })
  return d.toString()
}

/** What happens in each column of a drawing, in bold, and in other words below; x is the middle of a column. */
function columnTitles(d: Sketch, y: number, columns: readonly (readonly [x: number, step: string, words: string])[]): void {
  for (const [x, step, words] of columns) d.text(x, y, step, { bold: true }).text(x, y + 18, words, { quiet: true })
}

/** Dispatch and combine, step by step, with three tokens. */
export function dispatchDrawing(): string {
  const d = new Sketch(
    760,
    330,
    'Dispatch and combine: the six (token, choice) pairs of three tokens are sorted by expert; each expert multiplies its own rows at once; the results go back to their tokens, are weighed by the gates and added.',
  )
  const pairs = [
    { token: 'a', expert: 1, gate: '0.6' },
    { token: 'a', expert: 0, gate: '0.4' },
    { token: 'b', expert: 0, gate: '0.9' },
    { token: 'b', expert: 2, gate: '0.1' },
    { token: 'c', expert: 1, gate: '0.5' },
    { token: 'c', expert: 2, gate: '0.5' },
  ]
  const sorted = [...pairs].sort((a, b) => a.expert - b.expert)
  const fill = (expert: number): `#${string}` => expertFill(expert)
  columnTitles(d, 26, [
    [90, '1 choose', 'token → expert'],
    [270, '2 sort by expert', 'a row for each pair'],
    [445, '3 compute', 'one product an expert'],
    [640, '4 combine', 'gate × row, added'],
  ])
  const y = (i: number): number => 62 + i * 38
  for (const [i, pair] of pairs.entries()) {
    const { token, expert, gate } = pair
    d.box(35, y(i), 110, 30, `${token} → ${expert}   (${gate})`, fill(expert))
    const at = sorted.indexOf(pair)
    d.arrow({ x: 145, y: y(i) + 15 }, { x: 234, y: y(at) + 15 }, { color: color(expert) })
    d.box(235, y(at), 70, 30, token, fill(expert)).arrow({ x: 305, y: y(at) + 15 }, { x: 389, y: y(at) + 15 }, { color: color(expert) })
    const row = 'abc'.indexOf(token)
    d.arrow({ x: 500, y: y(at) + 15 }, { x: 584, y: 100 + row * 76 }, { color: color(expert) })
  }
  for (let expert = 0; expert < 3; expert++) d.box(390, y(2 * expert), 110, 68, `expert ${expert}\n[2, C]`, fill(expert))
  for (const [row, token] of [...'abc'].entries()) {
    const [first, second] = pairs.filter((pair) => pair.token === token)
    if (first && second)
      d.box(585, 80 + row * 76, 155, 40, `${token}′ = ${first.gate}·E${first.expert} + ${second.gate}·E${second.expert}`, 'data')
  }
  d.text(380, 312, 'Row counts differ from expert to expert and from batch to batch: nothing is padded.', { quiet: true })
  return d.toString()
}

/** Expert capacity: six tokens with two choices each, served in token order; what does not fit is dropped, for a reason each. */
export function capacityDrawing(): string {
  const d = new Sketch(
    760,
    300,
    'Capacity 4 with six tokens, three experts and two choices each, in token order: expert 0 is full with tokens 0 to 3, so the second choice of token 4 and the first choice of token 5 are dropped.',
  )
  const choices = [
    [0, 1],
    [0, 2],
    [0, 1],
    [0, 2],
    [1, 0],
    [0, 2],
  ]
  const capacity = 4
  d.text(20, 28, 'six tokens, two choices each, in token order', { anchor: 'start', bold: true })
  for (let e = 0; e < 3; e++) {
    const y = 52 + e * 66
    d.box(20, y, 96, 44, `expert ${e}`, expertFill(e))
    const asking = choices.flatMap((own, token) => (own.includes(e) ? [{ token, choice: own.indexOf(e) + 1 }] : []))
    for (let slot = 0; slot < Math.max(capacity, asking.length); slot++) {
      const pair = asking[slot]
      const text = pair ? `token ${pair.token}\n${pair.choice === 1 ? '1st' : '2nd'} choice` : 'free'
      const x = 136 + slot * 100 + (slot < capacity ? 0 : 16)
      d.box(x, y, 88, 44, text, !pair ? 'quiet' : slot < capacity ? expertFill(e) : 'dropped')
    }
  }
  d.line({ x: 536, y: 40 }, { x: 536, y: 238 }, { dashed: true, width: 2 }).text(530, 254, 'capacity 4', { anchor: 'end', bold: true })
  d.text(552, 124, 'dropped: expert 0 is full', { anchor: 'start' }).text(552, 142, 'with tokens 0, 1, 2, 3.', { anchor: 'start' })
  d.text(552, 172, 'A dropped pair adds nothing:', { anchor: 'start', quiet: true })
  d.text(552, 188, 'the token keeps its other choice', { anchor: 'start', quiet: true })
  d.text(552, 204, 'and its residual stream.', { anchor: 'start', quiet: true })
  d.text(20, 284, 'capacity = tokens × K / E × factor = 6 × 2 / 3 × 1 = 4', { anchor: 'start' })
  return d.toString()
}

/** Dispatch across two devices: buffers of equal size travel both ways, however full they are, and all wait for the busiest expert. */
export function twoDevicesDrawing(): string {
  const d = new Sketch(
    760,
    400,
    'Two devices with four tokens and one expert each, one choice a token, capacity 2 for each device and expert. Each device puts its rows into two buffers of two places, keeps one and sends the other. Expert 0 gets four rows, expert 1 two, and waits. A row that finds no place is dropped.',
  )
  const tokens = [
    ['a', 0],
    ['b', 1],
    ['c', 0],
    ['d', 0],
    ['e', 0],
    ['f', 0],
    ['g', 1],
    ['h', 0],
  ] as const
  const capacity = 2
  columnTitles(d, 24, [
    [85, '1 choose', 'token → expert'],
    [275, '2 fill buffers', '2 places for each expert'],
    [480, '3 all-to-all', 'buffers change devices'],
    [670, '4 compute', 'then the same way back'],
  ])
  const top = (device: number): number => 56 + device * 166
  const bufferY = (device: number, buffer: number): number => top(device) + 34 + buffer * 58
  const place = (x: number, y: number, token: string | undefined, expert: number): void => {
    d.box(x, y, 34, 30, token ?? '', token === undefined ? 'quiet' : expertFill(expert))
  }
  for (const device of [0, 1])
    d.frame(10, top(device), 740, 154).text(738, top(device) + 18, `device ${device}`, { anchor: 'end', bold: true })
  for (const device of [0, 1]) {
    const own = tokens.slice(4 * device, 4 * device + 4)
    const served = [0, 1].map((expert) => own.filter(([, chosen]) => chosen === expert).slice(0, capacity))
    for (const [i, token] of own.entries()) {
      const [name, expert] = token
      const y = top(device) + 14 + i * 34
      const slot = served[expert]?.indexOf(token) ?? -1
      d.box(30, y, 96, 28, slot < 0 ? `${name} dropped` : `${name} → ${expert}`, slot < 0 ? 'dropped' : expertFill(expert))
      if (slot >= 0) d.arrow({ x: 126, y: y + 14 }, { x: 236, y: bufferY(device, expert) + 15 }, { color: color(expert) })
    }
    for (const expert of [0, 1]) {
      const y = bufferY(device, expert)
      d.text(276, y - 5, `for expert ${expert}`, { quiet: true })
      for (let slot = 0; slot < capacity; slot++) {
        const token = served[expert]?.[slot]?.[0]
        place(240 + slot * 36, y, token, expert)
        place(446 + slot * 36, bufferY(expert, device), token, expert)
      }
      d.text(482, bufferY(expert, device) - 5, `from device ${device}`, { quiet: true })
      d.arrow(
        { x: 314, y: y + 15 },
        { x: 442, y: bufferY(expert, device) + 15 },
        { color: color(expert), width: expert === device ? 1.4 : 2.4 },
      )
      d.arrow({ x: 520, y: bufferY(expert, device) + 15 }, { x: 606, y: top(expert) + 77 }, { color: color(expert) })
    }
  }
  d.box(610, top(0) + 52, 124, 50, 'expert 0\n4 rows', expertFill(0)).box(
    610,
    top(1) + 52,
    124,
    50,
    'expert 1\n2 rows, waits',
    expertFill(1),
  )
  d.text(20, 390, 'Thick arrows cross the network: always 2 rows, filled or not. A larger capacity drops less and sends more.', {
    anchor: 'start',
    quiet: true,
  })
  return d.toString()
}
