import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const folder = new URL('..', import.meta.url);

/**
 * What is begun first, by turns what mostly waits (for a minute of a schedule, for retries, for a lock) and what needs a core:
 * begun at the end, it would run on alone; begun together, those that wait would leave the cores idle.
 */
const first = [
  'local/start.e2e.test.ts',
  'package/package.e2e.test.ts',
  'retention-purge/outage.faults.test.ts',
  'deployment/template.e2e.test.ts',
  'view-refresh/refresh.faults.test.ts',
  'cli/commands.e2e.test.ts',
  'deployment/each-deployment.e2e.test.ts',
  'edge/wakes.e2e.test.ts',
  'cli/supabase-cli.e2e.test.ts',
  'cli/soft-delete.e2e.test.ts',
  'webhook/troubles.test.ts',
  'cli/init.test.ts',
  'edge/edge.e2e.test.ts',
  'retention-purge/closures.test.ts',
  'partition-maintenance/live-traffic.faults.test.ts',
  'retention-purge/field-schemas.test.ts',
  'retention-purge/old-snapshot.faults.test.ts',
  'deployment/alarms.test.ts',
  'handler/continuation.test.ts',
  'retention-purge/slices.test.ts',
  'table-vacuum/reindex.test.ts',
  'retention-purge/slices-children.test.ts',
  'partition-maintenance/kills.faults.test.ts',
  'schema/upgrade.test.ts',
  'cli/uninstall.test.ts',
  'status/browser.test.ts',
].map((name) => fileURLToPath(new URL(name, folder)));

/** The others, each lane in one piece: a process goes on only while the next file is of its lane. */
const lanes = ['e2e', 'faults', 'database', 'unit'];

export class HeaviestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    for (const path of first) if (!existsSync(path)) throw new Error(`There is no ${path}`);
    const rank = ({ moduleId, project }: TestSpecification) => {
      const place = first.indexOf(moduleId);
      return place < 0 ? first.length + lanes.indexOf(project.name) : place;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
