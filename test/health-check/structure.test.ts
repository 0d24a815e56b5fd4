import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HealthFinding } from '../../functions/health-check/schema.ts';
import { createDatabase, setUpDatabase } from '../support/database.ts';
import { emptySchema } from '../support/empty-schema.ts';
import { readCheck, readHealth } from '../support/health.ts';
import { makeSick, sicknesses } from '../support/sick-database.ts';

const db = setUpDatabase();
// Whatever its size, so that the tables here can be small.
beforeAll(() =>
  run(`
    select nightshift.set_health_threshold('duplicate_indexes', null, info => 0),
      nightshift.set_health_threshold('foreign_keys_without_index', null, info => 0)`),
);
beforeEach(() => run(emptySchema('app')));

const run = (statements: string) => db.sql.unsafe(statements);

/** When the statistics of the test server are old enough to say that nobody reads an index. */
const observed = '36 days';

async function find(check: string): Promise<HealthFinding[]> {
  const { findings } = await readCheck(
    db.sql,
    check,
    check === 'unused_indexes' ? observed : undefined,
  );
  return findings;
}

async function subjects(check: string): Promise<(string | null)[]> {
  return (await find(check)).map(({ subject }) => subject).sort();
}

/** Runs the fix of each finding, one statement after the other, until there is none left. */
async function mendAll(check: string, { steps = 10 } = {}): Promise<string[]> {
  const ran: string[] = [];
  for (;;) {
    const [worst] = await find(check);
    if (!worst) return ran;
    if (ran.length === steps) throw new Error(`Not mended by ${ran.join(' ')}`);
    ran.push(worst.fix ?? '');
    await run(worst.fix ?? '');
  }
}

