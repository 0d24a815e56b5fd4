import type { LeftOut } from './proposal.ts';
import { answerOf, callOf, type Sql } from './sql.ts';

interface Listed {
  relation?: string;
  view?: string;
  table?: string;
  problem?: string | { code: string; message: string; hint: string | null };
  /** Of a view: why it would be refreshed, or cannot be. */
  reason?: string;
  enabled?: boolean;
  fix?: string;
}

interface Inspected {
  relation: string;
  missing: { why: string; statement: string | null }[];
}

/** What was declared, and no longer fits the schema: by the functions that find it for the commands, too. */
export async function drifted(sql: Sql): Promise<LeftOut[]> {
  const listed = [
    ...(await answerOf<Listed[]>(sql, 'select nightshift.list_retention_policies(now(), 1000)')),
    ...(await answerOf<Listed[]>(sql, 'select nightshift.list_refresh_policies()')),
    ...(await answerOf<Listed[]>(sql, 'select nightshift.list_partition_policies()')),
  ];
  const inspected = await answerOf<Inspected[]>(sql, 'select nightshift.inspect_soft_delete()');
  return [
    ...listed.flatMap(({ relation, view, table, problem, reason, enabled, fix }) => {
      if (view !== undefined && reason === 'gone') {
        return [
          {
            relation: view,
            why: 'It is not there any more',
            fix: callOf('remove_refresh_policy', [view], {}),
          },
        ];
      }
      // A view whose policy is switched off may wait for its index. NS424: there was no time to look.
      if (
        problem === undefined ||
        (view !== undefined && enabled === false) ||
        (typeof problem === 'object' && problem.code === 'NS424')
      )
        return [];
      return [
        {
          relation: relation ?? view ?? table ?? '',
          ...(typeof problem === 'string'
            ? { why: problem, fix: fix ?? null }
            : { why: problem.message, fix: problem.hint }),
        },
      ];
    }),
    ...inspected.flatMap(({ relation, missing }) =>
      missing.map(({ why, statement }) => ({ relation, why, fix: statement })),
    ),
  ];
}
