import { defineConfig } from 'vitest/config';

const project = (name: string, include: string[], exclude: string[] = [], env: Record<string, string> = {}) => ({
  test: {
    name,
    env,
    include,
    exclude: ['**/node_modules/**', ...exclude],
    setupFiles: ['test/support/hermetic.ts'],
    // Generous on purpose: machines have two cores and are noisy. No test asserts a time.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
  },
});

/** The suffix of a test says what it may use; see `test/README.md`. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    // Node's way to call the C library is new.
    execArgv: ['--disable-warning=ExperimentalWarning'],
    projects: [
      project('unit', ['test/**/*.test.ts'], ['test/**/*.{int,pg,e2e}.test.ts']),
      project('int', ['test/**/*.int.test.ts', 'test/**/*.pg.test.ts']),
      project('e2e', ['test/**/*.e2e.test.ts'], ['test/executable/**']),
      project('executable', ['test/**/*.e2e.test.ts'], ['test/cli/start.e2e.test.ts'], {
        PROGRAM_UNDER_TEST: 'executable',
      }),
    ],
  },
});
