import fc from 'fast-check';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, startAfresh, type TestDatabase } from '../support/database.ts';
import {
  expected,
  holderOf,
  hour,
  isEpoch,
  nameFor,
  print,
  type Row,
  type Scenario,
  type Seed,
  scenarioOf,
  seeds,
} from '../support/partition-model.ts';
import { runMaintenance } from '../support/partitions.ts';
import { isNightly, propertyRuns } from '../support/property.ts';
import { checksum } from '../support/rows.ts';

const sessions = [
  ['America/New_York', 'datestyle to SQL, DMY', 'intervalstyle to sql_standard'],
  ['Asia/Kolkata', 'datestyle to German', 'intervalstyle to iso_8601'],
  ['Pacific/Apia', 'datestyle to Postgres, MDY', 'intervalstyle to postgres_verbose'],
];
const tableOf = (name: string) => `app."${name.replaceAll('"', '""')}"`;

async function build(sql: Sql, seed: Seed, { parts, rows, boundsOf }: Scenario): Promise<void> {
  const table = tableOf(seed.table);
  const type = isEpoch(seed.key) ? 'bigint' : seed.key;
  await startAfresh(sql);
  const statements = [
    `create table ${table} (id integer, at ${type}, note text) partition by range (at)`,
    ...parts.map(
      (part) => `create table app.${part.name} partition of ${table} for values ${boundsOf(part)}`,
    ),
    ...(seed.taken
      ? [`create sequence ${tableOf(nameFor(seed.table, seed.length, seed.at(0)))}`]
      : []),
    ...(seed.hasDefault ? [`create table app.rest partition of ${table} default`] : []),
    ...rows.map(({ id, value }) => `insert into ${table} values (${id}, ${value}, md5('${id}'))`),
  ];
  await sql.unsafe(statements.join(';'));
}

async function declare(sql: Sql, { key, length, premake, retention, table }: Seed): Promise<void> {
  const hours = retention && (length.ms * retention.intervals + retention.ms) / hour;
  const kept = retention && `${length.months * retention.intervals} months ${hours} hours`;
  await sql`
    select nightshift.add_partition_policy(
      ${tableOf(table)}::text::regclass, ${length.interval}::text::interval, ${premake}, max_fraction => 1,
      retention => justify_hours(${kept}::text::interval), epoch => ${isEpoch(key) ? key : null})`;
}

/** The partitions, those that were, and their rows. */
async function contents(sql: Sql, table: string) {
  const tables = await sql<{ name: string; bounds: string; version: string }[]>`
    select
      c.relname as name, replace(pg_get_expr(c.relpartbound, 0), 'FOR VALUES ', '') as bounds,
      concat_ws(' ', c.oid, c.xmin, i.xmin) as version
    from pg_class c left join pg_inherits i on i.inhrelid = c.oid
    where c.relnamespace = 'app'::regnamespace and c.relkind = 'r' order by c.relname`;
  const apart = tables.filter(({ bounds }) => !bounds).map(({ name }) => tableOf(name));
  const selects = [tableOf(table), ...apart].map(
    (name) => `select tableoid, id, at, note from ${name}`,
  );
  const union = selects.join(' union all ');
  const rows = await sql.unsafe<{ id: number; name: string }[]>(
    `select u.id, c.relname as name from (${union}) u join pg_class c on c.oid = u.tableoid`,
  );
  return {
    bounds: Object.fromEntries(tables.map(({ name, bounds }) => [name, bounds])),
    homes: Object.fromEntries(rows.map(({ id, name }) => [id, name])),
    sum: await checksum(sql, `(select id, at, note from (${union}) u)`),
    versions: tables.map(({ version }) => version),
  };
}

const { numRuns, timeoutMs, seed } = propertyRuns(8);

// It changes the settings of the whole database.
describe('after a run', () => {
  let databases: { db: TestDatabase; utc: Sql }[] = [];
  beforeAll(async () => {
    const starting = sessions.map(async ([zone, ...settings]) => {
      const db = await createDatabase();
      const utc = db.connect();
      await utc.unsafe(`set timezone to 'UTC'; set datestyle to 'ISO'`);
      const [row] = await utc`select current_database() as name`;
      for (const setting of [`timezone to '${zone}'`, ...settings])
        await utc.unsafe(`alter database ${row?.name} set ${setting}`);
      // The gateway asks for UTC as it connects, which no default overrules; each call of a run begins with its lease.
      await utc.unsafe(`
        create function public.change_zone() returns trigger language plpgsql as $$
        begin
          perform pg_catalog.set_config('timezone', '${zone}', true);
          return null;
        end $$;
        create trigger change_zone before insert or update on nightshift.runs
        for each statement execute function public.change_zone()`);
      await db.gateway();
      return { db, utc };
    });
    databases = await Promise.all(starting);
  });
  afterAll(() => Promise.all(databases.map(({ db }) => db.drop())));

  it(
    'there is room ahead without a gap, and every row is where it belongs',
    async () => {
      const seen = { created: 0, moved: 0, retired: 0 };
      await fc.assert(
        fc.asyncProperty(seeds, async (seed) => {
          const { db, utc } = databases[seed.session] ?? {};
          if (!db || !utc) throw new Error('no such session');
          const scenario = scenarioOf(seed);
          const { from, horizon, made, all, retired } = expected(seed, scenario);
          await build(utc, seed, scenario);
          await declare(db.sql, seed);
          const earlier = await contents(utc, seed.table);

          const asOf = `${print(seed.now)}Z`;
          const first = await runMaintenance(db, {}, { asOf });
          const after = await contents(utc, seed.table);
          const [step] = first.report.steps;
          expect([first.run.status, step?.error, step?.missing]).toEqual([
            'succeeded',
            undefined,
            0,
          ]);
          expect(after.bounds).toEqual({
            ...(seed.hasDefault ? { rest: 'DEFAULT' } : {}),
            ...Object.fromEntries(all.map((part) => [part.name, scenario.boundsOf(part)])),
            ...Object.fromEntries(retired.map(({ name }) => [name, null])),
          });
          const home = ({ at }: Row) => (at !== null && holderOf(all, at)?.name) || 'rest';
          expect(after.homes).toEqual(
            Object.fromEntries(scenario.rows.map((row) => [row.id, home(row)])),
          );
          expect(after.sum).toBe(earlier.sum);

          // Of the model itself: whatever it says, nothing is uncovered.
          const left = all.filter((part) => !retired.includes(part));
          let covered = Math.max(from, left[0]?.from ?? 0);
          for (const part of left) if (part.from <= covered) covered = Math.max(covered, part.to);
          expect(covered).toBeGreaterThanOrEqual(horizon);

          const second = await runMaintenance(db, {}, { asOf });
          const counts = ({
            report: { partitionsCreated, partitionsRetired, partitionsDropped, rowsMoved },
          }: typeof first) => [partitionsCreated, partitionsRetired, partitionsDropped, rowsMoved];
          const moved = scenario.rows.filter((row) => earlier.homes[row.id] !== home(row)).length;
          expect(counts(first)).toEqual([made.length, retired.length, 0, moved]);
          expect(counts(second)).toEqual([0, 0, 0, 0]);
          expect(await contents(utc, seed.table)).toEqual(after);
          seen.created += made.length;
          seen.moved += moved;
          seen.retired += retired.length;
        }),
        { numRuns, seed },
      );
      // A handful of cases may well have nothing to move, or to retire.
      if (isNightly) expect(Math.min(...Object.values(seen))).toBeGreaterThan(0);
    },
    timeoutMs,
  );
});
