/**
 * Two tiers: `*.test.ts` are the minute of `npm test`; `*.slow.test.ts` beside them (processes, kills, faults, memory) run with
 * `npm run test:all` too, which sets TESTS=all. Two processes load TensorFlow once each for all files, so a test leaves nothing behind.
 */
import { join, relative } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { Failures } from './failures'
import { testsOf } from './tests-of'

/** What breaks first is tested first. */
const first = ['makemoe/moe', 'makemoe/nn', 'makemoe/model', 'makemoe', 'engine', 'runs', 'lab', '']

/** Of the slow ones the longest start first, so that the other process is not left idle in the end. */
const longest = ['runs/cluster/faults', 'faults/kill', 'runs/cluster/agreement', 'engine/graph/memory']

class MostLikelyFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const path = relative(__dirname, moduleId)
      const place = (folders: readonly string[]): number => folders.findIndex((folder) => path.startsWith(folder))
      if (!path.includes('.slow.')) return place(first) - first.length
      return place(longest) === -1 ? longest.length + place(first) : place(longest)
    }
    return [...files].sort((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId))
  }
}

export default defineConfig({
  test: {
    root: 'test',
    include: ['**/*.test.ts'],
    exclude: process.env.TESTS === 'all' ? [] : ['**/*.slow.test.ts'],
    globalSetup: './test/global-setup.ts',
    setupFiles: ['./test/around-tests.ts'],
    server: { deps: { external: [/\/lib\/dist\//] } }, // one copy of lib, as Node loads it
    reporters: ['default', new Failures()],
    sequence: { sequencer: MostLikelyFirst },
    forceRerunTriggers: [join(__dirname, '../lib/dist')], // watched too; what runs then is below
    watchTriggerPatterns: [{ pattern: /\/lib\/dist\/(.*)\.js$/, testsToRun: (_file, [, name = '']) => testsOf(name) }],
    pool: 'forks', // native addons and worker threads do not get along
    poolOptions: { forks: { maxForks: 2, isolate: false } },
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
