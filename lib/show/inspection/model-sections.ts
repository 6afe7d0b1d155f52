/** The sections on the whole model: what was inspected, load, knock-out, routers, saturation. */
import { inBits } from '../../base/numbers'
import { escaped } from '../escaped'
import { experts, type InspectedLayer, type Inspection } from './contents'
import { type Cell, heatTable, number, paragraph, percent, scrolling, section, signed } from './html'

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const count = (value: number): string => value.toLocaleString('en-US')

/** What was inspected, and on what. */
export function facts({ model, layers, source, characters, available, knockOut }: Inspection): string {
  const active = model.activeParameters === undefined ? '' : `, ${count(model.activeParameters)} active per token`
  const whole = characters + model.blockSize > available - 1
  const split = whole ? `all ${count(characters)} characters` : `the first ${count(characters)} of ${count(available)} characters`
  const kind = whole ? 'exact' : `an estimate from the first ${count(characters)} characters`
  return [
    paragraph(
      `${count(model.parameters)} parameters${active}. ${layers.length} layers of ${model.numExperts} experts, ${model.topK} for each token.`,
    ),
    paragraph(
      `Observed on ${split} of the validation split of ${source}, in contexts of up to ${model.blockSize}. Validation loss ${number(knockOut.loss, 4)} nats (${kind}), ${inBits(knockOut.loss)}.`,
    ),
  ].join('\n')
}

/** Who does the work, and who does none. */
export function load(inspection: Inspection): string {
  const { layers, model } = inspection
  const even = 1 / model.numExperts
  const rows = layers.map(({ layer, load: served, demand }) => {
    const total = sum(served)
    const cells = served.map((pairs, expert): Cell => {
      if (demand[expert] === 0) return { text: 'dead', mark: 'dead' }
      const share = pairs / total
      return { text: percent(share, 1), heat: share / (4 * even) }
    })
    return { name: String(layer), cells }
  })
  const dead = layers.filter((layer) => layer.dead.length > 0).map(({ layer, dead: names }) => `layer ${layer}: ${names.join(', ')}`)
  return section(
    'load',
    'Load',
    heatTable(`Share of the choices that each expert serves, in % (even: ${percent(even, 1)})`, 'layer', experts(inspection), rows),
    paragraph(
      dead.length === 0 ? 'No expert is dead: each was chosen at least once.' : `Dead experts, which no token chose: ${dead.join('; ')}.`,
    ),
  )
}

/** What is lost without an expert, without the second choice, without the router. */
export function knockOuts(inspection: Inspection): string {
  const { knockOut, model, characters } = inspection
  const { loss, without, topOne, random } = knockOut
  const largest = Math.max(1e-9, ...without.flatMap((losses) => (losses ?? []).map((value) => Math.abs(value - loss))))
  const rows = without.map((losses, layer) => ({
    name: String(layer),
    cells: Array.from({ length: model.numExperts }, (_, expert): Cell => {
      const value = losses?.[expert]
      if (value === undefined) return { text: '–' }
      const difference = value - loss
      return { text: signed(1000 * difference, 1), heat: Math.abs(difference) / largest, ...(difference < 0 ? { mark: 'cold' } : {}) }
    }),
  }))
  const unable = without.flatMap((losses, layer) => (losses ? [] : [layer]))
  const change = (name: string, value: number | undefined): string =>
    value === undefined
      ? ''
      : `<tr><th scope="row">${escaped(name)}</th><td>${number(value, 4)}</td><td>${value === loss ? '' : signed(value - loss, 4)}</td></tr>`
  return section(
    'knock-out',
    'Knock-out',
    heatTable(
      'Change of the validation loss, in thousandths of a nat, with one expert switched off; its tokens go to their next choice',
      'layer',
      experts(inspection),
      rows,
    ),
    unable.length > 0
      ? paragraph(
          `No expert could be switched off in layer ${unable.join(', ')}: every token needs all experts there, or the router takes no bias.`,
        )
      : '',
    paragraph(`Validation loss in nats over ${count(characters)} characters`, 'hint'),
    scrolling(
      'Validation loss with other routing',
      `<table><thead><tr><th scope="col">routing</th><th scope="col">loss</th><th scope="col">change</th></tr></thead><tbody>
${change('as it is', loss)}
${change('the first choice alone, k = 1', topOne)}
${change(`${model.topK} of the experts at random`, random)}</tbody></table>`,
    ),
  )
}