describe('duplicate_indexes', () => {
  const table = 'create table app.t (a integer not null, b integer, c text, d text);';

  it.each([
    ['another order of rows', 'create index x on app.t (a); create index y on app.t (a desc, b)'],
    [
      'another operator class',
      'create index x on app.t (c); create index y on app.t (c text_pattern_ops, d)',
    ],
    ['another collation', 'create index x on app.t (c); create index y on app.t (c collate "C")'],
    ['another method', 'create index x on app.t (a); create index y on app.t using hash (a)'],
    ['another predicate', 'create index x on app.t (a) where b > 1; create index y on app.t (a)'],
    [
      'another expression',
      'create index x on app.t (lower(c)); create index y on app.t (upper(c), a)',
    ],
    [
      'columns that only one includes',
      'create index x on app.t (a) include (b); create index y on app.t (a, c)',
    ],
    [
      'the same columns in another sequence',
      'create index x on app.t (a, b); create index y on app.t (b, a)',
    ],
    ['uniqueness', 'create unique index x on app.t (a); create index y on app.t (a, b)'],
    [
      'uniqueness on fewer columns',
      'create unique index x on app.t (a); create unique index y on app.t (a, b)',
    ],
    [
      'nulls that are distinct',
      'create unique index x on app.t (b) nulls not distinct; create unique index y on app.t (b)',
    ],
    [
      'options of another method',
      'create index x on app.t using brin (a); create index y on app.t using brin (a, b) with (pages_per_range = 8)',
    ],
    [
      'a foreign key that refers to it',
      `alter table app.t add constraint x unique (a);
       create table app.refers (a integer references app.t (a));
       alter table app.t add primary key (a)`,
    ],
  ])('names neither of two that differ in %s', async (_, indexes) => {
    await run(table + indexes);
    expect(await subjects('duplicate_indexes')).toEqual([]);
  });

  it.each([
    ['the shorter of two', 'create index y on app.t (a, b); create index x on app.t (a)'],
    [
      'the newer of two that are the same',
      'create index y on app.t (a); create index x on app.t (a)',
    ],
    [
      'the one beside a primary key',
      'create unique index x on app.t (a); alter table app.t add primary key (a)',
    ],
    [
      'the one that is not unique',
      'create index x on app.t (a); create unique index y on app.t (a)',
    ],
    [
      'the constraint beside a primary key',
      'alter table app.t add constraint x unique (a), add primary key (a)',
    ],
    [
      'the constraint that is checked later',
      'create unique index y on app.t (a); alter table app.t add constraint x unique (a) deferrable',
    ],
    [
      'the index beside a constraint',
      'create unique index x on app.t (a); alter table app.t add constraint y unique (a)',
    ],
    [
      'the one without INCLUDE columns',
      'create index x on app.t (a); create index y on app.t (a) include (b)',
    ],
    [
      'the one whose INCLUDE column is a key of the other',
      'create index x on app.t (a) include (b); create index y on app.t (a, b)',
    ],
    [
      'the same expression and predicate, written apart',
      'create index y on app.t (lower(c), upper(d)) where b is not null; create  index  x  on app.t ( lower( c ) ) where ( b  is not null )',
    ],
    [
      'the shorter of two of another method',
      'create index x on app.t using brin (a); create index y on app.t using brin (a, b)',
    ],
  ])('names one: %s, and its fix mends it', async (_, indexes) => {
    await run(table + indexes);
    expect(await subjects('duplicate_indexes')).toEqual(['app.x']);
    expect(await mendAll('duplicate_indexes')).toHaveLength(1);
  });

  it('names two of three, and leaves the longest', async () => {
    await run(
      `${table} create index x on app.t (a); create index y on app.t (a, b); create index z on app.t (a, b, c)`,
    );
    const found = await find('duplicate_indexes');
    expect(found.map(({ subject, detail }) => [subject, detail]).sort()).toEqual([
      ['app.x', 'on app.t; app.z begins with the same columns'],
      ['app.y', 'on app.t; app.z begins with the same columns'],
    ]);
  });

  it('counts a partitioned index as one, and a part of it never', async () => {
    await run(`
      create table app.p (a integer, b integer) partition by range (a);
      create table app.p1 partition of app.p for values from (0) to (10);
      create table app.p2 partition of app.p for values from (10) to (20);
      create index x on app.p (a);
      create index y on app.p (a, b);
      create index own on app.p1 (a);
    `);
    const found = await find('duplicate_indexes');
    expect(found.map(({ subject, value }) => [subject, value]).sort()).toEqual([
      ['app.own', 8192],
      ['app.x', 16384],
    ]);
    expect((await mendAll('duplicate_indexes')).sort()).toEqual([
      'drop index app.x;',
      'drop index concurrently app.own;',
    ]);
  });
});

describe('unused_indexes', () => {
  const large = 'with (fillfactor = 10)';
  const readThrough = (query: string) =>
    run(`set local enable_seqscan = off; ${query}; select pg_stat_force_next_flush()`);

  it('does not name what is read, unique, or relied upon', async () => {
    await run(`
      create table app.parent (id integer primary key);
      create table app.t (
        id integer primary key with (fillfactor = 10), parent integer references app.parent, deleted_at timestamptz
      );
      insert into app.t (id) select n from generate_series(1, 60000) n;
      create index on app.t (parent) ${large};
      create index on app.t (deleted_at) ${large};
      create index idle on app.t (id, parent) ${large};
      select nightshift.add_retention_policy('app.t', '90 days');
    `);
    expect(await subjects('unused_indexes')).toEqual(['app.idle']);
    await readThrough('select id from app.t where id = 7 and parent = 7');
    expect(await subjects('unused_indexes')).toEqual([]);
  });

  it('takes a partitioned index for one, in use when one part of it is', async () => {
    await run(`
      create table app.p (a integer, b integer) partition by range (a);
      create table app.p1 partition of app.p for values from (0) to (100000);
      create table app.p2 partition of app.p for values from (100000) to (200000);
      insert into app.p select n, n from generate_series(0, 199999, 4) n;
      create index x on app.p (b) ${large};
      create index y on app.p (a, b) ${large};
      analyze app.p;
    `);
    const [first] = await find('unused_indexes');
    expect(await subjects('unused_indexes')).toEqual(['app.x', 'app.y']);
    expect(first?.fix).toMatch(/^drop index app\.[xy];$/);
    await run('drop index app.y');
    await readThrough('select a from app.p where b = 8 and a < 100000');
    expect(await subjects('unused_indexes')).toEqual([]);
  });
});

