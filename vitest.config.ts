import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { HeaviestFirst } from './test/support/heaviest-first.ts';

/** Tests start Node hundreds of times: what one process has compiled, the next takes from here. */
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('node_modules/.cache/nightshift/compiled', import.meta.url),
);

/** The end of a test file's name says which lane it is in: `rules.unit.test.ts`; one without such an end is in `database`. */
const lane = (name: string, include: string, exclude: string[] = []) => ({
  test: {
    name,
    include: [`test/**/*${include}`],
    exclude,
    // Files leave nothing behind in a process: the next one takes it over, with all that is loaded there.
    isolate: false,
    setupFiles: ['test/support/forbid-leaks.ts'],
    // For what hangs: nothing is judged by how long it takes.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});

export default defineConfig({
  test: {
    // More than a small machine has cores, because tests also wait: for locks, for retries, for the minute of a schedule.
    maxWorkers: 6,
    // They live for seconds: with room for what they make, most end before it has to be cleared.
    execArgv: ['--min-semi-space-size=64'],
    teardownTimeout: 60_000,
    experimental: { viteModuleRunner: false },
    sequence: { sequencer: HeaviestFirst },
    globalSetup: 'test/support/global-setup.ts',
    projects: [
      lane('unit', '.unit.test.ts'),
      lane('database', '.test.ts', ['**/*.{unit,faults,e2e}.test.ts']),
      lane('faults', '.faults.test.ts'),
      lane('e2e', '.e2e.test.ts'),
    ],
  },
});
