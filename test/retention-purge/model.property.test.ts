import fc from 'fast-check';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { emptied } from '../support/empty-schema.ts';
import { propertyRuns } from '../support/property.ts';
import {
  contentAfter,
  nearStrangers,
  neverTooLarge,
  type Owner,
  type Role,
  type Row,
  type Scenario,
  scenarios,
  shouldGo,
} from '../support/purge-model.ts';

/** Far more than a scenario has rows: each batch decides at least one. */
const mostBatches = 200;
const tableNames = ['plain', 'Mixed Case', 'quo"ted', 'naïve-表'];

const row = (id: number, due: boolean, ...refs: (number | null)[]): Row => ({
  id,
  table: 0,
  due,
  poison: undefined,
  refs,
});
/** Rows that wait, and go with others as their children before they are taken up: that purge never ended. */
const allDecidedBeforeTheirTurn: Scenario = {
  tables: [{ policy: true, marker: 'timestamp', flag: false, owner: 'below' }],
  keys: [
    { from: 0, to: 0, action: 'set null', deferrable: false },
    { from: 0, to: 0, action: 'no action', deferrable: false },
    { from: 0, to: 0, action: 'set default', deferrable: false },
  ],
  roles: [['keep', 'child', 'hold']],
  batchRows: 6,
  closureRows: 3,
  useIndexes: true,
  restores: [],
  rows: [
    row(0, false, 1, 1, null),
    row(1, true, null, 0, 8),
    row(2, false, null, 9, 0),
    row(3, true, null, null, null),
    row(4, false, 1, null, 2),
    row(5, true, null, null, 8),
    row(6, true, null, null, 0),
    row(7, true, null, 4, 2),
    row(8, true, 8, 6, null),
    row(9, false, null, null, null),
  ],
};

/** Children of one row that refer to others lead from these to that row before its turn: a dry run counted it twice. */
const goneBeforeItsTurn: Scenario = {
  tables: [
    { policy: true, marker: 'timestamptz', flag: true, owner: 'below' },
    { policy: true, marker: 'date', flag: false, owner: 'below' },
  ],
  keys: [
    { from: 1, to: 0, action: 'set null', deferrable: false },
    { from: 1, to: 0, action: 'set null', deferrable: true },
    { from: 1, to: 1, action: 'no action', deferrable: false },
    { from: 1, to: 0, action: 'set default', deferrable: true },
  ],
  roles: [
    ['child', 'hold', 'hold', 'hold'],
    ['hold', 'hold', 'hold', 'hold'],
  ],
  batchRows: 5,
  closureRows: 1,
  useIndexes: false,
  restores: [],
  rows: [
    row(0, true, null, null, null, null),
    { ...row(1, true, 6, null, null, 6), table: 1 },
    row(2, true, null, null, null, null),
    { ...row(3, true, 0, null, 7, null), table: 1 },
    row(4, true, null, null, null, null),
    { ...row(5, false, 6, null, 3, 0), table: 1 },
    row(6, true, null, null, null, null),
    { ...row(7, true, null, 0, null, 2), table: 1 },
    { ...row(8, false, 6, 6, null, null), table: 1 },
    { ...row(9, false, null, null, null, null), table: 1 },
  ],
};

/** A child of one row leads to a row of another policy, and by that to others that it could go with: one of these cannot. */
const refusedBesideIt: Scenario = {
  tables: [
    { policy: true, marker: 'timestamp', flag: true, owner: 'below' },
    { policy: true, marker: 'timestamptz', flag: true, owner: 'below' },
  ],
  keys: [
    { from: 0, to: 0, action: 'set null', deferrable: true },
    { from: 1, to: 1, action: 'restrict', deferrable: true },
    { from: 1, to: 0, action: 'no action', deferrable: false },
    { from: 1, to: 1, action: 'set null', deferrable: true },
  ],
  roles: [
    ['child', 'hold', 'child', 'hold'],
    ['hold', 'keep', 'hold', 'hold'],
  ],
  batchRows: 1,
  closureRows: null,
  useIndexes: false,
  restores: [],
  rows: [
    row(1, true, 1, null, null, null),
    row(2, true, 1, null, null, null),
    { ...row(3, false, null, 3, 4, 6), table: 1 },
    row(4, true, 2, null, null, null),
    { ...row(5, false, null, null, 1, null), table: 1, poison: 'raises' },
    { ...row(6, true, null, 3, null, 6), table: 1 },
  ],
};