describe('invalid_indexes', () => {
  const partitioned = `
    create table app.p (a integer not null, "B" integer) partition by range (a);
    create table app."p-1" partition of app.p for values from (0) to (10);
    create table app.sub partition of app.p for values from (10) to (20) partition by range (a);
    create table app.sub_1 partition of app.sub for values from (10) to (20);
  `;

  it('leads a partitioned index to be whole, by creating and attaching its parts', async () => {
    await run(`${partitioned} create unique index x on only app.p (a, "B");`);
    await run('create unique index concurrently own on app."p-1" (a, "B")');
    expect(await find('invalid_indexes')).toMatchObject([
      { subject: 'app.x', level: 'warning', detail: expect.stringMatching(/2 missing, next app/) },
    ]);
    const ran = await mendAll('invalid_indexes');
    expect(ran).toEqual([
      'alter index app.x attach partition app.own;',
      'create unique index on app.sub USING btree (a, "B");',
      'alter index app.x attach partition app.sub_a_B_idx;'.replace('sub_a_B_idx', '"sub_a_B_idx"'),
    ]);
  });

  it('does so with a constraint', async () => {
    await run(`${partitioned} alter table only app.p add constraint pk primary key (a);`);
    await run('create unique index concurrently on app."p-1" (a)');
    const ran = await mendAll('invalid_indexes');
    expect(ran.filter((fix) => fix.includes('add PRIMARY KEY (a);'))).toHaveLength(2);
  });

  it('goes down to the part that is invalid itself', async () => {
    await run(
      `${partitioned} create index x on only app.p (a); create index y on only app.sub (a); alter index app.x attach partition app.y;`,
    );
    await mendAll('invalid_indexes');
    const [row] =
      await db.sql`select bool_and(indisvalid) as valid from pg_index where indexrelid in ('app.x'::regclass, 'app.y'::regclass)`;
    expect(row?.valid).toBe(true);
  });

  it('has a part looked at again that was attached while it was invalid', async () => {
    await run(
      `${partitioned} insert into app.p values (1), (1); create unique index x on only app.p (a);`,
    );
    await run('create unique index concurrently part on app."p-1" (a)').catch(() => {});
    await run(`
      create unique index on app.sub (a);
      alter index app.x attach partition app.sub_a_idx;
      alter index app.x attach partition app.part;
      delete from app.p;
    `);
    const found = await find('invalid_indexes');
    expect(found.map(({ subject }) => subject)).toEqual(['app.part', 'app.x']);
    expect(found[1]?.fix).toBe('reindex index concurrently app.part;');
    await run(found[1]?.fix ?? '');
    expect(await mendAll('invalid_indexes')).toHaveLength(1);
  });

  it('names what an interrupted reindex left, but nothing while it runs', async () => {
    await run(`create table app.t (a integer, long text); create index on app.t (a)`);
    const writer = await db.sql.reserve();
    await writer.unsafe(`begin; insert into app.t values (1, repeat('x', 10))`);
    const reindex = db.sql.unsafe('reindex table concurrently app.t').catch((error) => error);
    await expect.poll(() => db.sql`select from pg_index where not indisvalid`).toHaveLength(2);
    expect(await subjects('invalid_indexes')).toEqual([]);
    await db.sql`
      select pg_cancel_backend(pid) from pg_stat_activity
      where datname = current_database() and query like 'reindex%'`;
    await reindex;
    await writer.unsafe('rollback');
    writer.release();
    const left = await find('invalid_indexes');
    expect(left.map(({ subject }) => subject).sort()).toEqual([
      'app.t_a_idx_ccnew',
      expect.stringMatching(/^pg_toast\.pg_toast_\d+_index_ccnew$/),
    ]);
    await mendAll('invalid_indexes');
  });
});

