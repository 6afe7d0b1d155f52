/** Suggestions for names that were mistyped. */
import { distance } from 'fastest-levenshtein'

/** `; did you mean topk?` of the nearest name, or nothing if none is near. */
export function nearest(got: string, names: readonly string[]): string {
  const [best] = names.map((name) => ({ name, far: distance(got.toLowerCase(), name.toLowerCase()) })).sort((a, b) => a.far - b.far)
  return best && best.far <= Math.max(2, best.name.length / 3) ? `; did you mean ${best.name}?` : ''
}
