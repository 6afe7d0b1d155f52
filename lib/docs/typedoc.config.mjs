// The documentation of the library as a site: npm run docs. Exports are grouped as in index.ts; formulas between dollars are rendered as
// MathML, which browsers show by themselves; the notebooks are pages, read-only, with their outputs.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import katex from '@vscode/markdown-it-katex'
import { groups } from './groups.mjs'
import { notebookPages } from './notebooks.mjs'

const lib = join(dirname(fileURLToPath(import.meta.url)), '..')
const root = dirname(lib)
const out = join(root, 'data/docs')

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'makeMoE in TypeScript',
  entryPoints: [join(lib, 'index.ts')],
  tsconfig: join(lib, 'tsconfig.json'),
  readme: join(lib, 'README.md'),
  out,
  plugin: ['typedoc-plugin-missing-exports', join(lib, 'docs/groups.mjs')],
  internalModule: 'Types that these use',
  projectDocuments: notebookPages(join(root, 'notebooks'), join(root, 'data/docs.partial')),
  excludeExternals: true,
  disableGit: true,
  sourceLinkTemplate: '#',
  disableSources: true,
  categorizeByGroup: false,
  categoryOrder: [...groups.keys()],
  defaultCategory: 'Other',
  sort: ['source-order'],
  navigation: { includeCategories: true },
  markdownItLoader: (parser) => parser.use(katex.default ?? katex, { output: 'mathml', throwOnError: true }),
  treatWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true, unusedMergeModuleWith: true },
}