describe('foreign_keys_without_index', () => {
  it('is content with any index that begins with a column of the key', async () => {
    await run(`
      create table app.parent (a integer, b integer, primary key (a, b));
      create table app.any_order (x integer, y integer, foreign key (x, y) references app.parent);
      create index on app.any_order (y, x, (x + y));
      create table app.first (x integer, y integer, foreign key (x, y) references app.parent);
      create index on app.first (x);
      create table app.second (x integer, y integer, z integer, foreign key (x, y) references app.parent);
      create index on app.second using hash (y);
      create table app.not_null (x integer, y integer, foreign key (x, y) references app.parent);
      create index on app.not_null (x, y) where y is not null;
      create table app.partial (x integer, y integer, foreign key (x, y) references app.parent);
      create index on app.partial (x, y) where y > 0;
      create table app.included (x integer, y integer, z integer, foreign key (x, y) references app.parent);
      create index on app.included (z) include (x, y);
      create table app.behind (x integer, y integer, z integer, foreign key (x, y) references app.parent);
      create index on app.behind (z, x, y);
    `);
    expect(await subjects('foreign_keys_without_index')).toEqual([
      'app.behind (x, y)',
      'app.included (x, y)',
      'app.partial (x, y)',
    ]);
    await mendAll('foreign_keys_without_index');
  });

  it('takes a partitioned table for one, with the rows of the partitions that lack it', async () => {
    await run(`
      create table app.parent (id integer primary key) partition by range (id);
      create table app.parent_1 partition of app.parent for values from (0) to (10);
      insert into app.parent values (1);
      create table app.p (day integer, parent integer references app.parent) partition by range (day);
      create table app.p1 partition of app.p for values from (0) to (10);
      create table app.p2 (parent integer, day integer);
      alter table app.p attach partition app.p2 for values from (10) to (20);
      insert into app.p select n % 20, 1 from generate_series(0, 199) n;
      analyze app.p1, app.p2;
    `);
    expect(await find('foreign_keys_without_index')).toMatchObject([
      { subject: 'app.p (parent)', value: 200, fix: 'create index on app.p (parent);' },
    ]);
    await run('create index on app.p1 (parent)');
    expect(await find('foreign_keys_without_index')).toMatchObject([{ value: 100 }]);
    await run('create index on app.p2 (parent)');
    expect(await subjects('foreign_keys_without_index')).toEqual([]);
  });
});

describe('partitions_without_rls', () => {
  const family = `
    grant usage on schema app to anon, authenticated;
    create table app.p (a integer, b integer) partition by range (a);
    create table app.sub partition of app.p for values from (0) to (10) partition by range (a);
    create table app.leaf partition of app.sub for values from (0) to (10);
  `;

  it.each([
    [
      'a table two levels above',
      'alter table app.p enable row level security; grant select on app.leaf to anon',
      ['app.leaf'],
    ],
    [
      'a grant on one column',
      'alter table app.p enable row level security; grant update (b) on app.sub to authenticated',
      ['app.sub'],
    ],
    [
      'a grant to everyone',
      'alter table app.p enable row level security; grant select (a) on app.leaf to public',
      ['app.leaf'],
    ],
    [
      'more than the table allows',
      'grant select on app.p, app.leaf to anon; grant delete on app.leaf to anon',
      ['app.leaf'],
    ],
    ['as much as the table allows', 'grant select on app.p, app.leaf to anon', []],
    [
      'as much as the table allows, by columns',
      'grant select (a) on app.p to anon; grant select (a) on app.leaf to anon',
      [],
    ],
    [
      'row level security of its own',
      'alter table app.p enable row level security; alter table app.leaf enable row level security; grant select on app.leaf to anon',
      [],
    ],
    [
      'no way into the schema',
      'alter table app.p enable row level security; grant select on app.leaf to anon; revoke usage on schema app from anon',
      [],
    ],
    [
      'rights of the service alone',
      'alter table app.p enable row level security; grant select on app.leaf to service_role',
      [],
    ],
  ])('judges by %s', async (_, statements, expected) => {
    await run(family + statements);
    expect(await subjects('partitions_without_rls')).toEqual(expected);
    expect(await mendAll('partitions_without_rls')).toHaveLength(expected.length);
  });

  it('offers secure_partitions for a table with a policy', async () => {
    await run(`
      grant usage on schema app to anon;
      create table app.days (at date) partition by range (at);
      alter table app.days enable row level security;
      create table app.days_1 partition of app.days for values from ('2026-01-01') to ('2026-01-02');
      create table app.days_2 partition of app.days for values from ('2026-01-02') to ('2026-01-03');
      grant select on app.days_1, app.days_2 to anon;
      select nightshift.add_partition_policy('app.days', '1 day');
    `);
    expect(await subjects('partitions_without_rls')).toEqual(['app.days_1', 'app.days_2']);
    expect(await mendAll('partitions_without_rls')).toEqual([
      "select nightshift.secure_partitions('app.days');",
    ]);
  });
});

