/** Stacked bars: each expert's share of the choices made for each character, in the experts' colors. */

import { escaped } from '../escaped'
import { visible } from '../plot/figure'
import { percent } from './html'

/** Below this share a piece is too narrow to be seen. */
const smallest = 0.005

function bar(shares: readonly number[]): string {
  let from = 0
  const pieces = shares.map((share, expert) => {
    const x = from
    from += share
    if (share < smallest) return ''
    const [left, width] = [x, share].map((value) => Number((1000 * value).toFixed(1)))
    return `<rect class="e${expert}" x="${left}" width="${width}" height="10"><title>expert ${expert}: ${percent(share)} %</title></rect>`
  })
  return `<svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="${described(shares)}">${pieces.join('')}</svg>`
}

/** The largest shares in words. */
function described(shares: readonly number[]): string {
  const largest = shares.map((share, expert) => ({ share, expert })).sort((a, b) => b.share - a.share)
  return largest
    .slice(0, 3)
    .map(({ share, expert }) => `expert ${expert} ${percent(share)} %`)
    .join(', ')
}

/**
 * A bar for each character that occurs, in the order of the vocabulary.
 * @param shares [V][E]
 * @param occurrences [V]
 */
export function characterBars(
  vocabulary: readonly string[],
  shares: readonly (readonly number[])[],
  occurrences: readonly number[],
): string {
  const items = vocabulary.flatMap((character, id) => {
    const count = occurrences[id] ?? 0
    if (count === 0) return []
    return `<li><code>${escaped(visible(character))}</code>${bar(shares[id] ?? [])}<small>${count.toLocaleString('en-US')}</small></li>`
  })
  return `<ol class="bars">${items.join('\n')}</ol>`
}
