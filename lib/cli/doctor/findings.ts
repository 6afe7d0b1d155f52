/** What is found of one thing, and what to do where it is wrong. */
import { messageOf } from '../../base/assertions'
import { SetupError } from '../../base/errors'

/** What was found. */
export interface Finding {
  readonly what: string
  readonly value: string
  /** What to do about it; absent where nothing is wrong. */
  readonly remedy?: string | undefined
}

/** Looks at one thing. */
export interface Examination {
  readonly what: string
  /** @returns what is found; or that and a remedy, where it is wrong */
  look(): Answer | Promise<Answer>
  /** The remedy if looking fails with an error that has none of its own. */
  readonly remedy?: string
}

export type Answer = string | readonly [value: string, remedy: string | undefined]

/** Looks; an error is a finding, too. */
export async function find({ what, look, remedy }: Examination): Promise<Finding> {
  try {
    const answer = await look()
    return typeof answer === 'string' ? { what, value: answer } : { what, value: answer[0], remedy: answer[1] }
  } catch (error) {
    const itsOwn = error instanceof SetupError ? error.remedy : undefined
    return { what, value: messageOf(error), remedy: itsOwn ?? remedy ?? 'report this: it should not happen' }
  }
}

/**
 * The page: a line a finding, then what to do.
 * @param home is written as ~, since the page is made to be shown to others
 */
export function page(title: string, findings: readonly Finding[], home: string): string {
  const width = Math.max(...findings.map(({ what }) => what.length)) + 2
  const lines = findings.map(({ what, value, remedy }) => `${remedy === undefined ? ' ' : '!'} ${what.padEnd(width)}${value}`)
  const wrong = findings.filter(({ remedy }) => remedy !== undefined)
  const end =
    wrong.length === 0 ? ['Nothing is wrong.'] : ['What to do:', ...wrong.map(({ what, remedy }) => `! ${what.padEnd(width)}${remedy}`)]
  const text = [title, '', ...lines, '', ...end].join('\n')
  return home.length > 1 ? text.replaceAll(home, '~') : text
}
