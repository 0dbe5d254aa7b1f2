import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const project = (name: string, include: string[], exclude: string[] = [], env: Record<string, string> = {}) => ({
  test: {
    name,
    env,
    include,
    exclude: ['**/node_modules/**', ...exclude],
    setupFiles: ['test/support/hermetic.ts'],
    // Generous on purpose: machines have two cores and are noisy. No test asserts a time.
    testTimeout: 400_000,
    hookTimeout: 400_000,
    teardownTimeout: 30_000,
  },
});

/** What takes longest, so that no worker is left alone with it in the end. */
const LONG = [
  /soak\//,
  /e2e\/(loop|talk|orphans|claude|opencode|documents|resume)/,
  /\.e2e\./,
  /\.pg\.|claude|logins|places/,
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const found = LONG.findIndex((pattern) => pattern.test(moduleId));
      return found === -1 ? LONG.length : found;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

const BUNDLE = ['test/cli/**/*.e2e.test.ts', 'test/e2e/{demo,loop}.e2e.test.ts'];

/** The suffix of a test says what it may use; see `test/README.md`. */
export default defineConfig({
  test: {
    // More than there are cores: half of the time of most files is waiting.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    // Node's way to call the C library is new.
    execArgv: ['--disable-warning=ExperimentalWarning'],
    projects: [
      project('unit', ['test/**/*.test.ts'], ['test/**/*.{int,pg,e2e}.test.ts']),
      project('int', ['test/**/*.int.test.ts', 'test/**/*.pg.test.ts']),
      project('e2e', ['test/**/*.e2e.test.ts'], ['test/executable/**']),
      // All of it is run against the executable; against the bundle, what may differ there: starting, ending, being killed.
      project('bundle', BUNDLE),
      project('executable', ['test/**/*.e2e.test.ts'], ['test/cli/start.e2e.test.ts'], {
        PROGRAM_UNDER_TEST: 'executable',
      }),
    ],
  },
});
