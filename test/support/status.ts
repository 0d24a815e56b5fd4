import type postgres from 'postgres';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { reportOf, stepOf } from '../../functions/retention-purge/report.ts';
import { noTotals, type PurgeTotals } from '../../functions/retention-purge/schema.ts';
import { type StoredStatus, storedStatus } from '../../functions/status/schema.ts';

/** Looks as a health check does, by the calls that it makes, and reads the snapshot that it took. */
export async function lookAgain(
  sql: postgres.Sql,
  { quick = true, only = null }: { quick?: boolean; only?: string[] | null } = {},
): Promise<StoredStatus> {
  const [begun] = await sql<{ run_id: string; fence: number }[]>`
    select a -> 'run' ->> 'id' as run_id, (a -> 'run' ->> 'fence')::integer as fence
    from nightshift.begin_run(request_id => gen_random_uuid(), job => 'health-check', trigger => 'schedule',
      input => ${sql.json({ quick })}) a`;
  if (!begun) throw new Error('No run began.');
  const { run_id, fence } = begun;
  await sql`select nightshift.check_health(${run_id}, ${fence}, ${only}, ${quick})`;
  await sql`select nightshift.take_status(${run_id}, ${fence})`;
  await sql`select nightshift.finish_run(${run_id}, ${fence}, 'succeeded', ${sql.json({ quick, checks: [], notRun: [] })})`;
  return readStored(sql);
}

export async function readStored(sql: postgres.Sql): Promise<StoredStatus> {
  const [row] = await sql<{ document: unknown }[]>`select nightshift.read_status() as document`;
  return storedStatus.parse(row?.document);
}

/** What a purge left of a table. */
interface Left {
  purged?: number;
  /** Null: it could not be counted. */
  left: number | null;
  exact?: boolean;
  overdueSeconds?: number;
  totals?: Partial<PurgeTotals>;
  outOfTime?: boolean;
  error?: string;
  markerColumn?: string;
  flagColumn?: string | null;
}

/** Writes the purge of some nights ago into the ledger, with the report that the job makes of it. */
export async function purged(
  sql: postgres.Sql,
  nightsAgo: number,
  tables: Record<string, Left>,
): Promise<void> {
  const steps = Object.entries(tables).map(([relation, night]) => {
    const { purged = 0, left, exact = true, overdueSeconds = 86_400, totals } = night;
    const { markerColumn = 'deleted_at', flagColumn = null } = night;
    const backlog = (dueRows: number, isExact: boolean) => ({
      dueRows,
      dueRowsExact: isExact,
      totalRows: 1_000_000,
      totalRowsExact: false,
      oldestDueAt: null,
      overdueSeconds,
      assess: false,
    });
    return stepOf(
      { relation, dropAfter: '30 days', markerColumn, flagColumn, maxFraction: 0.5 },
      {
        totals: { ...noTotals, rowsPurged: purged, ...totals },
        before: { ...backlog(purged + (left ?? 0), true), warnings: [], keys: [] },
        after: left === null ? undefined : backlog(left, exact),
        outOfTime: night.outOfTime ?? false,
        ...(night.error === undefined
          ? {}
          : { error: new NightshiftError('NS422', night.error, { hint: 'select 1;' }) }),
      },
      { dryRun: false },
    );
  });
  const report = reportOf(steps, { dryRun: false, disabled: [] });
  await sql`
    insert into nightshift.runs (job, trigger, request_id, status, started_at, finished_at, report)
    select 'retention-purge', 'schedule', gen_random_uuid(), 'partial', t, t + interval '1 minute', ${sql.json(report as never)}
    from (select now() - ${nightsAgo} * interval '1 day' - interval '2 minutes') n(t)`;
}
