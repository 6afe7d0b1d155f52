/** Import layering: the rooms of lib, from the top down. A room may import what stands below it, never above, and never in a circle. */
const floors = ['index.ts', 'cli', 'notebook', 'lab', 'show', 'runs', 'makemoe', 'engine', 'base']

const inside = (floor) => (floor.endsWith('.ts') ? `^lib/${floor.replace('.', '\\.')}$` : `^lib/${floor}/`)

// The commands hand the whole library to a person's file (cli/parts.ts).
const upwards = floors.slice(1).map((floor, i) => ({
  name: `${floor}-imports-downwards`,
  severity: 'error',
  from: { path: inside(floor), pathNot: '^lib/cli/parts\\.ts' },
  to: { path: floors.slice(0, i + 1).map(inside) },
}))

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'every-file-is-on-a-floor',
      severity: 'error',
      from: {},
      to: { path: '^lib/', pathNot: floors.map(inside) },
    },
    { name: 'errors-import-nothing', severity: 'error', from: { path: '^lib/base/errors\\.ts' }, to: { path: '^lib/' } },
    // Tensors and TensorFlow know nothing of tracing.
    { name: 'tensors-below-graphs', severity: 'error', from: { path: '^lib/engine/tensor/' }, to: { path: '^lib/engine/graph/' } },
    {
      name: 'tensorflow-below-tensors',
      severity: 'error',
      from: { path: '^lib/engine/tensorflow/' },
      to: { path: '^lib/engine/(tensor|graph)/' },
    },
    // The page may be read, and runs, alone; its engine imports its own arithmetic alone.
    {
      name: 'page-imports-no-other-room',
      severity: 'error',
      from: { path: '^lib/show/page/' },
      to: { path: '^lib/', pathNot: '^lib/show/page/' },
    },
    {
      name: 'page-engine-imports-arithmetic-alone',
      severity: 'error',
      from: { path: '^lib/show/page/(engine|parameters|parts|ops)\\.ts' },
      to: { pathNot: '^lib/show/page/(parameters|parts|ops)\\.ts' },
    },
    ...upwards,
  ],
  options: {
    exclude: { path: '^lib/(dist|docs)/' },
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
  },
}
