/** Bars and lines: characters of a text, losses, load, noise, capacity. */
import { at } from '../../base/assertions'
import { characterAxis, color, type Figure, lastLine, layout, mapMargin, visible } from './figure'

/** For a tall x axis without a legend. */
const roomBelow = { ...mapMargin, b: 80 } as const

/** How often each character occurs, most frequent first. */
export function characterFrequencies(text: string): Figure {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  const sorted = [...counts].sort((a, b) => b[1] - a[1])
  const names = sorted.map(([character]) => character)
  return {
    data: [{ type: 'bar', y: sorted.map(([, count]) => count), hovertext: names.map(visible), marker: { color: color(0) } }],
    layout: layout(`The ${sorted.length} characters of the text`, 'character', 'occurrences', {
      margin: roomBelow,
      xaxis: { ...characterAxis(names), ...lastLine },
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

const dashes = ['dot', 'dash', 'dashdot', 'longdash'] as const
const grays = ['#555555', '#a0a0a0'] as const

/** What the axes show of some curves: all while there are few points; then not what only the first steps need. */
function ranges(curves: readonly LossCurve[]): { xaxis: object; yaxis: object } {
  const finite = ({ losses }: LossCurve): number[] => losses.filter(Number.isFinite)
  const own = curves.filter(({ behind, ...curve }) => !behind && finite(curve).length > 0)
  const measure = own.length > 0 ? own : curves
  const last = Math.max(1, ...measure.flatMap(({ steps }) => steps))
  const long = measure.some(({ losses }) => losses.length > 20)
  const shown = measure.flatMap((curve) => finite(curve).slice(long && curve.losses.length > 2 ? 1 : 0))
  if (shown.length === 0) return { xaxis: {}, yaxis: {} }
  const lowest = Math.min(...shown)
  const highest = Math.min(Math.max(...shown), long ? lowest + 2.5 : Number.POSITIVE_INFINITY)
  const margin = Math.max(0.05, 0.05 * (highest - lowest))
  return { xaxis: { range: [-0.02 * last, 1.02 * last] }, yaxis: { range: [lowest - margin, highest + margin] } }
}

/** Loss curves of one or several runs. The axes fit the runs; what stands behind them to compare with may reach beyond. */
export function lossCurves(curves: readonly LossCurve[], title = 'Loss'): Figure {
  const behindOf = curves.filter(({ behind }) => behind)
  const data = curves.map((curve, i) => {
    const { name, steps, losses, behind } = curve
    const place = behindOf.indexOf(curve)
    const dash = behind ? dashes[place % dashes.length] : 'solid'
    return {
      type: 'scatter',
      mode: losses.length > 60 ? 'lines' : 'lines+markers',
      name,
      x: steps,
      y: losses.map((loss) => (Number.isFinite(loss) ? Number(loss.toFixed(4)) : null)),
      line: { color: behind ? grays[place % grays.length] : color(i), width: behind ? 1.5 : 2, dash },
      marker: { size: 5 },
    }
  })
  return { data, layout: layout(title, 'step', 'loss (nats per character)', ranges(curves)) }
}

/**
 * The running mean of a noisy series; as long as the series. The mean is over the last `width` values, at the start over the newer half of
 * those so far: the first, large losses leave it one by one, without a knee where the window is full.
 */
export function smoothed(values: readonly number[], width: number): number[] {
  const sums = [0]
  for (const value of values) sums.push((sums[sums.length - 1] ?? 0) + value)
  return values.map((_, i) => {
    const window = Math.min(width, Math.ceil((i + 1) / 2))
    return ((sums[i + 1] ?? 0) - (sums[i + 1 - window] ?? 0)) / window
  })
}

/** A number that training reported, by step. */
export interface Reported {
  readonly steps: readonly number[]
  readonly values: readonly number[]
}

/** One line for each reported number: a loss beside the loss, an entropy of each layer. */
export function reportedCurves(reported: Readonly<Record<string, Reported>>, label: string, title = label): Figure {
  const data = Object.entries(reported).map(([name, { steps, values }], i) => ({
    type: 'scatter',
    mode: values.length > 60 ? 'lines' : 'lines+markers',
    name,
    x: steps,
    y: values.map((value) => (Number.isFinite(value) ? Number(value.toPrecision(5)) : null)),
    line: { color: color(i), width: 2, dash: i < 8 ? 'solid' : 'dash' },
    marker: { size: 4 },
  }))
  return { data, layout: layout(title, 'step', label) }
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

/** A capacity factor on an axis. */
const factorName = (factor: number): string => (Number.isFinite(factor) ? String(factor) : 'none')

/** The y axis of one of several panels, one above the other. */
const panelAxis = (text: string, domain: readonly [number, number]): object => ({
  title: { text, font: { size: 12 } },
  domain,
  automargin: true,
})

/** Dropped share, loss and time against the capacity factor: one panel each. */
export function factorSweep(points: readonly SweepPoint[]): Figure {
  const x = points.map(({ factor }) => factorName(factor))
  const panel = (i: number, name: string, y: readonly number[]): Readonly<Record<string, unknown>> => ({
    type: 'scatter',
    mode: 'lines+markers',
    name,
    x,
    y,
    yaxis: i === 0 ? 'y' : `y${i + 1}`,
    line: { color: color(i) },
    showlegend: false,
  })
  const axis = (text: string, i: number): object => panelAxis(text, [i * 0.36, i * 0.36 + 0.28])
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
      height: 500,
      margin: roomBelow,
      xaxis: { type: 'category', ...lastLine },
      yaxis: axis('ms per step', 0),
      yaxis2: axis('loss (nats)', 1),
      yaxis3: axis('dropped (%)', 2),
    }),
  }
}

/** What a training step costs several processes, for one model at one capacity factor. */
export interface ExchangePoint {
  readonly model: string
  /** Infinity: dropless. */
  readonly factor: number
  /** Milliseconds of a step spent on the others. */
  readonly waited: number
  /** Megabytes that a process sends in a step. */
  readonly sent: number
}

/** What is waited and sent against the capacity factor: one panel each, one color a model. */
export function exchangeCosts(points: readonly ExchangePoint[]): Figure {
  const models = [...new Set(points.map(({ model }) => model))]
  const panel = (what: 'waited' | 'sent', axis: 'y' | 'y2'): Readonly<Record<string, unknown>>[] =>
    models.map((name, i) => {
      const own = points.filter(({ model }) => model === name)
      return {
        type: 'scatter',
        mode: 'lines+markers',
        name,
        x: own.map(({ factor }) => factorName(factor)),
        y: own.map((point) => point[what]),
        yaxis: axis,
        line: { color: color(i), dash: i === 0 ? 'solid' : 'dash' },
        showlegend: what === 'waited',
      }
    })
  return {
    data: [...panel('waited', 'y2'), ...panel('sent', 'y')],
    layout: layout('What two processes wait and send', 'capacity factor', '', {
      height: 440,
      xaxis: { type: 'category' },
      yaxis: { ...panelAxis('sent, MB a step', [0, 0.42]), rangemode: 'tozero' },
      yaxis2: { ...panelAxis('waited, ms a step', [0.55, 1]), rangemode: 'tozero' },
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
    line: { color: color(i) },
  }))
  const rows = Math.max(...Object.values(policies).map((shares) => shares.length))
  const xaxis = { dtick: rows > 8 ? 2 : 1, range: [-0.5, rows - 0.5] }
  return { data, layout: layout('Whose tokens are dropped', 'sequence in the batch', 'dropped pairs (%)', { xaxis }) }
}

/** One bar for each name. */
export function bars(title: string, label: string, values: Readonly<Record<string, number>>): Figure {
  const names = Object.keys(values)
  const y = Object.values(values)
  const text = y.map((value) => value.toPrecision(3))
  const trace = {
    type: 'bar',
    x: names,
    y,
    text,
    textposition: 'outside',
    cliponaxis: false,
    marker: { color: names.map((_, i) => color(i)) },
  }
  return { data: [trace], layout: layout(title, '', label) }
}
