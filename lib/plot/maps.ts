/** Heatmaps: attention weights, gates, capacity, characters and experts; and the parameters of a model as areas. */
import type { NamedParameter } from '../nn/module'
import { colour, type Figure, layout, pale, sequential, visible } from './figure'

type Matrix = readonly (readonly number[])[]

const rounded = (matrix: Matrix): number[][] => matrix.map((row) => row.map((value) => Number(value.toFixed(4))))

/** The attention weights of one head: each row is a place that looks, each column a place that is looked at. */
export function attentionHeatmap(weights: Matrix, labels?: readonly string[], title = 'Attention weights'): Figure {
  const names = weights.map((_, i) => (labels ? `${i}: ${visible(labels[i] ?? '')}` : String(i)))
  const trace = {
    type: 'heatmap',
    z: rounded(weights),
    x: names,
    y: names,
    colorscale: sequential,
    zmin: 0,
    zmax: 1,
    colorbar: { title: { text: 'weight' } },
  }
  return {
    data: [trace],
    layout: layout(title, 'place that is looked at', 'place that looks', { height: 480, yaxis: { autorange: 'reversed' } }),
  }
}

/**
 * Gates of some tokens beside the softmax over all experts: what top-k keeps.
 * @param gates [N][E]
 * @param dense [N][E], the softmax of the same scores
 */
export function gatesHeatmap(gates: Matrix, dense: Matrix): Figure {
  const panel = (z: Matrix, suffix: string): Readonly<Record<string, unknown>> => ({
    type: 'heatmap',
    z: rounded(z),
    texttemplate: '%{z:.2f}',
    colorscale: sequential,
    zmin: 0,
    zmax: 1,
    showscale: suffix === '',
    xaxis: `x${suffix}`,
    yaxis: `y${suffix}`,
    colorbar: { title: { text: 'weight' } },
  })
  const expertAxis = (text: string, domain: number[]): object => ({ title: { text }, domain, dtick: 1 })
  return {
    data: [panel(gates, ''), panel(dense, '2')],
    layout: layout('Top-k gates (left) and the softmax over all experts (right)', '', 'token', {
      xaxis: expertAxis('expert', [0, 0.47]),
      xaxis2: expertAxis('expert', [0.53, 1]),
      yaxis: { autorange: 'reversed', dtick: 1 },
      yaxis2: { autorange: 'reversed', anchor: 'x2', showticklabels: false },
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
    text: state.map((row) => row.map((value) => words[value] as string)),
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
    layout: layout(title, 'expert', 'token', { height, xaxis: { dtick: 1 }, yaxis: { dtick: 1, autorange: 'reversed' } }),
  }
}

/**
 * Which expert serves which character.
 * @param shares [characters][E]: of the times a character occurs, the share that has the expert as its first choice
 */
export function characterExpertMap(characters: readonly string[], shares: Matrix, layer: number): Figure {
  const trace = {
    type: 'heatmap',
    z: rounded(shares[0]?.map((_, e) => shares.map((row) => row[e] as number)) ?? []),
    x: characters.map(visible),
    colorscale: sequential,
    zmin: 0,
    colorbar: { title: { text: 'share' } },
  }
  return {
    data: [trace],
    layout: layout(`First choice of each character, layer ${layer}`, 'character', 'expert', {
      xaxis: { type: 'category', tickfont: { size: 9 }, tickangle: 0, dtick: 1 },
      yaxis: { dtick: 1 },
    }),
  }
}

/** A text with each character on the colour of its first expert. */
export function textByExpert(text: string, experts: ArrayLike<number>, numExperts: number, columns = 48): Figure {
  const characters = [...text]
  const z: (number | null)[][] = []
  const labels: string[][] = []
  for (const [i, character] of characters.entries()) {
    const row = Math.floor(i / columns)
    z[row] ??= new Array<number | null>(columns).fill(null)
    labels[row] ??= new Array<string>(columns).fill('')
    ;(z[row] as (number | null)[])[i % columns] = experts[i] as number
    ;(labels[row] as string[])[i % columns] = visible(character)
  }
  const steps = Array.from({ length: numExperts }, (_, e) => [
    [e / numExperts, pale(colour(e))],
    [(e + 1) / numExperts, pale(colour(e))],
  ]).flat()
  const trace = {
    type: 'heatmap',
    z,
    text: labels,
    texttemplate: '%{text}',
    textfont: { family: 'monospace', size: 12, color: '#111111' },
    colorscale: steps,
    zmin: -0.5,
    zmax: numExperts - 0.5,
    xgap: 1,
    ygap: 1,
    colorbar: { title: { text: 'expert' }, dtick: 1 },
  }
  return {
    data: [trace],
    layout: layout('Each character on the colour of its first expert', 'character in the line', 'line', {
      height: 150 + 24 * z.length,
      xaxis: { showgrid: false },
      yaxis: { autorange: 'reversed', dtick: 1, showgrid: false },
    }),
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
  const trace = {
    type: 'treemap',
    ids,
    labels: ids.map((id) => id.slice(id.lastIndexOf('.') + 1)),
    parents: ids.map((id) => (id === name ? '' : id.slice(0, id.lastIndexOf('.')))),
    values: [...sizes.values()],
    branchvalues: 'total',
    maxdepth: 4,
    texttemplate: '%{label}<br>%{value:,}',
    marker: { colorscale: sequential },
  }
  return {
    data: [trace],
    layout: layout(`Parameters of ${name} (click to look inside)`, '', '', { height: 480, margin: { l: 10, r: 10, t: 50, b: 10 } }),
  }
}
