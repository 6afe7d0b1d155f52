/** Bars and lines: characters of a text, losses, load, noise, capacity. */
import { colour, type Figure, layout, visible } from './figure'

/** How often each character occurs, most frequent first. */
export function characterFrequencies(text: string): Figure {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  const sorted = [...counts].sort((a, b) => b[1] - a[1])
  const x = sorted.map(([character]) => visible(character))
  return {
    data: [{ type: 'bar', x, y: sorted.map(([, count]) => count), marker: { color: colour(0) } }],
    layout: layout(`The ${sorted.length} characters of the text`, 'character', 'occurrences', {
      xaxis: { type: 'category', tickfont: { size: 8 }, tickangle: 0, dtick: 1 },
      yaxis: { type: 'log', dtick: 1 },
    }),
  }
}

/** Losses by step; NaN leaves a gap. */
export interface LossCurve {
  readonly name: string
  readonly steps: readonly number[]
  /** In nats. */
  readonly losses: readonly number[]
  /** Drawn pale and dashed, behind the others. */
  readonly behind?: boolean
}

/** Loss curves of one or several runs. The vertical axis leaves out what only the first steps need. */
export function lossCurves(curves: readonly LossCurve[], title = 'Loss'): Figure {
  const shown = curves.flatMap(({ losses }) => losses.filter((loss, i) => Number.isFinite(loss) && (i > 0 || losses.length < 3)))
  const lowest = Math.min(...shown)
  const highest = Math.min(Math.max(...shown), lowest + 2.5)
  const data = curves.map(({ name, steps, losses, behind }, i) => ({
    type: 'scatter',
    mode: losses.length > 60 ? 'lines' : 'lines+markers',
    name,
    x: steps,
    y: losses.map((loss) => (Number.isFinite(loss) ? Number(loss.toFixed(4)) : null)),
    line: { color: behind ? '#999999' : colour(i), width: behind ? 1.5 : 2, dash: behind ? 'dot' : 'solid' },
    marker: { size: 5 },
  }))
  const range = Number.isFinite(lowest) ? { range: [lowest - 0.05, highest + 0.1] } : {}
  return { data, layout: layout(title, 'step', 'loss (nats per character)', { yaxis: range }) }
}

/** The running mean of a noisy series over `width` values; as long as the series. */
export function smoothed(values: readonly number[], width: number): number[] {
  let sum = 0
  return values.map((value, i) => {
    sum += value - (i >= width ? (values[i - width] as number) : 0)
    return sum / Math.min(i + 1, width)
  })
}

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
    y: shares.map((row) => Number((row[e] as number).toFixed(2))),
    marker: { color: colour(e) },
  }))
  const even = {
    type: 'line',
    x0: -0.5,
    x1: load.length - 0.5,
    y0: 100 / experts,
    y1: 100 / experts,
    line: { dash: 'dot', color: '#555555' },
  }
  return {
    data,
    layout: layout('Who does the work in each layer', 'layer', 'share of the work (%)', {
      barmode: 'group',
      legend: { x: 1.02, y: 1 }, // beside it: eight names do not fit above
      shapes: [even],
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
  const experts = quiet.map((_, e) => `expert ${e}`)
  const bar = (name: string, shares: readonly number[], i: number): Readonly<Record<string, unknown>> => ({
    type: 'bar',
    name,
    x: experts,
    y: shares.map((share) => Number((100 * share).toFixed(2))),
    marker: { color: colour(i) },
  })
  return {
    data: [bar('without noise', quiet, 7), bar('with noise', noisy, 1)],
    layout: layout('Who is chosen for one token, over many draws', 'expert', 'draws in which it is chosen (%)', { barmode: 'group' }),
  }
}

/** A run with a capacity factor, shortened to what the sweep shows. */
export interface SweepPoint {
  /** Infinity: no capacity. */
  readonly factor: number
  /** Share of the pairs that were dropped. */
  readonly dropped: number
  /** Nats. */
  readonly loss: number
  readonly milliseconds: number
}

/** Dropped share, loss and time against the capacity factor: one panel each. */
export function factorSweep(points: readonly SweepPoint[]): Figure {
  const x = points.map(({ factor }) => (Number.isFinite(factor) ? String(factor) : 'none'))
  const panel = (i: number, name: string, y: readonly number[]): Readonly<Record<string, unknown>> => ({
    type: 'scatter',
    mode: 'lines+markers',
    name,
    x,
    y,
    yaxis: i === 0 ? 'y' : `y${i + 1}`,
    line: { color: colour(i) },
    showlegend: false,
  })
  const axis = (text: string, i: number): object => ({
    title: { text, font: { size: 11 } },
    domain: [i * 0.36, i * 0.36 + 0.28],
    automargin: true,
  })
  return {
    data: [
      panel(
        0,
        'time',
        points.map(({ milliseconds }) => milliseconds),
      ),
      panel(
        1,
        'loss',
        points.map(({ loss }) => loss),
      ),
      panel(
        2,
        'dropped',
        points.map(({ dropped }) => 100 * dropped),
      ),
    ],
    layout: layout('What the capacity factor costs and saves', 'capacity factor', '', {
      height: 480,
      xaxis: { type: 'category' },
      yaxis: axis('ms per step', 0),
      yaxis2: axis('loss (nats)', 1),
      yaxis3: axis('dropped (%)', 2),
    }),
  }
}

/**
 * The share of dropped pairs at each place of the batch: which rows starve.
 * @param policies by name, the share of dropped pairs in each sequence of the batch
 */
export function droppedTokens(policies: Readonly<Record<string, readonly number[]>>): Figure {
  const data = Object.entries(policies).map(([name, shares], i) => ({
    type: 'scatter',
    mode: 'lines+markers',
    name,
    x: shares.map((_, row) => row),
    y: shares.map((share) => Number((100 * share).toFixed(2))),
    line: { color: colour(i) },
  }))
  return { data, layout: layout('Whose tokens are dropped', 'sequence in the batch', 'dropped pairs (%)', { xaxis: { dtick: 1 } }) }
}

/** One bar for each name. */
export function bars(title: string, label: string, values: Readonly<Record<string, number>>): Figure {
  const names = Object.keys(values)
  const trace = { type: 'bar', x: names, y: Object.values(values), marker: { color: names.map((_, i) => colour(i)) } }
  return { data: [trace], layout: layout(title, '', label) }
}
