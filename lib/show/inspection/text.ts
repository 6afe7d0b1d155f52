/** A text with each character on the color of its first expert: the larger the gate, the stronger the color. */
import { escaped } from '../escaped'

/** How many strengths there are; inspection.css knows them as classes g0 to g7. */
const strengths = 8

/**
 * @param experts the first choice for each character
 * @param gates its gate, from 0 to 1
 */
export function coloredText(text: string, experts: readonly number[], gates: readonly number[]): string {
  const runs: { classes: string; text: string }[] = []
  for (const [i, character] of [...text].entries()) {
    const strength = Math.min(strengths - 1, Math.floor((gates[i] ?? 0) * strengths))
    const classes = `e${experts[i]} g${strength}`
    const last = runs.at(-1)
    if (last?.classes === classes) last.text += character
    else runs.push({ classes, text: character })
  }
  const shown = (characters: string): string => escaped(characters).replaceAll('\n', '<s>↵</s>\n')
  return `<pre class="text" tabindex="0" role="region" aria-label="text by expert">${runs.map(({ classes, text: run }) => `<i class="${classes}">${shown(run)}</i>`).join('')}</pre>`
}
