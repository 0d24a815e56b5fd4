import { readCatalog } from './catalog.ts';
import { drifted } from './drift.ts';
import { proposePartitioning } from './large-tables.ts';
import { logs } from './logs.ts';
import { lookAt } from './look.ts';
import { proposePartitions } from './partitions.ts';
import type { Findings, LeftOut } from './proposal.ts';
import { proposeRetention } from './retention.ts';
import { proposeSoftDelete, purgeOf, softDeletes } from './soft-deletes.ts';
import { proposeRefreshes } from './views.ts';

export interface Found extends Findings {
  /** What was declared and no longer fits the schema. */
  drift: LeftOut[];
}

/** All that there is to propose for a database, in the order of the file. */
export function findProposals(databaseUrl: string): Promise<Found> {
  return lookAt(databaseUrl, async (sql) => {
    const drift = await drifted(sql);
    const tables = await readCatalog(sql);
    const marked = softDeletes(tables);
    const { candidates, leftOut } = logs(tables, marked);
    const findings = [
      await proposeRetention(sql, tables, [...marked.flatMap(purgeOf), ...candidates]),
      await proposeSoftDelete(sql, marked),
      await proposeRefreshes(sql, tables),
      await proposePartitions(sql, tables),
    ];
    return {
      proposals: [
        ...findings.flatMap(({ proposals }) => proposals),
        ...proposePartitioning(tables),
      ],
      leftOut: [...leftOut, ...findings.flatMap((one) => one.leftOut)],
      drift,
    };
  });
}
