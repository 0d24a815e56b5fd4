import { bytes, count } from '../ui.ts';
import type { Table } from './catalog.ts';
import { evidenceOf, sizeInWords } from './evidence.ts';
import { timeOfWriting } from './logs.ts';
import { idOf, type Proposal } from './proposal.ts';

/** As large as a partition may be before the health check says that it is oversized. */
const manyBytes = 10 * 1024 ** 3;
/** Beyond this a vacuum of the whole takes hours, whatever the rows weigh. */
const manyRows = 100_000_000;

/** Plain tables that have grown so large that old rows had better go by dropping a partition. */
export function proposePartitioning(tables: readonly Table[]): Proposal[] {
  return tables.flatMap((table): Proposal[] => {
    const column = timeOfWriting(table);
    if (
      table.kind !== 'table' ||
      !column ||
      (table.bytes < manyBytes && (table.rows ?? 0) < manyRows)
    )
      return [];
    const evidence = evidenceOf(table, column);
    return [
      {
        id: idOf('partitioning', table.relation),
        kind: 'partitioning',
        relation: table.relation,
        evidence,
        rowsTonight: null,
        rowsTonightExact: false,
        rowsTonightAtMost: false,
        says: [
          sizeInWords(evidence),
          `Over ${bytes(manyBytes)} or ${count(manyRows)} rows, partition it by ${column}: old rows go by dropping a partition, and the disk has its space again. docs/pg_partman.md says how to move the rows of a plain table.`,
        ],
        prepare: [],
        statement: null,
        commented: true,
        arm: null,
      },
    ];
  });
}
