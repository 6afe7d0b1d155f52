/** Checksums of code: of lib itself, and of a person's own file, for whatever must not outlive a change of it. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, extname, join, normalize, resolve } from 'node:path'

/**
 * A checksum of compiled code: 12 hexadecimal digits.
 * @param rooms the folders that count; default: all
 * @param except files of theirs that do not, without their ending
 */
export function codeVersion(rooms: readonly string[] = ['.'], folder = join(__dirname, '..'), except: readonly string[] = []): string {
  const left = except.map((file) => `${normalize(file)}.js`)
  const hash = createHash('sha256')
  for (const room of rooms) {
    const files = readdirSync(join(folder, room), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'))
    const counted = files.map((file) => join(room, file)).filter((file) => !left.includes(file))
    for (const file of counted.sort()) hash.update(file).update(readFileSync(join(folder, file)))
  }
  return hash.digest('hex').slice(0, 12)
}

const extensions = ['', '.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json', '/index.ts', '/index.js']
const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile()

const isSource = (path: string): boolean => /^\.([mc]?[jt]s|json)$/.test(extname(path))

/** The file that a string in a source names: relative to the source, or absolute, or just the name of a file beside it. */
function fileNamed(text: string, source: string): string | undefined {
  const name = text.replace(/^\$\{(__dirname|import\.meta\.dirname)\}\//, './')
  // TypeScript lets './a.js' stand for './a.ts'.
  const named = [name, name.replace(/\.([mc]?)js$/, '.$1ts')].map((each) => resolve(dirname(source), each))
  const endings = /^\.{0,2}\//.test(name) ? extensions : ['']
  return named.flatMap((base) => endings.map((ending) => base + ending)).find(isFile)
}

/** A source file and every file that it names in a string, as an import or otherwise, and so on from there, by path. Packages do not count. */
export function sourcesOf(file: string): ReadonlyMap<string, Buffer> {
  const sources = new Map([[resolve(file), readFileSync(file)]])
  for (const [path, content] of sources) {
    if (!isSource(path)) continue
    // Whatever is between two quotes: an apostrophe in a comment must not hide the strings after it.
    for (const [text] of content.toString('utf8').matchAll(/(?<=['"`])[^'"`\n]+(?=['"`])/g)) {
      const found = fileNamed(text, path)
      if (found !== undefined && !sources.has(found)) sources.set(found, readFileSync(found))
    }
  }
  return sources
}

/** A checksum of a source file, of all that it names (`sourcesOf`), and of the environment's variables that these name. */
export function sourceVersion(file: string): string {
  const hash = createHash('sha256')
  const variables = new Set<string>()
  for (const [path, content] of sourcesOf(file)) {
    hash.update(path).update(content)
    if (isSource(path))
      for (const [, one, other = one] of content.toString('utf8').matchAll(/process\.env(?:\.(\w+)|\[\s*['"`](\w+)['"`]\s*\])/g))
        variables.add(other ?? '')
  }
  for (const name of variables) hash.update(JSON.stringify([name, process.env[name]]))
  return hash.digest('hex')
}
