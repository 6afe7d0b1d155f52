/** The sections on one layer, and the choice of it: text, classes, characters, co-activation. */
import { characterBars } from './bars'
import { experts, type Inspection } from './contents'
import { type Cell, heatTable, paragraph, percent, section } from './html'
import { coloredText } from './text'

const ofLayer = (layer: number, content: string): string => `<div class="of-layer layer-${layer}">${content}</div>`

/** The choice of a layer, which decides what the sections below show. */
export function layerPicker({ layers, model }: Inspection): string {
  const choices = layers.map(
    ({ layer }, i) => `<label><input type="radio" name="layer" id="layer-${layer}"${i === 0 ? ' checked' : ''}>${layer}</label>`,
  )
  const legend = Array.from({ length: model.numExperts }, (_, expert) => `<span class="chip e${expert}">${expert}</span>`)
  return `<div class="picker"><fieldset><legend>Layer</legend>${choices.join('')}</fieldset><p class="legend"><span>expert</span>${legend.join('')}</p></div>`
}

/** The text, by expert. */
export function text({ layers, text: shown }: Inspection): string {
  const views = layers.map(({ layer, first, firstGates }) => ofLayer(layer, coloredText(shown, first, firstGates)))
  return section(
    'text',
    'Text by expert',
    paragraph('Each character on the color of its first expert; the stronger the color, the larger the gate.', 'hint'),
    ...views,
  )
}

/** Classes of characters by expert. */
export function classes(inspection: Inspection): string {
  const { layers, classes: names, classOccurrences } = inspection
  const views = layers.map(({ layer, byClass }) => {
    const rows = names.flatMap((name, i) =>
      classOccurrences[i] === 0 ? [] : [{ name, cells: (byClass[i] ?? []).map((share): Cell => ({ text: percent(share), heat: share })) }],
    )
    return ofLayer(
      layer,
      heatTable(
        `Of the choices made for a class of characters, each expert's share in %, layer ${layer}`,
        'class',
        experts(inspection),
        rows,
      ),
    )
  })
  return section('classes', 'Specialization by class', ...views)
}

/** Characters by expert. */
export function characters({ layers, vocabulary, occurrences }: Inspection): string {
  const views = layers.map(({ layer, byCharacter }) => ofLayer(layer, characterBars(vocabulary, byCharacter, occurrences)))
  return section(
    'characters',
    'Specialization by character',
    paragraph('Of the choices made for a character, the share of each expert; on the right how often it occurs.', 'hint'),
    ...views,
  )
}

/** Which experts are chosen together. */
export function coActivation(inspection: Inspection): string {
  const { layers } = inspection
  const views = layers.map(({ layer, coActivation: shares }) => {
    const rows = shares.map((row, i) => ({
      name: String(i),
      cells: row.map((share, j): Cell => (i === j || !Number.isFinite(share) ? { text: '' } : { text: percent(share), heat: share })),
    }))
    return ofLayer(
      layer,
      heatTable(
        `Of the tokens that chose the expert of the row, the share that chose the other too, in %, layer ${layer}`,
        'expert',
        experts(inspection),
        rows,
      ),
    )
  })
  return section('co-activation', 'Co-activation', ...views)
}
