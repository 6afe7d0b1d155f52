/** What the experts that are off do to the loss of a text. */
import type { Writer } from './writer'

/**
 * Measures the loss with all experts and without those that are off, a window at a time, so that the page stays alive.
 * @param isWanted asked after each window
 * @returns a sentence; undefined if it is not wanted any more
 */
export async function effectOf(writer: Writer, numExperts: number, isWanted: () => boolean): Promise<string | undefined> {
  const nats: number[] = []
  for (const off of [[], writer.off]) {
    const windows = writer.loss(off)
    let window = windows.next()
    for (; !window.done; window = windows.next()) {
      await new Promise((resolve) => setTimeout(resolve, 0))
      if (!isWanted()) return undefined
    }
    if (window.value === undefined) return 'The text is too short to measure its loss.'
    nats.push(window.value)
  }
  const [all, without] = nats
  const [first] = writer.off
  const what =
    writer.off.size === 1
      ? `expert ${first % numExperts} of layer ${Math.floor(first / numExperts)}`
      : `the ${writer.off.size} experts that are off`
  const change = without - all
  return `Loss of this text: ${all.toFixed(3)} nats a character with all experts, ${without.toFixed(3)} without ${what} (${change < 0 ? '−' : '+'}${Math.abs(change).toFixed(3)}).`
}