/** Rows that stay refer to each other in several ways: each way is named, whichever batch comes to them. */
const heldInSeveralWays: Scenario = {
  tables: [{ policy: true, marker: 'date', flag: false, owner: 'below' }],
  keys: [
    { from: 0, to: 0, action: 'set default', deferrable: false },
    { from: 0, to: 0, action: 'restrict', deferrable: true },
    { from: 0, to: 0, action: 'no action', deferrable: false },
  ],
  roles: [['hold', 'hold', 'hold']],
  batchRows: 2,
  closureRows: null,
  useIndexes: false,
  restores: [],
  rows: [
    row(0, false, null, 3, 6),
    row(1, true, null, 9, 6),
    row(2, true, 1, null, 5),
    row(3, false, null, 3, 5),
    row(4, true, 1, null, null),
    row(5, false, 7, 1, null),
    row(6, true, null, 0, null),
    row(7, true, null, null, null),
    row(8, true, 6, 7, 5),
    row(9, true, 8, null, 1),
  ],
};

/** A child refers to itself, and a row that stays refers to it: only that row is a reason. */
const refersToItself: Scenario = {
  tables: [
    { policy: true, marker: 'timestamp', flag: false, owner: 'above' },
    { policy: true, marker: 'timestamp', flag: false, owner: 'below' },
  ],
  keys: [
    { from: 1, to: 0, action: 'no action', deferrable: false },
    { from: 0, to: 1, action: 'no action', deferrable: false },
    { from: 1, to: 1, action: 'no action', deferrable: false },
  ],
  roles: [
    ['child', 'hold', 'hold'],
    ['hold', 'hold', 'hold'],
  ],
  batchRows: 1,
  closureRows: null,
  useIndexes: false,
  restores: [],
  rows: [
    row(0, false, null, 2, null),
    row(1, true, null, null, null),
    { ...row(2, true, 1, null, 2), table: 1 },
  ],
};

/** A due row goes as the child of another with a row of its own that its own policy would not let go. */
const goesAsAChild: Scenario = {
  tables: [
    { policy: true, marker: 'timestamp', flag: false, owner: 'below' },
    { policy: true, marker: 'timestamp', flag: false, owner: 'below' },
    { policy: false, marker: 'timestamp', flag: false, owner: 'below' },
  ],
  keys: [
    { from: 1, to: 0, action: 'no action', deferrable: false },
    { from: 0, to: 1, action: 'no action', deferrable: false },
    { from: 2, to: 1, action: 'no action', deferrable: false },
    { from: 1, to: 1, action: 'no action', deferrable: false },
  ],
  roles: [
    ['child', 'hold', 'child', 'hold'],
    ['hold', 'hold', 'hold', 'hold'],
    ['hold', 'hold', 'hold', 'hold'],
  ],
  batchRows: 1,
  closureRows: null,
  useIndexes: false,
  restores: [],
  rows: [
    row(1, true, null, null, null, null),
    { ...row(2, true, 1, null, null, null), table: 1 },
    { ...row(3, false, null, null, 2, null), table: 2 },
  ],
};

const { numRuns, timeoutMs, seed } = propertyRuns(60);

/** As where a role owns the application's tables, and postgres, which owns some, is a member of it. */
const roles: Record<Owner, string> = {
  below: 'owner_in_model',
  above: 'member_in_model',
  stranger: 'stranger_in_model',
};

