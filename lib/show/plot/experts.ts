/** What experts do: their load, in one batch and over training; which are chosen together; what is lost without each. */
import { at } from '../../base/assertions'
import { color, colorbar, type Figure, layout, type Matrix, mapMargin, sequential } from './figure'

/**
 * The share of (token, choice) pairs that each expert serves, layer by layer; even would be 1 / E.
 * @param load [L][E] counts
 */
export function expertLoad(load: readonly (readonly number[])[]): Figure {
  const experts = load[0]?.length ?? 0
  const shares = load.map((row) => row.map((count) => (100 * count) / row.reduce((sum, n) => sum + n, 0)))
  const data = Array.from({ length: experts }, (_, e) => ({
    type: 'bar',
    name: `expert ${e}`,
    x: shares.map((_row, layer) => layer),
    y: shares.map((row) => Number(at(row, e).toFixed(2))),
    marker: { color: color(e) },
  }))
  const share = 100 / experts
  const even = { type: 'line', xref: 'paper', x0: 0, x1: 1, y0: share, y1: share, line: { dash: 'dot', color: '#222222' } }
  const label = {
    text: `dotted: even share, ${Number(share.toFixed(1))} %`,
    xref: 'paper',
    x: 1,
    xanchor: 'right',
    yref: 'paper',
    y: 1,
    yanchor: 'bottom',
    showarrow: false,
    font: { size: 12 },
  }
  return {
    data,
    layout: layout('Who does the work in each layer', 'layer', 'share of the work (%)', {
      barmode: 'group',
      shapes: [even],
      annotations: [label],
      xaxis: { dtick: 1 },
    }),
  }
}

/**
 * How often each expert is among the chosen ones, over many draws, without noise and with it.
 * @param quiet chosen without noise, [E] shares
 * @param noisy with noise, [E] shares
 */
export function routingNoise(quiet: readonly number[], noisy: readonly number[]): Figure {
  const experts = quiet.map((_, e) => e)
  const bar = (name: string, shares: readonly number[], i: number): Readonly<Record<string, unknown>> => ({
    type: 'bar',
    name,
    x: experts,
    y: shares.map((share) => Number((100 * share).toFixed(2))),
    marker: { color: color(i) },
  })
  return {
    data: [bar('without noise', quiet, 7), bar('with noise', noisy, 1)],
    layout: layout('Who is chosen for one token, over many draws', 'expert', 'draws in which it is chosen (%)', {
      barmode: 'group',
      xaxis: { dtick: 1 },
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
      height: Math.max(360, 150 + 6 * rows.length), // the axis title needs as much, however few the rows are
      margin: mapMargin,
      shapes: lines,
      // A cell reaches half its width before its step; training does not begin before step 0.
      ...(steps.length > 1 ? { xaxis: { range: [steps[0], steps.at(-1)] } } : {}),
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
