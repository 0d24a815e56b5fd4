import postgres from 'postgres';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { openPostgres, requireAnswer } from '../../functions/_shared/postgres-client.ts';
import { applyRelease } from './migrate.ts';
import { nightshift } from './origin.ts';
import { lockInstallation, readRecorded, removeFromHistory } from './recorded.ts';
import { newestRelease } from './release.ts';

interface InSchema {
  type: string;
  identity: string;
  name: string;
  ours: boolean;
}

interface Leftovers {
  /** No release was recorded: it was from before the first, or had broken off while it was made. */
  unrecorded: boolean;
  /** What of it is in the way: objects of the application that use it. */
  dependents: string[];
  /** What releases made in the schema. */
  objects: InSchema[];
  /** In the way as well: whatever is in the schema that no release made. */
  strangers: string[];
  /** Tables that carry a constraint of ours since they were retired. */
  retired: string[];
  /** Tables whose rows are soft-deleted with triggers and views of ours. */
  softDeleted: string[];
  /** A job that is running now. */
  running: string[];
  policies: number;
  /** What pg_cron starts. */
  schedules: number;
  runs: number;
  /** The role of the runner, which could not be dropped. */
  roleStays?: boolean;
}

/**
 * Takes Nightshift out of a database, in one transaction: the schema, its jobs of pg_cron, what it put on retired partitions, its lines in the
 * history of the Supabase CLI, and the role of the runner where no other database needs it. Without `confirmed` it only says
 * what would go. Refuses while a job runs, and where something of the application uses the schema or is in it, which would go
 * with it.
 */
export async function uninstall(
  databaseUrl: string,
  { confirmed }: { confirmed: boolean },
): Promise<Leftovers> {
  await requireAnswer(databaseUrl);
  const sql = openPostgres(databaseUrl, { max: 1 });
  const onlyLooking = new Error();
  let found: Leftovers | undefined;
  try {
    await sql.begin(async (transaction) => {
      await transaction`set local lock_timeout = '5s'`;
      const unrecorded = await makeWhole(transaction);
      if (confirmed) await stopLedger(transaction);
      found = { unrecorded, ...(await look(transaction)) };
      if (!confirmed) throw onlyLooking;
      refuse(found);
      found.roleStays = await remove(transaction, found);
    });
  } catch (thrown) {
    if (thrown !== onlyLooking) throw toBusy(thrown);
  } finally {
    await sql.end();
  }
  return found as Leftovers;
}

/** What was left half made would have to be told apart table by table; once it is whole, it goes like any other. */
async function makeWhole(sql: postgres.TransactionSql): Promise<boolean> {
  await lockInstallation(sql);
  const recorded = await readRecorded(sql);
  if (recorded === undefined) {
    throw new NightshiftError('NS404', 'There is no schema nightshift in this database', {
      hint: 'It was never installed here, or is gone already. Check the connection string.',
    });
  }
  if (recorded === 'unrecorded') await applyRelease(sql, await newestRelease());
  return recorded === 'unrecorded';
}

/** Nothing begins or ends while this is decided. */
async function stopLedger(sql: postgres.TransactionSql): Promise<void> {
  await sql`lock table nightshift.runs`.catch((thrown: unknown) => {
    if (!(thrown instanceof postgres.PostgresError) || thrown.code !== '55P03') throw thrown;
    throw new NightshiftError('NS409', 'Something is at work in the ledger, most likely a run', {
      detail: 'Nothing was removed.',
      hint: `Wait until it has ended: ${nightshift} status`,
    });
  });
}

async function look(sql: postgres.TransactionSql): Promise<Omit<Leftovers, 'unrecorded'>> {
  const dependents = await sql<{ name: string }[]>`
    select distinct pg_describe_object(d.classid, d.objid, 0) as name
    from pg_depend d
    cross join lateral pg_identify_object(d.refclassid, d.refobjid, 0) used
    cross join lateral pg_identify_object(d.classid, d.objid, 0) using_it
    cross join lateral pg_identify_object_as_address(d.classid, d.objid, 0) address
    -- Rules, triggers, defaults and constraints have no schema, but the address of what they are on.
    cross join lateral coalesce(
      using_it.schema, case when cardinality(address.object_names) > 1 then address.object_names[1] end, ''
    ) home
    where d.deptype = 'n' and used.schema = 'nightshift' and home not in ('nightshift', 'pg_toast')
      -- Those go when soft delete is disabled for their table.
      and not exists (
        select from pg_trigger t
        where d.classid = 'pg_trigger'::regclass and t.oid = d.objid and t.tgname like 'zz\\_nightshift\\_%'
      )
    order by 1`;
  // All that is in a schema depends on it. What belongs to a table in there, such as its identity's sequence, goes with that.
  const objects = await sql<InSchema[]>`
    select o.type, o.identity, pg_describe_object(d.classid, d.objid, 0) as name, exists (
      select from nightshift.migrations m where split_part(split_part(o.identity, '.', 2), '(', 1) = any(m.objects)
      union all
      select from nightshift.retired_partitions r
      where d.classid = 'pg_class'::regclass and r.partition::oid = d.objid and r.parent = 'nightshift.deletion_events'::regclass
    ) as ours
    from pg_depend d
    cross join lateral pg_identify_object(d.classid, d.objid, 0) o
    where d.refclassid = 'pg_namespace'::regclass and d.refobjid = 'nightshift'::regnamespace
      and not exists (
        select from pg_depend a join pg_class c on a.refclassid = 'pg_class'::regclass and c.oid = a.refobjid
        where a.classid = d.classid and a.objid = d.objid and a.objsubid = 0 and a.deptype in ('a', 'i')
          and c.relnamespace = 'nightshift'::regnamespace
      )
    order by 1, 2`;
  const retired = await sql<{ name: string }[]>`
    select k.conrelid::regclass::text as name from pg_constraint k join pg_class c on c.oid = k.conrelid
    where k.conname = 'nightshift_retired' and k.contype = 'c' and k.coninhcount = 0
      and pg_has_role(c.relowner, current_user, 'usage')
      -- A month of the history goes with it.
      and c.relnamespace <> 'nightshift'::regnamespace
    order by 1`;
  const softDeleted = await sql<{ name: string }[]>`
    select relation::text as name from nightshift.soft_delete_tables order by 1`;
  const running = await sql<{ job: string }[]>`
    select job from nightshift.runs where status = 'running' and lease_expires_at > now() order by job`;
  const [counted] = await sql<{ policies: number; schedules: number; runs: number }[]>`
    select (select count(*) from nightshift.retention_policies)::integer
        + (select count(*) from nightshift.refresh_policies)::integer
        + (select count(*) from nightshift.vacuum_policies)::integer
        + (select count(*) from nightshift.partition_policies)::integer as policies,
      (select count(*) from nightshift.schedules)::integer as schedules,
      (select count(*) from nightshift.runs)::integer as runs`;
  return {
    dependents: dependents.map(({ name }) => name),
    objects: objects.filter(({ ours }) => ours),
    strangers: objects.filter(({ ours }) => !ours).map(({ name }) => name),
    retired: retired.map(({ name }) => name),
    softDeleted: softDeleted.map(({ name }) => name),
    running: running.map(({ job }) => job),
    policies: counted?.policies ?? 0,
    schedules: counted?.schedules ?? 0,
    runs: counted?.runs ?? 0,
  };
}

