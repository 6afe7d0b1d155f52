/** Characters of a text: how often each occurs, and which experts they go to. */
import { at } from '../../base/assertions'
import {
  characterAxis,
  color,
  colorbar,
  expertFill,
  type Figure,
  lastLine,
  layout,
  type Matrix,
  mapMargin,
  roomBelow,
  rounded,
  sequential,
  visible,
} from './figure'

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
 * A text with each character on the color of its first expert; `layer`, whose router chose, is for the title.
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
