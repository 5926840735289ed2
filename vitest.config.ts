import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/lab/order.ts'

const lab = ['test/lab/**/*.test.ts']

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // A guest has one processor, so each worker may have one.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
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
        },
      },
    ],
  },
})
