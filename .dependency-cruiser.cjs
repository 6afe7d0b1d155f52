/** The rooms of lib, from the top down. A room may import what stands below it, never above, and never in a circle. */
const floors = [['cli'], ['train'], ['plot', 'track'], ['graph'], ['model'], ['moe'], ['nn'], ['text'], ['tensor']]

const upwards = floors.map((rooms, floor) => {
  const above = floors.slice(0, floor).flat()
  return {
    name: `no-upwards-from-${rooms.join('-')}`,
    severity: 'error',
    from: { path: `^lib/(${rooms.join('|')})/` },
    to: { path: `^lib/(${[...above, 'index\\.ts'].join('|')})` },
  }
})

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'shared-files-import-nothing', severity: 'error', from: { path: '^lib/errors\\.ts' }, to: { path: '^lib/' } },
    ...upwards,
  ],
  options: {
    exclude: { path: '^lib/dist' },
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
  },
}
