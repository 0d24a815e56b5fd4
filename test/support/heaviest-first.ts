import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const folder = new URL('..', import.meta.url);

/** What takes longest, longest first: begun at the end, it would run on alone. */
const heaviest = [
  'local/start.e2e.test.ts',
  'deployment/each-deployment.e2e.test.ts',
  'deployment/template.e2e.test.ts',
  'retention-purge/field-schemas.test.ts',
  'cli/supabase-cli.e2e.test.ts',
  'cli/commands.e2e.test.ts',
  'package/package.e2e.test.ts',
  'retention-purge/slices-children.test.ts',
  'retention-purge/restore-race.test.ts',
  'retention-purge/blocked.test.ts',
  'retention-purge/closures.test.ts',
  'partition-maintenance/kills.faults.test.ts',
  'partition-maintenance/live-traffic.faults.test.ts',
  'view-refresh/refresh.faults.test.ts',
].map((name) => fileURLToPath(new URL(name, folder)));

/** The lanes that share processes come last, each in one piece: a process goes on only while the next file is of its lane. */
const lanes = ['e2e', 'faults', 'database', 'unit'];

export class HeaviestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    for (const path of heaviest) if (!existsSync(path)) throw new Error(`There is no ${path}`);
    const rank = ({ moduleId, project }: TestSpecification) =>
      heaviest.includes(moduleId)
        ? heaviest.indexOf(moduleId)
        : heaviest.length + lanes.indexOf(project.name);
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
