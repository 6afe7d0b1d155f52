/** Import layering: the folders of lib, from the top down. A folder may import what stands below it, never above, and never in a circle. */
const floors = [
  ['cli'],
  ['cluster'],
  ['lab'],
  ['train'],
  ['plot', 'track'],
  ['graph'],
  ['model'],
  ['moe'],
  ['nn'],
  ['text'],
  ['tensor'],
  ['tensorflow'],
]

// The commands hand the whole library to a person's file (cli/parts.ts); everybody else imports what stands below.
const upwards = floors.slice(1).map((rooms, floor) => {
  const above = floors.slice(0, floor + 1).flat()
  return {
    name: `no-upwards-from-${rooms.join('-')}`,
    severity: 'error',
    from: { path: `^lib/(${rooms.join('|')})/` },
    to: { path: `^lib/(${[...above.map((room) => `${room}/`), 'index\\.ts'].join('|')})` },
  }
})

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'shared-files-import-nothing', severity: 'error', from: { path: '^lib/errors\\.ts' }, to: { path: '^lib/' } },
    // The page may be read, and runs, alone; its engine imports its own arithmetic alone.
    { name: 'page-imports-no-other-room', severity: 'error', from: { path: '^lib/page/' }, to: { path: '^lib/', pathNot: '^lib/page/' } },
    {
      name: 'engine-imports-arithmetic-alone',
      severity: 'error',
      from: { path: '^lib/page/(engine|parameters|parts|ops)\\.ts' },
      to: { pathNot: '^lib/page/(parameters|parts|ops)\\.ts' },
    },
    ...upwards,
  ],
  options: {
    exclude: { path: '^lib/dist' },
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
  },
}
