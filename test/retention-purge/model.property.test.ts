import fc from 'fast-check';
import type { Sql } from 'postgres';
import { describe, expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';
import { propertyRuns } from '../support/property.ts';

const actions = ['no action', 'restrict', 'cascade', 'set null', 'set default'] as const;
const markerTypes = ['timestamptz', 'timestamp', 'date'] as const;
const tableNames = ['plain', 'Mixed Case', 'quo"ted', 'naïve-表'];

interface Row {
  id: number;
  table: number;
  /** Whether its marker says it may go. */
  due: boolean;
  /** One id, or null, for each foreign key of its table. */
  refs: (number | null)[];
}
interface Scenario {
  tables: { policy: boolean; marker: (typeof markerTypes)[number]; flag: boolean }[];
  keys: { from: number; to: number; action: (typeof actions)[number]; deferrable: boolean }[];
  rows: Row[];
  batchRows: number;
  useIndexes: boolean;
  restores: number[];
}

/** The reference: the largest set of due rows that no row outside of it refers to. */
function shouldGo(scenario: Scenario, restored: Set<number>): Set<number> {
  const { tables, rows } = scenario;
  const going = new Set(
    rows.filter((r) => r.due && !restored.has(r.id) && tables[r.table]?.policy).map((r) => r.id),
  );
  let settled = false;
  while (!settled) {
    settled = true;
    for (const row of rows) {
      if (going.has(row.id)) continue;
      for (const ref of row.refs) {
        if (ref !== null && going.delete(ref)) settled = false;
      }
    }
  }
  return going;
}

const scenarios = fc.integer({ min: 1, max: 4 }).chain((tableCount) => {
  const table = fc.nat({ max: tableCount - 1 });
  return fc
    .record({
      tables: fc.array(
        fc.record({
          policy: fc.boolean().map((b) => b || tableCount === 1),
          marker: fc.constantFrom(...markerTypes),
          flag: fc.boolean(),
        }),
        { minLength: tableCount, maxLength: tableCount },
      ),
      keys: fc.array(
        fc.record({
          from: table,
          to: table,
          action: fc.constantFrom(...actions),
          deferrable: fc.boolean(),
        }),
        { maxLength: 6 },
      ),
      rowSeeds: fc.array(
        fc.record({
          table,
          due: fc.boolean(),
          picks: fc.array(fc.option(fc.nat(), { freq: 2 }), { minLength: 6, maxLength: 6 }),
        }),
        { maxLength: 40 },
      ),
      batchRows: fc.integer({ min: 1, max: 6 }),
      useIndexes: fc.boolean(),
      restores: fc.array(fc.nat({ max: 39 }), { maxLength: 8 }),
    })
    .map(({ rowSeeds, ...rest }): Scenario => {
      const idsOf = (t: number) => rowSeeds.flatMap((seed, id) => (seed.table === t ? [id] : []));
      const rows = rowSeeds.map((seed, id) => ({
        id,
        table: seed.table,
        due: seed.due,
        refs: rest.keys.map((key, k) => {
          const targets = idsOf(key.to);
          const pick = seed.picks[k] ?? null;
          if (key.from !== seed.table || pick === null || targets.length === 0) return null;
          return targets[pick % targets.length] ?? null;
        }),
      }));
      return { ...rest, rows };
    });
});

const { numRuns, timeoutMs } = propertyRuns(40);

describe('what a purge removes', () => {
  const db = setUpDatabase();

  it(
    'is exactly what the reference model says, for any schema, policies and restores',
    async () => {
      await fc.assert(
        fc.asyncProperty(scenarios, async (scenario) => {
          await build(db.sql, scenario);
          const before = await contents(db.sql, scenario);
          const restored = await purgeWithRestores(db.sql, scenario);
          const expected = shouldGo(scenario, restored);
          const survivors = [...before].filter(([id]) => !expected.has(id));
          const after = await contents(db.sql, scenario);
          expect([...after.keys()]).toEqual(survivors.map(([id]) => id));
          for (const [id, row] of survivors) {
            if (!restored.has(id)) expect(after.get(id)).toBe(row);
          }
        }),
        { numRuns },
      );
    },
    timeoutMs,
  );
});

const name = (table: number) => `"case"."${tableNames[table]?.replaceAll('"', '""')}"`;

async function build(sql: Sql, { tables, keys, rows, useIndexes }: Scenario): Promise<void> {
  const statements = [
    'drop schema if exists "case" cascade; create schema "case"; delete from nightshift.retention_policies where true;',
    `set enable_seqscan = ${useIndexes ? 'off' : 'on'};`,
  ];
  tables.forEach((table, t) => {
    const columns = keys.map((_, k) => `, ref_${k} integer`).join('');
    statements.push(
      `create table ${name(t)} (id integer primary key${columns}, "gone at" ${table.marker}, "is gone" boolean);`,
      `create index on ${name(t)} ("gone at");`,
    );
  });
  for (const row of rows) {
    const refs = row.refs.map((ref) => `, ${ref ?? 'null'}`).join('');
    // Not due means: never marked, marked too recently, or marked without the flag.
    const [marker, flag] = row.due
      ? ["now() - interval '40 days'", 'true']
      : ([
          ['null', 'true'],
          ["now() - interval '20 days'", 'true'],
          [tables[row.table]?.flag ? "now() - interval '40 days'" : 'null', 'false'],
        ][row.id % 3] ?? []);
    statements.push(
      `insert into ${name(row.table)} values (${row.id}${refs}, ${marker}, ${flag});`,
    );
  }
  keys.forEach((key, k) => {
    statements.push(
      `alter table ${name(key.from)} add foreign key (ref_${k}) references ${name(key.to)} on delete ${key.action}${
        key.deferrable ? ' deferrable initially deferred' : ''
      };`,
    );
    if (k % 2 === 0) statements.push(`create index on ${name(key.from)} (ref_${k});`);
  });
  tables.forEach((table, t) => {
    if (!table.policy) return;
    const flag = table.flag ? ", flag_column => 'is gone'" : '';
    statements.push(
      `select nightshift.add_retention_policy('${name(t)}', '30 days', 'gone at'${flag}, max_fraction => 1);`,
    );
  });
  await sql.unsafe(statements.join('\n'));
}

async function contents(sql: Sql, { tables }: Scenario): Promise<Map<number, string>> {
  const rows = await sql.unsafe<{ id: number; content: string }[]>(
    `${tables.map((_, t) => `select id, t::text as content from ${name(t)} t`).join(' union all ')} order by id`,
  );
  return new Map(rows.map((row) => [row.id, row.content]));
}

/** Purges batch by batch, restoring a row after each batch; returns the rows that were still there to be restored. */
async function purgeWithRestores(sql: Sql, scenario: Scenario): Promise<Set<number>> {
  const restored = new Set<number>();
  const restores = [...scenario.restores];
  const restoreOne = async () => {
    const row = scenario.rows[restores.pop() ?? -1];
    if (!row) return;
    const moved = row.id % 2 === 0 ? 'null' : "now() - interval '2 days'";
    const result = await sql.unsafe(
      `update ${name(row.table)} set "gone at" = ${moved} where id = ${row.id}`,
    );
    if (result.count === 1) restored.add(row.id);
  };

  const [begun] = await sql`select nightshift.begin_run('retention-purge', 'cli') as begun`;
  const { id, fence } = begun?.begun.run ?? {};
  const [planned] = await sql`select nightshift.plan_retention_purge(${id}, ${fence}) as plan`;
  const policies: { relation: string }[] = planned?.plan.policies ?? [];
  for (const { relation } of policies) {
    await sql`select nightshift.measure_retention_backlog(${id}, ${fence}, ${relation})`;
  }
  await restoreOne();
  for (const { relation } of policies) {
    for (let done = false; !done; ) {
      const [answer] =
        await sql`select nightshift.purge_batch(${id}, ${fence}, ${relation}, ${scenario.batchRows}) as batch`;
      done = answer?.batch.done;
      await restoreOne();
    }
  }
  await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
  return restored;
}
