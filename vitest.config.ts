import { defineConfig } from 'vitest/config'

const lab = ['test/lab/**/*.test.ts']

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'here', include: ['test/**/*.test.ts'], exclude: lab, setupFiles: ['test/support/seed.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'lab',
          include: lab,
          globalSetup: ['test/lab/setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // One process, one file after the other: they share a guest.
          fileParallelism: false,
          maxWorkers: 1,
          isolate: false,
        },
      },
    ],
  },
})
