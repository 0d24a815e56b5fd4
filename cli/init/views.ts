import type { Table } from './catalog.ts';
import { evidenceOf, sizeInWords } from './evidence.ts';
import { type Findings, idOf } from './proposal.ts';
import { answerOf, attempt, callOf, Refused, type Sql } from './sql.ts';

/** Materialized views without a policy, which nobody keeps up to date but by hand. */
export async function proposeRefreshes(sql: Sql, tables: readonly Table[]): Promise<Findings> {
  const findings: Findings = { proposals: [], leftOut: [] };
  const accepted: Table[] = [];
  for (const view of tables.filter(({ kind, has }) => kind === 'view' && !has.refresh)) {
    const answer = await attempt(sql, (inner) =>
      answerOf(inner, callOf('add_refresh_policy', [view.relation], {})),
    );
    if (answer instanceof Refused) findings.leftOut.push(answer.of(view.relation));
    else accepted.push(view);
  }
  for (const view of accepted) {
    // With all of them declared: a view that reads another one of them has nothing to be warned of.
    const { warnings } = await answerOf<{ warnings: string[] }>(
      sql,
      callOf('alter_refresh_policy', [view.relation], { enabled: true }),
    );
    const evidence = evidenceOf(view);
    const [way] = await sql`
      select nightshift.refresh_way(${view.oid}::oid::regclass, false) ? 'problem' as cannot`;
    findings.proposals.push({
      id: idOf('refresh', view.relation),
      kind: 'refresh',
      relation: view.relation,
      evidence,
      rowsTonight: null,
      rowsTonightExact: false,
      rowsTonightAtMost: false,
      says: [
        sizeInWords(evidence),
        way?.cannot
          ? 'Tonight: it would not be refreshed, for the reason below.'
          : 'Tonight: it would be refreshed, as Nightshift has never done it.',
        ...warnings,
      ],
      prepare: [],
      statement: callOf('add_refresh_policy', [view.relation], { enabled: false }),
      commented: false,
      arm: callOf('alter_refresh_policy', [view.relation], { enabled: true }),
    });
  }
  return findings;
}
