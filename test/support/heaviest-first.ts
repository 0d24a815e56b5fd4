import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const folder = new URL('..', import.meta.url);

/** What takes longest of each lane, longest first: begun at the end, it would run on alone. */
const heaviest = [
  'local/start.e2e.test.ts',
  'cli/commands.e2e.test.ts',
  'package/package.e2e.test.ts',
  'deployment/template.e2e.test.ts',
  'cli/supabase-cli.e2e.test.ts',
  'deployment/each-deployment.e2e.test.ts',
  'edge/edge.e2e.test.ts',
  'cli/soft-delete.e2e.test.ts',
  'edge/wakes.e2e.test.ts',
  'view-refresh/refresh.faults.test.ts',
  'retention-purge/outage.faults.test.ts',
  'partition-maintenance/kills.faults.test.ts',
  'partition-maintenance/races.faults.test.ts',
  'partition-maintenance/large-default.faults.test.ts',
  'retention-purge/kill-children.faults.test.ts',
  'partition-maintenance/live-traffic.faults.test.ts',
  'edge/pg-cron.test.ts',
  'cli/init.test.ts',
  'retention-purge/field-schemas.test.ts',
  'retention-purge/slices.test.ts',
  'retention-purge/slices-children.test.ts',
  'deployment/alarms.test.ts',
  'cli/uninstall.test.ts',
  'retention-purge/restore-race.test.ts',
  'retention-purge/children-race.test.ts',
  'retention-purge/closures.test.ts',
  'retention-purge/blocked.test.ts',
  'retention-purge/model.property.test.ts',
  'schema/upgrade.test.ts',
].map((name) => fileURLToPath(new URL(name, folder)));

/** One after the other, each in one piece: a process goes on only while the next file is of its lane. */
const lanes = ['e2e', 'faults', 'database', 'unit'];

export class HeaviestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    for (const path of heaviest) if (!existsSync(path)) throw new Error(`There is no ${path}`);
    const rank = ({ moduleId, project }: TestSpecification) => {
      const place = heaviest.indexOf(moduleId);
      const inLane = place < 0 ? heaviest.length : place;
      return lanes.indexOf(project.name) * (heaviest.length + 1) + inLane;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