describe('nightshift_exposed', () => {
  it.each([
    ['schema nightshift', 'grant usage on schema nightshift to authenticated'],
    ['nightshift.runs', 'grant select (id) on nightshift.runs to anon'],
    ['nightshift.settings', 'alter table nightshift.settings disable row level security'],
    [
      'nightshift.retired_partitions_id_seq',
      'grant usage on sequence nightshift.retired_partitions_id_seq to public',
    ],
    ['nightshift.peep', 'create view nightshift.peep as select 1 as n'],
    [
      'nightshift.unpause(text)',
      'create role nightshift_helpers; grant nightshift_helpers to anon; grant execute on function nightshift.unpause to nightshift_helpers',
    ],
    [
      'nightshift.leak()',
      'create function nightshift.leak() returns integer language sql as $$ select 1 $$',
    ],
  ])('names %s alone, and its fix mends it', async (subject, statement) => {
    expect(await subjects('nightshift_exposed')).toEqual([]);
    await run(statement);
    expect(await find('nightshift_exposed')).toMatchObject([{ subject, level: 'critical' }]);
    expect(await mendAll('nightshift_exposed')).toHaveLength(1);
    await run(`
      drop role if exists nightshift_helpers;
      drop view if exists nightshift.peep;
      drop function if exists nightshift.leak;
    `);
  });

  it('leaves users what enable_soft_delete has given them, and nothing else', async () => {
    await run(`
      create table app.notes (id integer primary key);
      select nightshift.enable_soft_delete('app.notes', for_users => true);
    `);
    expect(await subjects('nightshift_exposed')).toEqual([]);
    await run('grant execute on function nightshift.soft_delete to anon');
    await run('grant execute on function nightshift.restore_since to authenticated');
    expect(await mendAll('nightshift_exposed')).toHaveLength(2);
    await run(`select nightshift.enable_soft_delete('app.notes', for_users => false)`);
    expect(await subjects('nightshift_exposed')).toEqual([]);
    await run('grant execute on function nightshift.soft_delete to authenticated');
    expect(await mendAll('nightshift_exposed')).toHaveLength(1);
    await run(`select nightshift.disable_soft_delete('app.notes')`);
  });
});

it('no check of the structure has anything to say of Nightshift itself', async () => {
  for (const check of ['duplicate_indexes', 'invalid_indexes', 'foreign_keys_without_index']) {
    expect(await subjects(check), check).toEqual([]);
  }
});

it('finds what a sick database suffers from', async () => {
  const sick = await createDatabase();
  const heal = await makeSick(sick.sql);
  try {
    const { checks } = await readHealth(sick.sql);
    checks.push(await readCheck(sick.sql, 'unused_indexes', observed));
    for (const { check: name, subject, what } of sicknesses) {
      const check = checks.findLast((candidate) => candidate.name === name);
      const found = check?.findings.map((finding) => finding.subject);
      if (check) expect(found, what).toContain(subject ?? check.subject);
    }
  } finally {
    await heal();
    await sick.drop();
  }
});
