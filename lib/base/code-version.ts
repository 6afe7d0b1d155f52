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

/**
 * A checksum of a source file and of every file that it names in a string, as an import or otherwise, and so on from there. Packages do
 * not count.
 */
export function sourceVersion(file: string): string {
  const hash = createHash('sha256')
  const pending = [resolve(file)]
  const seen = new Set(pending)
  for (const path of pending) {
    const content = readFileSync(path)
    hash.update(path).update(content)
    if (!/^\.([mc]?[jt]s|json)$/.test(extname(path))) continue
    for (const [, name = ''] of content.toString('utf8').matchAll(/['"`](\.{0,2}\/[^'"`\n]+)['"`]/g)) {
      // TypeScript lets './a.js' stand for './a.ts'.
      const named = [name, name.replace(/\.([mc]?)js$/, '.$1ts')].map((each) => resolve(dirname(path), each))
      const found = named.flatMap((base) => extensions.map((extension) => base + extension)).find(isFile)
      if (found === undefined || seen.has(found)) continue
      seen.add(found)
      pending.push(found)
    }
  }
  return hash.digest('hex')
}
