/**
 * Files that become part of a page. A browser reads a page's line ends as line feeds and hashes its style and code so; a checkout may have
 * others (core.autocrlf).
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The colors and letters that pages share. */
export const theme = (): string => readSource(join(__dirname, '../../../show/page/theme.css'))

/** The text of a file, its lines ended by line feeds. */
export const readSource = (file: string): string => readFileSync(file, 'utf8').replace(/\r\n?/g, '\n')

/** The source expression of a Content-Security-Policy that allows exactly this style or script. */
export const allowed = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
