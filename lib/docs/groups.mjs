// A plugin of typedoc: every export has the group under whose comment index.ts exports it, by the file that it comes from.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Comment, CommentTag, Converter, ReflectionKind } from 'typedoc'

const lib = join(dirname(fileURLToPath(import.meta.url)), '..')

/** The groups of index.ts, each with its text: `// Layers`, then the exports up to the next one. */
export const groups = new Map(
  readFileSync(join(lib, 'index.ts'), 'utf8')
    .split(/^\/\/ /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section]),
)

/** The group of an exported name; of a file of which everything is exported, if no group names it. */
function groupOf(name, file) {
  const named = new RegExp(`[{ ]${name}\\b[^'"]*\\}`)
  for (const [group, text] of groups)
    if (
      text
        .split('\n')
        .join(' ')
        .match(/export[^'"]*/g)
        ?.some((names) => named.test(names))
    )
      return group
  for (const [group, text] of groups)
    if ([...text.matchAll(/export \* from '\.\/([^']+)'/g)].some(([, path]) => file.includes(`/${path}.ts`))) return group
  return undefined
}

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const index = project.children?.find((child) => child.kindOf(ReflectionKind.Module)) ?? project
    for (const child of index.children ?? []) {
      if (child.kindOf(ReflectionKind.Module)) continue // what is used by exports, and is not exported itself
      const group = groupOf(child.name, project.getSymbolIdFromReflection(child)?.fileName ?? '')
      if (group === undefined) app.logger.warn(`no group of index.ts exports ${child.name}`)
      for (const documented of child.signatures ?? [child]) {
        if (!documented.hasComment() && !child.kindOf(ReflectionKind.Reference)) app.logger.warn(`${child.name} has no documentation`)
        documented.comment ??= new Comment()
        documented.comment.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: group ?? 'Other' }]))
      }
    }
  })
}
