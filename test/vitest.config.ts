import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: 'test',
    include: ['**/*.test.ts'],
    globalSetup: './test/global-setup.ts',
    setupFiles: ['./test/between-tests.ts'],
    server: { deps: { external: [/\/lib\/dist\//] } }, // one copy of lib, as Node loads it
    pool: 'forks', // native addons and worker threads do not get along
    poolOptions: { forks: { maxForks: 2 } },
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