describe('what a purge removes', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createDatabase();
    await db.sql.unsafe(`
      create role ${roles.below} bypassrls; create role ${roles.above} in role ${roles.below}; create role ${roles.stranger};
      create schema "case" authorization ${roles.below};
      grant usage on schema "case" to ${roles.above}, ${roles.stranger};
      select nightshift.hand_over('${roles.below}');`);
  });
  afterAll(async () => {
    await db.sql.unsafe(`
      select nightshift.hand_over(current_user);
      drop owned by ${Object.values(roles)} cascade;
      drop role ${Object.values(roles)};`);
    await db.drop();
  });

  it(
    'is exactly what the reference model and the dry run say, for any schema, policies, owners, triggers and restores',
    async () => {
      await fc.assert(
        fc.asyncProperty(scenarios, async (scenario) => {
          await build(db.sql, scenario);
          const before = await contents(db.sql, scenario);
          const dry = await purge(db.sql, scenario, { dryRun: true });
          expect(await contents(db.sql, scenario)).toEqual(before);
          const real = await purge(db.sql, scenario, { dryRun: false });

          const expected = shouldGo(scenario, real.restored);
          const after = await contents(db.sql, scenario);
          const gone = new Set([...before.keys()].filter((id) => !after.has(id)));
          const tooLarge = undecided(real.steps) > 0;
          const near = nearStrangers(scenario);
          const mayStay = (id: number) =>
            tooLarge || scenario.rows.some((row) => row.id === id && near.has(row.table));
          expect([...gone].filter((id) => !expected.has(id))).toEqual([]);
          expect([...expected].filter((id) => !gone.has(id) && !mayStay(id))).toEqual([]);
          if ((scenario.closureRows ?? neverTooLarge) >= neverTooLarge)
            expect(tooLarge).toBe(false);
          for (const row of scenario.rows) {
            if (real.restored.has(row.id)) continue;
            if (scenario.tables[row.table]?.owner === 'stranger') {
              expect(after.get(row.id)).toEqual(before.get(row.id));
            } else if (!gone.has(row.id)) {
              expect(after.get(row.id)).toEqual({
                marks: before.get(row.id)?.marks,
                refs: contentAfter(row, gone),
              });
            }
          }
          // In which order Postgres comes to rows decides which of them are one too many.
          const undisturbed =
            !tooLarge &&
            near.size === 0 &&
            real.restored.size === 0 &&
            scenario.rows.every((row) => !row.poison);
          if (undisturbed) expect(countsOf(dry.steps)).toEqual(countsOf(real.steps));
        }),
        {
          numRuns,
          seed,
          examples: [
            [allDecidedBeforeTheirTurn],
            [goneBeforeItsTurn],
            [refusedBesideIt],
            [heldInSeveralWays],
            [goesAsAChild],
            [refersToItself],
          ],
        },
      );
    },
    timeoutMs,
  );
});

const name = (table: number) => `"case"."${tableNames[table]?.replaceAll('"', '""')}"`;

async function build(sql: Sql, scenario: Scenario): Promise<void> {
  const { tables, keys, rows, useIndexes } = scenario;
  // What may go unseen goes by slices then, with an index for each key: by the index of the marker, or block by block.
  const inSlices = scenario.batchRows >= 500;
  const statements = [
    emptied('"case"'),
    'delete from nightshift.retention_policies where true;',
    `set enable_seqscan = ${useIndexes ? 'off' : 'on'};`,
  ];
  tables.forEach((table, t) => {
    const columns = keys.map((_, k) => `, ref_${k} integer`).join('');
    statements.push(
      `create table ${name(t)} (id integer primary key${columns}, "gone at" ${table.marker}, "is gone" boolean);`,
    );
    if (!inSlices || useIndexes) statements.push(`create index on ${name(t)} ("gone at");`);
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
    if (k % 2 === 0 || inSlices) statements.push(`create index on ${name(key.from)} (ref_${k});`);
  });
  const idsWhere = (poison: string) =>
    `array[${rows.flatMap((row) => (row.poison === poison ? [row.id] : []))}]::integer[]`;
  if (rows.some((row) => row.poison)) {
    statements.push(`create function "case".refuse() returns trigger language plpgsql as $$
      begin
        if old.id = any(${idsWhere('raises')}) then raise exception 'not %', old.id; end if;
        return case when old.id = any(${idsWhere('returns null')}) then null else old end;
      end $$;
      alter function "case".refuse() owner to ${roles.above};`);
    tables.forEach((_, t) => {
      statements.push(
        `create trigger refuse before delete on ${name(t)} for each row execute function "case".refuse();`,
      );
    });
  }
  const own = (t: number, owner: Owner) => `alter table ${name(t)} owner to ${roles[owner]};`;
  tables.forEach(({ owner }, t) => {
    statements.push(own(t, owner === 'above' ? 'above' : 'below'));
    if (owner === 'above') {
      statements.push(`grant select, update, delete on ${name(t)} to ${roles.below};`);
    }
  });
  tables.forEach((table, t) => {
    if (!table.policy) return;
    const named = (role: Role) => {
      const entries = keys.flatMap((key, k) =>
        scenario.roles[t]?.[k] === role ? [`'${name(key.from)}(ref_${k})'`] : [],
      );
      return `array[${entries}]::text[]`;
    };
    statements.push(
      `select nightshift.add_retention_policy('${name(t)}', '30 days', 'gone at', max_fraction => 1,
        with_children => ${named('child')}, release => ${named('release')}, keep => ${named('keep')}
        ${table.flag ? ", flag_column => 'is gone'" : ''});`,
    );
  });
  tables.forEach(({ owner }, t) => {
    if (owner === 'stranger') statements.push(own(t, owner));
  });
  await sql.unsafe(statements.join('\n'));
}

