/** Expert capacity: who is served, what is dropped, and what it costs in loss, time and traffic. */
import { at } from '../../base/assertions'
import { color, type Figure, lastLine, layout, type Matrix, roomBelow } from './figure'

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
