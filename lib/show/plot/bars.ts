/** One bar for each name. */
import { color, type Figure, layout } from './figure'

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
