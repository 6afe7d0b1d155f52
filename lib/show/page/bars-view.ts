/** Two lists of bars: the next character's probabilities, and the load of a layer's experts beside the validation text's. */
import { colorBy, make, percent, visible } from './view'

const best = 10

/**
 * The most probable characters; one that was drawn is in the list even if it is not among them.
 * @param probabilities [V], or undefined if nothing is known
 */
export function showProbabilities(
  list: HTMLElement,
  probabilities: Float32Array | undefined,
  vocabulary: readonly string[],
  drawn: number | undefined,
): void {
  const order = probabilities ? Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b) : []
  const shown = order.slice(0, best).filter((id) => (probabilities?.[id] ?? 0) > 0)
  if (drawn !== undefined && probabilities && !shown.includes(drawn)) shown.splice(Math.min(best - 1, shown.length), 1, drawn)
  list.replaceChildren(
    ...shown.map((id) => {
      const share = probabilities?.[id] ?? 0
      const bar = make('i')
      bar.style.setProperty('--share', String(share))
      const row = make(
        'li',
        {},
        make('b', { textContent: visible(vocabulary[id]) }),
        make('span', { className: 'meter' }, bar),
        make('span', { textContent: percent(share) }),
      )
      if (id === drawn) row.className = 'drawn'
      return row
    }),
  )
}

/** @param load served pairs of each expert in the text; @param other in the validation text, if it was measured */
export function showLoad(list: HTMLElement, load: ArrayLike<number>, other: ArrayLike<number> | undefined): void {
  const shares = (counts: ArrayLike<number>): number[] => {
    const sum = Array.from(counts).reduce((a, b) => a + b, 0)
    return Array.from(counts, (count) => count / (sum || 1))
  }
  const mine = shares(load)
  const theirs = other && shares(other)
  const longest = Math.max(...mine, ...(theirs ?? []), 1e-9) * 1.05
  list.replaceChildren(
    ...mine.map((share, e) => {
      const meter = make('span', { className: 'meter' }, make('i'))
      meter.style.setProperty('--share', String(share / longest))
      if (theirs) {
        meter.append(make('u'))
        meter.style.setProperty('--other', String(theirs[e] / longest))
      }
      colorBy(meter, e)
      const text = theirs ? `${percent(share)} · ${percent(theirs[e])}` : percent(share)
      return make('li', {}, make('b', { textContent: String(e) }), meter, make('span', { textContent: text }))
    }),
  )
}
