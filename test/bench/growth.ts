/** How time and memory grow with a model's sizes: a panel for each dimension, a line for each program. */
import { color, type Figure, layout } from 'makemoe/dist/show/plot/figure'

/** One measurement. */
export interface GrowthPoint {
  /** What grew, and how far. */
  readonly dimension: string
  readonly value: number
  readonly who: string
  readonly what: string
  readonly ms: number
  readonly peakMB: number
}

const rows = [
  { what: 'step', y: 'ms a step', measured: ({ ms }: GrowthPoint) => ms },
  { what: 'evaluation', y: 'ms an evaluation batch', measured: ({ ms }: GrowthPoint) => ms },
  { what: 'step', y: 'peak MB, training', measured: ({ peakMB }: GrowthPoint) => peakMB },
] as const

/** How plotly names the n-th axis, from 1 on: y, y2, y3. */
const suffixOf = (n: number): string => (n === 1 ? '' : String(n))

/** Both axes are logarithmic: a slope of 1 is growth in proportion. */
export function growthFigure(points: readonly GrowthPoint[]): Figure {
  const dimensions = [...new Set(points.map(({ dimension }) => dimension))]
  const programs = [...new Set(points.map(({ who }) => who))]
  const share = (count: number, i: number, gap: number): [number, number] => [(i + gap / 2) / count, (i + 1 - gap / 2) / count]
  const axes: Record<string, object> = {}
  const data = rows.flatMap(({ what, y, measured }, row) =>
    dimensions.flatMap((dimension, column) => {
      const number = row * dimensions.length + column + 1
      const suffix = suffixOf(number)
      const values = [...new Set(points.filter((point) => point.dimension === dimension).map(({ value }) => value))]
      const title = row === rows.length - 1 ? { title: { text: dimension } } : {}
      axes[`xaxis${suffix}`] = {
        type: 'log',
        tickvals: values,
        domain: share(dimensions.length, column, 0.25),
        anchor: `y${suffix}`,
        ...title,
      }
      axes[`yaxis${suffix}`] = {
        type: 'log',
        tickvals: [10, 20, 50, 100, 200, 500, 1000, 2000, 5000],
        ...(column === 0 ? {} : { matches: `y${suffixOf(number - column)}` }), // the panels of a row have one scale
        domain: share(rows.length, rows.length - 1 - row, 0.2),
        anchor: `x${suffix}`,
        ...(column === 0 ? { title: { text: y } } : {}),
      }
      return programs.map((who, i) => {
        const own = points.filter((point) => point.dimension === dimension && point.who === who && point.what === what)
        return {
          type: 'scatter',
          mode: 'lines+markers',
          name: who,
          legendgroup: who,
          showlegend: number === 1,
          x: own.map(({ value }) => value),
          y: own.map(measured),
          xaxis: `x${suffix}`,
          yaxis: `y${suffix}`,
          line: { color: color(i), width: 2 },
          marker: { size: 6 },
        }
      })
    }),
  )
  const { xaxis, yaxis, ...more } = axes
  return {
    data,
    layout: layout('Time and memory as the default size grows', '', '', { height: 760, ...more, xaxis: xaxis ?? {}, yaxis: yaxis ?? {} }),
  }
}
