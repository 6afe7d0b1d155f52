/** Heatmaps: attention weights, gates, capacity, characters and experts; and the parameters of a model as areas. */
import { at } from '../../base/assertions'
import type { NamedParameter } from '../../makemoe/nn/module'
import { characterAxis, color, colorbar, expertFill, type Figure, lastLine, layout, mapMargin, pale, sequential, visible } from './figure'

type Matrix = readonly (readonly number[])[]

const rounded = (matrix: Matrix): number[][] => matrix.map((row) => row.map((value) => Number(value.toFixed(4))))

/** The attention weights of one head: a row for each query position, a column for each key position; what the mask hides stays empty. */
export function attentionHeatmap(weights: Matrix, labels?: readonly string[], title = 'Attention weights'): Figure {
  const causal = weights.every((row, i) => row.every((weight, j) => j <= i || weight === 0))
  const masked = (row: readonly number[], i: number): (number | null)[] => row.map((weight, j) => (causal && j > i ? null : weight))
  const names = weights.map((_, i) => (labels ? `${i}: ${visible(labels[i] ?? '')}` : String(i)))
  const trace = {
    type: 'heatmap',
    z: rounded(weights).map(masked),
    hoverongaps: false,
    xgap: 1,
    ygap: 1,
    x: names,
    y: names,
    colorscale: sequential,
    zmin: 0,
    zmax: 1,
    colorbar: colorbar('weight'),
  }
  return {
    data: [trace],
    layout: layout(title, causal ? 'key position (empty: masked)' : 'key position', 'query position', {
      height: 480,
      margin: mapMargin,
      xaxis: { showgrid: false },
      yaxis: { autorange: 'reversed', showgrid: false },
    }),
  }
}

/**
 * Gates of some tokens beside the softmax over all experts: what top-k keeps.
 * @param gates [N][E]
 * @param dense [N][E], the softmax of the same scores
 */
export function gatesHeatmap(gates: Matrix, dense: Matrix): Figure {
  const chosen = gates.map((row) => row.map((gate) => (gate === 0 ? null : Number(gate.toFixed(4)))))
  const panel = (z: readonly (readonly (number | null)[])[], suffix: string): Readonly<Record<string, unknown>> => ({
    type: 'heatmap',
    z,
    texttemplate: '%{z:.2f}',
    hoverongaps: false,
    xgap: 1,
    ygap: 1,
    colorscale: sequential,
    zmin: 0,
    zmax: 1,
    showscale: suffix === '',
    xaxis: `x${suffix}`,
    yaxis: `y${suffix}`,
    colorbar: colorbar('weight'),
  })
  const expertAxis = (text: string, domain: number[]): object => ({
    title: { text, font: { size: 11 } },
    domain,
    dtick: 1,
    showgrid: false,
    zeroline: false,
  })
  return {
    data: [panel(chosen, ''), panel(rounded(dense), '2')],
    layout: layout('Top-k gates (left), softmax over all experts (right)', '', 'token', {
      margin: mapMargin,
      xaxis: expertAxis('expert (empty: not chosen)', [0, 0.47]),
      xaxis2: expertAxis('expert', [0.53, 1]),
      yaxis: { autorange: 'reversed', dtick: 1, showgrid: false },
      yaxis2: { autorange: 'reversed', anchor: 'x2', showticklabels: false, ticks: '', showgrid: false, zeroline: false },
    }),
  }
}

/**
 * Tokens by experts: what was asked for, and what was dropped.
 * @param state [N][E]: 0 not chosen, 1 served, 2 dropped
 */
export function capacityGrid(state: Matrix, title = 'Who is served'): Figure {
  const words = ['', 'served', 'dropped']
  const trace = {
    type: 'heatmap',
    z: state,
    text: state.map((row) => row.map((value) => at(words, value))),
    texttemplate: '%{text}',
    colorscale: [
      [0, '#f2f2f2'],
      [0.5, '#56B4E9'],
      [1, '#D55E00'],
    ],
    zmin: 0,
    zmax: 2,
    showscale: false,
    xgap: 2,
    ygap: 2,
  }
  const height = 140 + 26 * state.length
  return {
    data: [trace],
    layout: layout(title, 'expert', 'token', { height, xaxis: { dtick: 1, ...lastLine }, yaxis: { dtick: 1, autorange: 'reversed' } }),
  }
}

