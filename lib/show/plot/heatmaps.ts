/** Heatmaps of numbers from 0 to 1: attention weights, gates. */
import { colorbar, type Figure, layout, type Matrix, mapMargin, rounded, sequential, visible } from './figure'

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