function refuse({ dependents, strangers, softDeleted, running }: Leftovers): void {
  if (running.length > 0) {
    throw new NightshiftError('NS409', `A run is under way: ${running.join(', ')}`, {
      detail: 'Nothing was removed.',
      hint: "Wait until it has ended, or stop it with: select nightshift.pause('uninstalling');",
    });
  }
  const [first] = softDeleted;
  if (first) {
    throw new NightshiftError('NS422', `Soft delete is enabled: ${softDeleted.join(', ')}`, {
      detail:
        'Views and triggers of Nightshift keep deleted rows from being seen. Nothing was removed.',
      hint: `Say of each table what becomes of them: select nightshift.disable_soft_delete('${first.replaceAll("'", "''")}', 'keep'), or 'restore'.`,
    });
  }
  if (dependents.length > 0) {
    throw new NightshiftError('NS422', 'Something of yours uses the schema nightshift', {
      detail: `${dependents.join(', ')}. Nothing was removed.`,
      hint: 'Drop or change these first: they would go with the schema.',
    });
  }
  if (strangers.length > 0) {
    throw new NightshiftError('NS422', 'The schema nightshift holds what no release made', {
      detail: `${strangers.join(', ')}. Nothing was removed.`,
      hint: 'If it is yours, such as partitions of a policy with partition_schema, move it first: alter table ... set schema.',
    });
  }
}

/** Returns whether the role of the runner had to stay. */
async function remove(
  sql: postgres.TransactionSql,
  { retired, objects }: Leftovers,
): Promise<boolean> {
  for (const name of retired) {
    await sql.unsafe(`alter table ${name} drop constraint nightshift_retired`);
  }
  // On a default partition, when a run was interrupted.
  await sql`select nightshift.drop_exclusion(parent) from nightshift.default_exclusions`;
  await sql`select nightshift.unschedule_with_cron()`;
  await dropSchema(sql, objects);
  await removeFromHistory(sql, { releases: true });
  return await sql
    .savepoint((attempt) => attempt`drop role if exists nightshift_runner`)
    .then(() => false)
    .catch((thrown: unknown) => {
      // Another database of the server has Nightshift as well, and needs it; or it is someone else's to drop.
      if (!(thrown instanceof postgres.PostgresError) || !/^(2BP01|42501)$/.test(thrown.code)) {
        throw thrown;
      }
      return true;
    });
}

/** Never with cascade: what someone has made since it was looked at is not ours, and stops this. */
async function dropSchema(sql: postgres.TransactionSql, objects: InSchema[]): Promise<void> {
  const triggers = await sql<{ statement: string }[]>`
    select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass) as statement
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
    where not t.tgisinternal and t.tgparentid = 0 and c.relnamespace = 'nightshift'::regnamespace and p.pronamespace = c.relnamespace`;
  const drops = ['function', 'table', 'type', 'sequence'].map((type) => {
    const all = objects.filter((object) => object.type === type);
    return `drop ${type} ${all.map(({ identity }) => identity).join(', ')}`;
  });
  for (const statement of [...triggers.map((trigger) => trigger.statement), ...drops]) {
    await sql.unsafe(statement);
  }
  await sql`drop schema nightshift`;
}

/** A lock that did not come, or something that depends on what is dropped, and was not there a moment before. */
function toBusy(thrown: unknown): unknown {
  if (!(thrown instanceof postgres.PostgresError) || !/^(2BP01|55P03)$/.test(thrown.code)) {
    return thrown;
  }
  return new NightshiftError('NS409', 'Someone is at work in the schema nightshift', {
    detail: `${thrown.detail ?? thrown.message}. Nothing was removed.`,
    hint: 'Wait until that has ended, and look again at what is there: the same without --yes.',
    cause: thrown,
  });
}
