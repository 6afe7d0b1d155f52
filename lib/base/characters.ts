/** Characters as people count them, code points: JavaScript's `length` counts those beyond U+FFFF, such as emoji, twice, and slices halve them. */

const isPair = (text: string, at: number): boolean =>
  (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00

/** The number of characters in a string. */
export function codePointCount(text: string): number {
  let count = text.length
  for (let i = 0; i < text.length - 1; i++) if (isPair(text, i)) count--
  return count
}

/** The largest index up to `end`, in UTF-16 units, that halves no character. */
export const wholeEnd = (text: string, end: number): number => (end > 0 && end < text.length && isPair(text, end - 1) ? end - 1 : end)
