/** The parameters of a model, as areas. */
import type { NamedParameter } from '../../makemoe/nn/parameter'
import { color, type Figure, layout, pale } from './figure'

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