/** A column of the table of routers: its name, what it means, and a layer's value. */
type Column = readonly [name: string, meaning: string, value: (layer: InspectedLayer) => string]

/** Each router in numbers. */
export function routers({ layers, model }: Inspection): string {
  const { numExperts, topK } = model
  const nats = (value: number): string => number(value, 3)
  const columns: readonly Column[] = [
    ['entropy', `Of a token's gates, in nats; ${nats(Math.log(topK))} if all are equal.`, ({ entropy }) => nats(entropy)],
    [
      'entropy of the mean',
      `Entropy of the mean gates; ${nats(Math.log(numExperts))} if even.`,
      ({ meanGateEntropy }) => nats(meanGateEntropy),
    ],
    ['margin', 'Last chosen probability minus the next: how far a choice is from tipping over.', ({ margin }) => nats(margin)],
    ['MaxVio', 'Largest demand by mean demand, minus 1; 0 if even.', ({ maxVio }) => number(maxVio, 2)],
    ['z', 'Mean squared log-sum-exp of the logits: how large they are.', ({ z }) => number(z, 2)],
    [
      'repeats %',
      `Tokens with the first choice of the token before; at random ${percent(1 / numExperts)} if the load is even, more if not.`,
      ({ repetition }) => percent(repetition.first),
    ],
    [
      'repeats any %',
      `Tokens whose first choice is among those of the token before; at random ${percent(topK / numExperts)} if the load is even.`,
      ({ repetition }) => percent(repetition.any),
    ],
    [
      'from character %',
      'How much of the first choice follows from the character alone: mutual information by entropy.',
      ({ fromCharacter }) => percent(fromCharacter),
    ],
    ...(layers.some(({ dropShare }) => dropShare !== undefined)
      ? [['dropped %', 'Pairs that found their expert full.', ({ dropShare }: InspectedLayer) => percent(dropShare, 1)] as const]
      : []),
  ]
  const head = columns.map(([name]) => `<th scope="col">${escaped(name)}</th>`).join('')
  const body = layers.map(
    (layer) => `<tr><th scope="row">${layer.layer}</th>${columns.map(([, , value]) => `<td>${value(layer)}</td>`).join('')}</tr>`,
  )
  const meanings = columns.map(([name, meaning]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(meaning)}</dd></div>`)
  return section(
    'routers',
    'Routers in numbers',
    scrolling(
      'Routers in numbers',
      `<table><thead><tr><th scope="col">layer</th>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table>`,
    ),
    `<dl>${meanings.join('\n')}</dl>`,
  )
}

/** How early the choices settled. */
export function saturation({ saturation: points, layers, model }: Inspection): string {
  const title = 'Saturation'
  if (points.length === 0)
    return section(
      'saturation',
      title,
      paragraph('Only these weights were there: without checkpoints of the run nothing shows how the choices came about.'),
    )
  const one = points.length === 1 ? ' The run keeps one checkpoint only; train with a larger --keep to see how the choices settle.' : ''
  const atRandom = model.topK / model.numExperts
  const rows = points.map(({ step, shares }) => ({
    name: count(step),
    cells: shares.map((share): Cell => ({ text: percent(share), heat: (share - atRandom) / (1 - atRandom) })),
  }))
  return section(
    'saturation',
    title,
    heatTable(
      `Share of the final choices that a checkpoint makes already, in % (at random: ${percent(atRandom)} if the load is even)`,
      'step',
      layers.map(({ layer }) => `layer ${layer}`),
      rows,
    ),
    paragraph(`Rows are the checkpoints that the run keeps.${one}`, 'hint'),
  )
}
