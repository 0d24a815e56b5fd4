import { defineConfig } from 'vitest/config';

/** The end of a test file's name says which lane it is in: `rules.unit.test.ts`; one without such an end is in `database`. */
const lane = (name: string, include: string, exclude: string[] = []) => ({
  test: {
    name,
    include: [`test/**/*${include}`],
    exclude,
    setupFiles: ['test/support/record-output.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});

export default defineConfig({
  test: {
    maxWorkers: 3,
    teardownTimeout: 60_000,
    globalSetup: 'test/support/global-setup.ts',
    projects: [
      lane('unit', '.unit.test.ts'),
      lane('database', '.test.ts', ['**/*.{unit,faults,e2e}.test.ts']),
      lane('faults', '.faults.test.ts'),
      lane('e2e', '.e2e.test.ts'),
    ],
  },
});
