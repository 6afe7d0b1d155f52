/** Small help for the page's views: elements by id, characters that can be seen, an expert's color. */

/** The element of this id, which page.html has. */
export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page has no element ${id}`)
  return found as E // page.html says which kind
}

/** A new element with some properties. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/** Gives an element its expert's color of the eight in page.css; a further eight experts have them again, with a mark. */
export function colorBy(target: HTMLElement, expert: number): void {
  target.style.setProperty('--expert', `var(--expert-${expert % 8})`)
  target.dataset.lap = String(Math.floor(expert / 8) % 4)
}

/** A character as people can see it. */
export function visible(character: string): string {
  if (character === '\n') return '↵'
  return character === ' ' ? '␣' : character
}

export const percent = (share: number): string => `${share > 0 && share < 0.0995 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`
