// The notebooks as Markdown pages: text, code and outputs, pictures as files beside them.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

const text = (source) => (Array.isArray(source) ? source.join('') : source)
const plain = (output) => stripVTControlCharacters(text(output)).trimEnd()

/** A fence longer than any in the content. */
const fenced = (language, content) => {
  const fence = '`'.repeat(Math.max(3, ...[...content.matchAll(/`+/g)].map(([ticks]) => ticks.length + 1)))
  return `${fence}${language}\n${content}\n${fence}`
}

/** @param picture writes a picture and returns its name */
function outputPage(output, picture) {
  if (output.output_type === 'stream') return fenced('text', plain(output.text))
  if (output.output_type === 'error') return fenced('text', plain(output.traceback))
  const { 'image/svg+xml': svg, 'image/png': png, 'text/plain': words = '' } = output.data
  if (svg) return `![${plain(words).replaceAll(/[[\]\n]/g, ' ')}](${picture('svg', text(svg))})`
  if (png) return `![${plain(words).replaceAll(/[[\]\n]/g, ' ')}](${picture('png', Buffer.from(text(png), 'base64'))})`
  return fenced('text', plain(words))
}

/**
 * Writes a page for each notebook.
 * @param folder the notebooks, with their folder images
 * @param out where the pages go; what was there is removed
 * @returns the pages' files
 */
export function notebookPages(folder, out) {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  cpSync(join(folder, 'images'), join(out, 'images'), { recursive: true })
  return readdirSync(folder)
    .filter((file) => file.endsWith('.ipynb'))
    .map((file) => {
      const name = basename(file, '.ipynb')
      let pictures = 0
      const picture = (type, content) => {
        const path = `images/${name}-${++pictures}.${type}`
        writeFileSync(join(out, path), content)
        return path
      }
      const { cells } = JSON.parse(readFileSync(join(folder, file), 'utf8'))
      const parts = cells.flatMap(({ cell_type, source, outputs = [] }) =>
        cell_type === 'markdown' ? [text(source)] : [fenced('ts', text(source)), ...outputs.map((output) => outputPage(output, picture))],
      )
      const page = join(out, `${name}.md`)
      writeFileSync(page, `---\ntitle: ${name}\ngroup: Notebooks\n---\n\n${parts.join('\n\n')}\n`)
      return page
    })
}