interface Content {
  marks: string;
  refs: (number | null)[];
}

async function contents(sql: Sql, { tables, keys }: Scenario): Promise<Map<number, Content>> {
  const refs = keys.map((_, k) => `ref_${k}`).join(', ');
  const rows = await sql.unsafe<(Content & { id: number })[]>(
    `${tables
      .map(
        (_, t) =>
          `select id, concat("gone at", "is gone") as marks, to_jsonb(array[${refs}]::integer[]) as refs from ${name(t)}`,
      )
      .join(' union all ')} order by id`,
  );
  return new Map(rows.map(({ id, marks, refs }) => [id, { marks, refs }]));
}

type Steps = Record<
  string,
  { rowsUndecided: number; rowsPassedOver: number | null; batches: number }
>;
/**
 * How many batches it took depends on the time that each had, and whether rows had to wait for others on the order in which
 * Postgres came to them.
 */
const countsOf = (steps: Steps) =>
  Object.fromEntries(
    Object.entries(steps).map(([relation, { batches: _, rowsPassedOver: __, ...counts }]) => [
      relation,
      counts,
    ]),
  );
const undecided = (steps: Steps) =>
  Object.values(steps).reduce((sum, step) => sum + step.rowsUndecided, 0);

/** A table of a stranger costs the tables that foreign keys join to it, and no other. */
async function refusedNearStrangers(
  scenario: Scenario,
  relation: string,
  purging: () => Promise<void>,
): Promise<void> {
  await purging().catch((error: unknown) => {
    const unquoted = (text: string) => text.replaceAll('"', '');
    const isNear = [...nearStrangers(scenario)].some(
      (t) => unquoted(name(t)) === unquoted(relation),
    );
    if (!isNear || !(error instanceof postgres.PostgresError) || error.code !== 'NS422')
      throw error;
  });
}

/** Purges batch by batch, in a real run restoring a row after each; returns those that were still there to be restored. */
async function purge(sql: Sql, scenario: Scenario, { dryRun }: { dryRun: boolean }) {
  const restored = new Set<number>();
  const restores = dryRun ? [] : [...scenario.restores];
  const restoreOne = async () => {
    const row = scenario.rows[restores.pop() ?? -1];
    if (!row) return;
    const moved = row.id % 2 === 0 ? 'null' : "now() - interval '2 days'";
    const result = await sql.unsafe(
      `update ${name(row.table)} set "gone at" = ${moved} where id = ${row.id}`,
    );
    if (result.count === 1) restored.add(row.id);
  };

  const [begun] =
    await sql`select nightshift.begin_run('retention-purge', 'cli', dry_run => ${dryRun}) as begun`;
  const { id, fence } = begun?.begun.run ?? {};
  const [planned] = await sql`select nightshift.plan_retention_purge(${id}, ${fence}) as plan`;
  const policies: { relation: string }[] = planned?.plan.policies ?? [];
  const measured: string[] = [];
  for (const { relation } of policies) {
    await refusedNearStrangers(scenario, relation, async () => {
      await sql`select nightshift.measure_retention_backlog(${id}, ${fence}, ${relation})`;
      measured.push(relation);
    });
  }
  await restoreOne();
  for (const relation of measured) {
    await refusedNearStrangers(scenario, relation, async () => {
      for (let batches = 0, done = false; !done; batches++) {
        if (batches > mostBatches) throw new Error(`The purge of ${relation} never ends`);
        const [answer] = await sql`
          select nightshift.purge_batch(
            ${id}, ${fence}, ${relation}, ${scenario.batchRows}, closure_rows => ${scenario.closureRows}
          ) as batch`;
        done = answer?.batch.done;
        await restoreOne();
      }
    });
  }
  const [run] =
    await sql`select progress -> 'steps' as steps from nightshift.runs where id = ${id}`;
  const steps: Steps = run?.steps;
  await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
  return { restored, steps };
}