/**
 * Which expert serves which character.
 * @param shares [characters][E]: of the times a character occurs, the share that has the expert as its first choice
 */
export function characterExpertMap(characters: readonly string[], shares: Matrix, layer: number): Figure {
  const trace = {
    type: 'heatmap',
    z: rounded(shares[0]?.map((_, e) => shares.map((row) => at(row, e))) ?? []),
    text: shares[0]?.map(() => characters.map(visible)),
    hovertemplate: '%{text}, expert %{y}: %{z}<extra></extra>',
    colorscale: sequential,
    zmin: 0,
    colorbar: colorbar('share'),
  }
  return {
    data: [trace],
    layout: layout(`First choice of each character, layer ${layer}`, 'character', 'expert', {
      margin: mapMargin,
      xaxis: characterAxis(characters),
      yaxis: { dtick: 1, autorange: 'reversed' },
    }),
  }
}

/**
 * A text with each character on the color of its first expert.
 * @param options.layer the layer whose router chose, for the title
 */
export function textByExpert(
  text: string,
  experts: ArrayLike<number>,
  numExperts: number,
  { layer, columns = 40 }: { layer?: number; columns?: number } = {},
): Figure {
  const characters = [...text]
  const z: (number | null)[][] = []
  const labels: string[][] = []
  for (const [i, character] of characters.entries()) {
    const row = Math.floor(i / columns)
    z[row] ??= new Array<number | null>(columns).fill(null)
    labels[row] ??= new Array<string>(columns).fill('')
    at(z, row)[i % columns] = at(experts, i)
    at(labels, row)[i % columns] = visible(character)
  }
  const steps = Array.from({ length: numExperts }, (_, e) => [
    [e / numExperts, expertFill(e)],
    [(e + 1) / numExperts, expertFill(e)],
  ]).flat()
  const trace = {
    type: 'heatmap',
    z,
    text: labels,
    texttemplate: '%{text}',
    textfont: { family: 'monospace', size: 11, color: '#111111' },
    colorscale: steps,
    zmin: -0.5,
    zmax: numExperts - 0.5,
    xgap: 1,
    ygap: 1,
    colorbar: { ...colorbar('expert'), dtick: 1 },
  }
  return {
    data: [trace],
    layout: layout(
      `Characters in the color of their expert${layer === undefined ? '' : `, layer ${layer}`}`,
      'character in the line',
      'line',
      {
        margin: mapMargin,
        height: 190 + 24 * z.length,
        xaxis: { showgrid: false },
        yaxis: { autorange: 'reversed', dtick: 1, showgrid: false },
      },
    ),
  }
}

/** The parameters of a model as areas, part within part, made from the model itself. */
export function parameterMap(name: string, parameters: readonly NamedParameter[]): Figure {
  const sizes = new Map<string, number>([[name, 0]])
  for (const [path, variable] of parameters) {
    const parts = path.split('.')
    for (let depth = 0; depth <= parts.length; depth++) {
      const id = [name, ...parts.slice(0, depth)].join('.')
      sizes.set(id, (sizes.get(id) ?? 0) + variable.size)
    }
  }
  const ids = [...sizes.keys()]
  const areaOf = (id: string): string => id.split('.').slice(0, 2).join('.')
  const areas = [...new Set(ids.map(areaOf))]
  // `0` alone says nothing: the element of a list is named with its list, `block 0` of `blocks`.
  const labelOf = (id: string): string => id.replace(/^.*?(\w+?)s?\.(\d+)$/, '$1 $2').replace(/^.*\./, '')
  const trace = {
    type: 'treemap',
    ids,
    labels: ids.map(labelOf),
    parents: ids.map((id) => (id === name ? '' : id.slice(0, id.lastIndexOf('.')))),
    values: [...sizes.values()],
    branchvalues: 'total',
    maxdepth: 5,
    texttemplate: '%{label}<br>%{value:,}<br>%{percentRoot:.1%}',
    textfont: { size: 13, color: '#222222' },
    tiling: { pad: 2 },
    marker: { colors: ids.map((id) => pale(color(areas.indexOf(areaOf(id))))), line: { color: '#ffffff', width: 1 } },
  }
  return {
    data: [trace],
    layout: layout(`Parameters of ${name} (click to look inside)`, '', '', {
      height: 480,
      margin: { l: 10, r: 10, t: 50, b: 10 },
      uniformtext: { minsize: 10, mode: 'hide' },
    }),
  }
}

