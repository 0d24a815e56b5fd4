import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const folder = new URL('..', import.meta.url);

/** What takes longest, longest first: begun at the end, it would run on alone. */
const heaviest = [
  'local/start.e2e.test.ts',
  'cli/commands.e2e.test.ts',
  'partition-maintenance/kills.faults.test.ts',
  'security/hostile/matrix.faults.test.ts',
  'view-refresh/refresh.faults.test.ts',
  'partition-maintenance/live-traffic.faults.test.ts',
  'deployment/template.e2e.test.ts',
  'retention-purge/outage.faults.test.ts',
  'retention-purge/restore-race.test.ts',
  'cli/supabase-cli.e2e.test.ts',
].map((name) => fileURLToPath(new URL(name, folder)));

export class HeaviestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    for (const path of heaviest) if (!existsSync(path)) throw new Error(`There is no ${path}`);
    const rank = ({ moduleId }: TestSpecification) =>
      heaviest.includes(moduleId) ? heaviest.indexOf(moduleId) : heaviest.length;
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
