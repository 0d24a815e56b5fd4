import postgres from 'postgres';
import * as z from 'zod';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import type { Stack } from '../../infra/local/stack.ts';
import { percentile, round, timed } from './measure.ts';

const policies = 500;
const views = 200;
const runs = 10_000;
const nights = 30;
const rounds = 9;

/** What the snapshot costs where there is much to say, and how large it is; reading it is measured with the handler. */
export async function benchTakingStatus(
  { databaseUrl }: Stack,
  rpc: Rpc,
  say: (text: string) => void,
) {
  say(`a snapshot of ${policies} policies, ${views} views and ${runs.toLocaleString('en')} runs`);
  await fill(databaseUrl);
  const begun = z.object({ run: z.object({ id: z.string(), fence: z.number() }) });
  const { run } = await rpc.call(
    'begin_run',
    { job: 'health-check', trigger: 'cli', request_id: crypto.randomUUID() },
    begun,
  );
  const lease = { run_id: run.id, fence: run.fence };
  const ms: number[] = [];
  for (let n = 0; n <= rounds; n++) {
    const elapsedMs = await timed(() => rpc.call('take_status', lease, z.string()));
    // The first only warms.
    if (n > 0) ms.push(elapsedMs);
  }
  const document = await rpc.call('read_status', {}, z.unknown());
  await rpc.call('finish_run', { ...lease, status: 'succeeded' }, z.unknown());
  return {
    takeStatusMs: round(percentile(ms, 0.5)),
    statusKilobytes: round(JSON.stringify(document).length / 1024),
  };
}

/** As after a month of nights, in each of which some tables were left with rows. */
async function fill(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice() {} });
  try {
    await sql.unsafe(`
      insert into nightshift.retention_policies (relation, relation_name, drop_after, marker_column, created_at)
      select c.oid, c.oid::regclass::text, '30 days', 'deleted_at', now() - interval '60 days'
      from pg_class c
      where c.relnamespace = 'app'::regnamespace and c.relname like 't\\_%' and c.relkind = 'r'
      order by c.oid limit ${policies};

      do $$ begin
        for n in 1..${views} loop
          execute format('create materialized view app.v_%s as select t.id, t.a from app.t_%s t join app.parent p on p.id = t.parent_id', n, n);
        end loop;
      end $$;
      insert into nightshift.refresh_policies (view, view_name, max_staleness)
      select c.oid, c.oid::regclass::text, '1 day' from pg_class c where c.relnamespace = 'app'::regnamespace and c.relkind = 'm';

      insert into nightshift.runs (job, trigger, request_id, status, started_at, finished_at)
      select 'health-check', 'schedule', gen_random_uuid(), 'succeeded', t, t + interval '2 seconds'
      from generate_series(1, ${runs}) n cross join lateral (select now() - n * interval '1 minute') o(t);

      insert into nightshift.runs (job, trigger, request_id, status, started_at, finished_at, report)
      select 'retention-purge', 'schedule', gen_random_uuid(), 'partial', t, t + interval '1 minute', jsonb_build_object('steps', (
        select jsonb_agg(jsonb_build_object(
          'relation', p.relation::text, 'status', 'partial', 'dueRows', 1000, 'dueRowsExact', true, 'rowsPurged', 900,
          'children', '{}'::jsonb, 'released', '{}'::jsonb, 'rowsBlocked', 0, 'blockedBy', '{}'::jsonb, 'rowsKept', 0, 'keptBy', '{}'::jsonb,
          'rowsRefused', 0, 'refusedBy', '{}'::jsonb, 'rowsUndecided', 0, 'rowsLeft', p.relation::oid::bigint % 7, 'rowsLeftExact', true,
          'overdueSeconds', 86400, 'batches', 3, 'durationMs', 250, 'pacedMs', 0, 'timedOutMs', 0, 'pacedFor', '[]'::jsonb, 'fixes', '[]'::jsonb,
          'leftOut', '[]'::jsonb, 'warnings', '[]'::jsonb
        )) from nightshift.retention_policies p
      ))
      from generate_series(0, ${nights - 1}) n cross join lateral (select now() - n * interval '1 day' - interval '1 hour') o(t);`);
    await sql`vacuum analyze`;
  } finally {
    await sql.end();
  }
}
