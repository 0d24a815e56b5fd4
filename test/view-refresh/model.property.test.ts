import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { propertyRuns } from '../support/property.ts';
import { isCurrent, letPass, runRefresh, write } from '../support/views.ts';

/** app.t2 is partitioned; app.t2_c is sometimes a part of it. */
const tables = ['app.t0', 'app.t1', 'app.t2'];
const targets = [...tables, 'app.t2_c'];

interface Source {
  /** A table, or a view before this one. */
  pick: number;
  through: 'nothing' | 'a view' | 'two views';
}
interface View {
  sources: Source[];
  /** Without a unique index it is refreshed plain. */
  keyed: boolean;
}
type Write = { how: (typeof ways)[number]; table: number; n: number };
const ways = ['insert', 'update', 'delete', 'truncate', 'copy', 'attach or detach'] as const;

const views = fc.array(
  fc.record({
    sources: fc.array(
      fc.record({
        pick: fc.nat(),
        through: fc.constantFrom('nothing', 'a view', 'two views'),
      }) as fc.Arbitrary<Source>,
      { minLength: 1, maxLength: 2 },
    ),
    keyed: fc.boolean(),
  }) as fc.Arbitrary<View>,
  { minLength: 4, maxLength: 6 },
);
const rounds = fc.array(
  fc.record({
    writes: fc.array(
      fc.record({
        how: fc.constantFrom(...ways),
        table: fc.nat({ max: targets.length - 1 }),
        n: fc.nat({ max: 19 }),
      }),
      { maxLength: 3 },
    ),
    /** A view that is refreshed by itself before the others. */
    first: fc.option(fc.nat({ max: 3 }), { freq: 2 }),
    parallelism: fc.integer({ min: 1, max: 4 }),
  }),
  { minLength: 2, maxLength: 4 },
);

const nameOf = (n: number) => `app.v${n}`;

/** Later views come first by name, so that the order of names is not the order of the graph. */
function createStatements(graph: View[]): string {
  const statements = [
    'create table app.t0 (id integer, n integer); create table app.t1 (id integer, n integer);',
    'create table app.t2 (id integer, n integer) partition by range (id);',
    'create table app.t2_a partition of app.t2 for values from (0) to (10);',
    'create table app.t2_b partition of app.t2 for values from (10) to (20);',
    'create table app.t2_c partition of app.t2 for values from (20) to (40);',
    ...tables.map((t) => `insert into ${t} select n, n from generate_series(0, 19) n;`),
  ];
  graph.forEach(({ sources, keyed }, v) => {
    const name = nameOf(9 - v);
    const candidates = [...tables, ...graph.slice(0, v).map((_, n) => nameOf(9 - n))];
    const read = sources.map(({ pick, through }, s) => {
      // The newest half of the time, so that chains grow long.
      const from = candidates[pick % 2 ? candidates.length - 1 : (pick >> 1) % candidates.length];
      const [one, two] = [`app.p${v}_${s}`, `app.q${v}_${s}`];
      if (through !== 'nothing')
        statements.push(`create view ${one} as select id, n from ${from} where n % 5 <> 0;`);
      if (through === 'two views')
        statements.push(`create view ${two} as select id, n + 1 as n from ${one};`);
      return { nothing: from, 'a view': one, 'two views': two }[through];
    });
    statements.push(
      `create materialized view ${name} as
      select id, (sum(n) % 101)::integer as n
      from (${read.map((from) => `select id, n from ${from}`).join(' union all ')}) s group by id;`,
      keyed ? `create unique index on ${name} (id);` : '',
      `select nightshift.add_refresh_policy('${name}', allow_blocking => ${!keyed});`,
    );
  });
  return statements.join('\n');
}

function statementOf({ how, table, n }: Write, attached: boolean): string {
  const target = targets[table] ?? '';
  const id = target === 'app.t2_c' ? 20 + n : n;
  switch (how) {
    case 'insert':
      return `insert into ${target} values (${id}, ${n * 7})`;
    case 'update':
      return `update ${target} set n = n + 1 where id % 3 = ${n % 3}`;
    case 'delete':
      return `delete from ${target} where id = ${id}`;
    case 'truncate':
      return `truncate ${target}`;
    case 'copy':
      return `insert into ${target} select ${target === 'app.t2_c' ? 'id + 20' : 'id'}, n from app.t2_a`;
    case 'attach or detach':
      return attached
        ? 'alter table app.t2 detach partition app.t2_c'
        : 'alter table app.t2 attach partition app.t2_c for values from (20) to (40)';
  }
}

const { numRuns, timeoutMs, seed } = propertyRuns(4);

describe('after a run', () => {
  const db = setUpDatabase();

  it(
    'every view, refreshed or not, is what its query returns, whatever was written before',
    async () => {
      const seen = { refreshed: 0, skipped: 0 };
      await fc.assert(
        fc.asyncProperty(views, rounds, async (graph, then) => {
          await startAfresh(db.sql);
          await write(db.sql, createStatements(graph));
          let attached = true;
          for (const { writes, first, parallelism } of [
            { writes: [], first: null, parallelism: 2 },
            ...then,
          ]) {
            for (const one of writes) {
              await write(db.sql, statementOf(one, attached));
              if (one.how === 'attach or detach') attached = !attached;
            }
            await letPass(db.sql);
            if (first !== null) {
              await runRefresh(db, { only: [nameOf(9 - first)], force: true });
              await letPass(db.sql);
            }
            const result = await runRefresh(db, { parallelism });
            expect(result.run.status).toBe('succeeded');
            for (const { view, status } of result.report.steps) {
              expect([view, status, await isCurrent(db.sql, view)]).toEqual([view, status, true]);
              if (status === 'refreshed' || status === 'skipped') seen[status]++;
            }
          }
        }),
        { numRuns, seed },
      );
      expect(seen.refreshed).toBeGreaterThan(0);
      expect(seen.skipped).toBeGreaterThan(0);
    },
    timeoutMs,
  );
});