/**
 * The load of each expert over training: a row for each expert of each layer, layer 0 and expert 0 on top.
 * @param load [reports][L][E] counts of (token, choice) pairs
 */
export function loadOverTraining(steps: readonly number[], load: readonly Matrix[], title = 'Load of each expert during training'): Figure {
  const [first = []] = load
  const experts = first[0]?.length ?? 0
  const rows = first.flatMap((row, layer) => row.map((_, expert) => ({ layer, expert })))
  const shareOf = (counts: readonly number[] = [], expert: number): number | null => {
    const total = counts.reduce((sum, count) => sum + count, 0)
    return total > 0 ? Number(((experts * (counts[expert] ?? 0)) / total).toFixed(3)) : null
  }
  const trace = {
    type: 'heatmap',
    x: steps,
    z: rows.map(({ layer, expert }) => load.map((layers) => shareOf(layers[layer], expert))),
    text: rows.map(({ layer, expert }) => steps.map(() => `layer ${layer}, expert ${expert}`)),
    hovertemplate: '%{text}<br>step %{x}: %{z} times the even share<extra></extra>',
    colorscale: sequential,
    zmin: 0,
    zmax: 3,
    colorbar: { ...colorbar('times the even share'), tickvals: [0, 1, 2, 3], ticktext: ['0', '1', '2', '3 or more'] },
  }
  const lines = first.slice(1).map((_, layer) => {
    const y = experts * (layer + 1) - 0.5
    return { type: 'line', xref: 'paper', x0: 0, x1: 1, y0: y, y1: y, line: { color: '#ffffff', width: 2 } }
  })
  return {
    data: [trace],
    layout: layout(title, 'step', 'layer, a row for each expert', {
      height: Math.max(260, 150 + 6 * rows.length),
      margin: mapMargin,
      shapes: lines,
      yaxis: {
        autorange: 'reversed',
        tickvals: first.map((_, layer) => experts * (layer + 0.5) - 0.5),
        ticktext: first.map((_, layer) => String(layer)),
        showgrid: false,
      },
    }),
  }
}

/**
 * Which experts work together: of the tokens that chose the expert of a row, the share that chose the one of the column too.
 * @param shares [E][E]; the diagonal stays empty
 */
export function coActivationMap(shares: Matrix, title = 'Chosen together'): Figure {
  const trace = {
    type: 'heatmap',
    z: shares.map((row, i) => row.map((share, j) => (i === j || !Number.isFinite(share) ? null : Number(share.toFixed(3))))),
    hoverongaps: false,
    hovertemplate: 'of the tokens of expert %{y}, %{z:.0%} also go to %{x}<extra></extra>',
    texttemplate: '%{z:.2f}',
    colorscale: sequential,
    zmin: 0,
    xgap: 1,
    ygap: 1,
    colorbar: colorbar('share'),
  }
  return {
    data: [trace],
    layout: layout(title, 'also goes to expert', 'tokens of expert', {
      height: 170 + 32 * shares.length,
      margin: mapMargin,
      xaxis: { dtick: 1, showgrid: false },
      yaxis: { dtick: 1, autorange: 'reversed', showgrid: false },
    }),
  }
}

/**
 * What switching off each expert does to the loss: a row for each layer, a column for each expert.
 * @param without [L][E] losses in nats with that expert switched off; undefined where a layer's router minds no bias
 * @param loss in nats, with all of them
 */
export function knockOutMap(
  without: readonly (readonly number[] | undefined)[],
  loss: number,
  title = 'What is lost without one expert',
): Figure {
  const z = without.map((row) => row?.map((other) => Number((other - loss).toFixed(4))) ?? [])
  const trace = {
    type: 'heatmap',
    x: (without.find(Boolean) ?? []).map((_, expert) => String(expert)),
    y: without.map((_, layer) => String(layer)),
    z,
    hovertemplate: 'layer %{y} without expert %{x}: %{z:+.4f} nats<extra></extra>',
    colorscale: sequential,
    zmin: 0,
    colorbar: colorbar('nats more'),
    texttemplate: '%{z:.3f}',
    textfont: { size: 11 },
  }
  return {
    data: [trace],
    layout: layout(title, 'expert', 'layer', {
      height: Math.max(260, 150 + 30 * without.length),
      margin: mapMargin,
      yaxis: { autorange: 'reversed', type: 'category', showgrid: false },
      xaxis: { type: 'category' },
    }),
  }
}
