/** Suggestions for names that were mistyped. */

/** How many letters must be changed, added or removed to make one word of the other (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (const [i, letter] of [...a].entries()) {
    const row = [i + 1]
    for (const [j, other] of [...b].entries())
      row.push(Math.min((previous[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1, (previous[j] ?? 0) + (letter === other ? 0 : 1)))
    previous = row
  }
  return previous.at(-1) ?? 0
}

/** `; did you mean topk?` of the nearest name, or nothing if none is near. */
export function nearest(got: string, names: readonly string[]): string {
  const [best] = names.map((name) => ({ name, far: distance(got.toLowerCase(), name.toLowerCase()) })).sort((a, b) => a.far - b.far)
  return best && best.far <= Math.max(2, best.name.length / 3) ? `; did you mean ${best.name}?` : ''
}
