import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { isNightly } from '../support/property.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

async function createChain(due: number): Promise<void> {
  await db.sql.unsafe(`
    create table app.state_rev (id bigint primary key, prev_id bigint, deleted_at timestamptz, body text);
    insert into app.state_rev
    select g, case when g in (1, ${due + 1}) then null else g - 1 end,
      case when g <= ${due} then now() - interval '400 days' + g * interval '1 minute' end, repeat('x', 100)
    from generate_series(1, ${3 * due}) g;
    create index on app.state_rev (deleted_at) where deleted_at is not null;
    create index on app.state_rev (prev_id);
    alter table app.state_rev add foreign key (prev_id) references app.state_rev;
    analyze app.state_rev;
    select nightshift.add_retention_policy('app.state_rev', '90 days');
  `);
}

describe('a chain of references, all of it due', () => {
  // Sixty thousand take a minute on a small machine: they are for the night.
  it.each(isNightly ? [500, 1_500, 4_000, 60_000] : [500, 1_500, 4_000])(
    'goes as a whole, and so says the dry run: %d rows',
    async (due) => {
      await createChain(due);
      const dry = await runPurge(db, { dryRun: true });
      const real = await runPurge(db);
      for (const result of [dry, real]) {
        expect(stepOf(result, 'app.state_rev')).toMatchObject({
          status: 'succeeded',
          rowsPurged: due,
          rowsBlocked: 0,
          rowsUndecided: 0,
        });
      }
      expect(stepOf(real, 'app.state_rev').rowsLeft).toBe(0);
    },
    120_000,
  );
});

describe('chains of which the newest row stays', () => {
  it('stay, each row looked at once: batches do not grow with their length', async () => {
    await db.sql.unsafe(`
      create table app.revision (id int primary key, parent int references app.revision, at timestamptz not null);
      insert into app.revision
      select d * 1000 + r, case when r > 1 then d * 1000 + r - 1 end, now() - interval '1 day' - (60 - r) * interval '10 days'
      from generate_series(1, 100) d, generate_series(1, 60) r;
      create index on app.revision (at);
      create index on app.revision (parent);
      analyze app.revision;
      select nightshift.add_retention_policy('app.revision', '180 days', 'at', max_fraction => 1);
    `);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      const step = stepOf(result, 'app.revision');
      expect(step).toMatchObject({
        rowsPurged: 0,
        rowsBlocked: 4200,
        blockedBy: { 'revision_parent_fkey on app.revision': 4200 },
      });
      expect(step.batches).toBeLessThan(20);
    }
  });
});

describe('due children of due parents, more than one batch can look at', () => {
  it('are counted by the dry run as they go in the run', async () => {
    // One of 1,000 rows looks at 32,000 more.
    await db.sql.unsafe(`
      create table app.p (id bigint primary key, deleted_at timestamptz);
      create table app.c (id bigint primary key, p_id bigint references app.p on delete cascade, deleted_at timestamptz);
      insert into app.p select i, case when i % 3 = 0 then now() - interval '90 days' end from generate_series(1, 3600) i;
      insert into app.c select p.id * 100 + n, p.id, p.deleted_at from app.p, generate_series(1, 30) n;
      create index on app.p (deleted_at);
      create index on app.c (deleted_at);
      create index on app.c (p_id);
      analyze app.p, app.c;
      select nightshift.add_retention_policy('app.p', '30 days');
      select nightshift.add_retention_policy('app.c', '30 days');
    `);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.p').rowsPurged).toBe(1_200);
      expect(stepOf(result, 'app.c').rowsPurged).toBe(36_000);
    }
  }, 120_000);
});

/** One run with a limit of its own on what a batch may look at, for one of its tables: the step of that one. */
async function purgeLookingAt(
  closureRows: number,
  { dryRun, batchRows = 10, table }: { dryRun: boolean; batchRows?: number; table?: string },
) {
  const [begun] = await db.sql`
    select nightshift.begin_run('retention-purge', 'cli', dry_run => ${dryRun}) -> 'run' as run`;
  const { id, fence } = begun?.run ?? {};
  const planned = await db.sql`
    select p.relation
    from jsonb_to_recordset(nightshift.plan_retention_purge(${id}, ${fence}) -> 'policies') p(relation text)`;
  for (const { relation } of planned)
    await db.sql`select nightshift.measure_retention_backlog(${id}, ${fence}, ${relation})`;
  const turn = table ?? planned[0]?.relation;
  for (let batches = 0; ; batches++) {
    const [answer] = await db.sql`
      select nightshift.purge_batch(${id}, ${fence}, ${turn}, ${batchRows}, closure_rows => ${closureRows}) as batch`;
    expect(batches).toBeLessThan(2_000);
    if (!answer?.batch.done) continue;
    await db.sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
    return answer.batch.step;
  }
}

describe('a closure that is too large for one batch', () => {
  const nodes = (parentOf: string, count = 200) => `
    create table app.nodes (id integer primary key, parent_id integer, deleted_at timestamptz);
    insert into app.nodes select id, ${parentOf}, now() - interval '40 days' + id * interval '1 second'
    from generate_series(1, ${count}) id;
    alter table app.nodes add foreign key (parent_id) references app.nodes;
    create index on app.nodes (deleted_at);
    create index on app.nodes (parent_id);
    select nightshift.add_retention_policy('app.nodes', '30 days', max_fraction => 1);
  `;

  it.each([
    ['a chain', 'nullif(id - 1, 0)'],
    ['a chain the other way', 'case when id < 200 then id + 1 end'],
    ['a broad tree', 'nullif(id / 7, 0)'],
  ])('is taken up from its far end, and all of it goes: %s', async (_, parentOf) => {
    await db.sql.unsafe(nodes(parentOf));
    expect(await purgeLookingAt(30, { dryRun: true })).toMatchObject({ rowsPurged: 200 });
    expect(await purgeLookingAt(30, { dryRun: false })).toMatchObject({ rowsPurged: 200 });
    expect(await idsOf(db.sql, 'app.nodes')).toEqual([]);
  });

  it('is taken up from its far end, and all of it stays where that is needed', async () => {
    await db.sql.unsafe(`${nodes('nullif(id - 1, 0)')} insert into app.nodes values (1000, 200)`);
    expect(await purgeLookingAt(30, { dryRun: true })).toMatchObject({ rowsBlocked: 200 });
    expect(await purgeLookingAt(30, { dryRun: false })).toMatchObject({ rowsBlocked: 200 });
  });

  it('and cannot be divided is undecided, which is not to say needed', async () => {
    await db.sql.unsafe(nodes('1 + id % 40', 40));
    const step = await purgeLookingAt(4, { dryRun: false });
    expect(step).toMatchObject({ rowsPurged: 0, rowsBlocked: 0, rowsUndecided: 40 });
    expect(await idsOf(db.sql, 'app.nodes')).toEqual(range(1, 40));
    expect(await purgeLookingAt(6, { dryRun: false })).toMatchObject({ rowsPurged: 40 });
  });

  // A single row waits for those ahead as well: undecided is what nobody can tell.
  it.each([1, 100])(
    'because everything refers to everything is decided from the rows that stay, in batches of %d',
    async (batchRows) => {
      await db.sql.unsafe(`
      create table app.webs (id integer primary key, a integer, b integer, deleted_at timestamptz);
      insert into app.webs
      select id, case when id % 7 > 0 then 1 + (id * 7) % 1000 end, case when id % 5 > 0 then 1 + (id * 11) % 1000 end,
        case when id % 90 > 0 then now() - interval '40 days' + id * interval '1 second' end
      from generate_series(1, 1000) id;
      alter table app.webs add foreign key (a) references app.webs, add foreign key (b) references app.webs;
      create index on app.webs (deleted_at); create index on app.webs (a); create index on app.webs (b);
      select nightshift.add_retention_policy('app.webs', '30 days', max_fraction => 1);
    `);
      const stay = await db.sql<{ id: number }[]>`
      with recursive stays as (
        select id, a, b from app.webs where deleted_at is null
        union
        select w.id, w.a, w.b from stays s join app.webs w on w.id in (s.a, s.b)
      )
      select id from stays order by id`;
      expect(stay.length).toBeGreaterThan(500);
      expect(stay.length).toBeLessThan(1000);
      const live = await db.sql`select from app.webs where deleted_at is null`;
      for (const dryRun of [true, false]) {
        expect(await purgeLookingAt(40, { dryRun, batchRows })).toMatchObject({
          rowsPurged: 1000 - stay.length,
          rowsBlocked: stay.length - live.length,
          rowsUndecided: 0,
        });
      }
      expect(await idsOf(db.sql, 'app.webs')).toEqual(stay.map(({ id }) => id));
    },
  );

  it('ends, where others have some of its rows: they do not come up again', async () => {
    await db.sql.unsafe(`
      create table app.webs (id integer primary key, a integer, b integer, deleted_at timestamptz);
      insert into app.webs
      select id, 1 + (id * 7) % 300, 1 + (id * 11) % 300, now() - interval '40 days' + id * interval '1 second'
      from generate_series(1, 300) id;
      alter table app.webs add foreign key (a) references app.webs, add foreign key (b) references app.webs;
      create index on app.webs (deleted_at); create index on app.webs (a); create index on app.webs (b);
      select nightshift.add_retention_policy('app.webs', '30 days', max_fraction => 1);
    `);
    const other = await db.sql.reserve();
    try {
      await other`begin`;
      await other`select from app.webs where id % 37 = 5 for update`;
      expect(await purgeLookingAt(20, { dryRun: false })).toMatchObject({ rowsPurged: 0 });
    } finally {
      await other`rollback`;
      other.release();
    }
    expect(await idsOf(db.sql, 'app.webs')).toEqual(range(1, 300));
  });

  it('because of very many children is halved, and one parent gets all that a statement has time for', async () => {
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create table app.items (id integer primary key, order_id integer references app.orders);
      insert into app.orders select id, now() - interval '40 days' + id * interval '1 second' from generate_series(1, 8) id;
      insert into app.items select id, 1 + id % 8 from generate_series(1, 800) id;
      create index on app.orders (deleted_at);
      create index on app.items (order_id);
      select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1, with_children => array['app.items']);
    `);
    expect(await purgeLookingAt(30, { dryRun: true })).toMatchObject({ rowsPurged: 8 });
    expect(await purgeLookingAt(30, { dryRun: false })).toMatchObject({
      rowsPurged: 8,
      children: { 'app.items': 800 },
    });
  });
});

describe('rows to which children of rows that are not due refer', () => {
  /** Folders 1 to 9 are due, and referred to by traces of the projects 1 to 9, of which 8 and 9 are due. */
  const projects = (tracesOfFolder: number, scoresOfTrace: number) => `
    create table app.projects (id integer primary key, deleted_at timestamptz);
    create table app.folders (id integer primary key, project_id integer not null references app.projects,
      parent_id integer references app.folders, deleted_at timestamptz);
    create table app.traces (id integer primary key, project_id integer not null references app.projects,
      folder_id integer references app.folders);
    create table app.scores (id integer primary key, trace_id integer not null references app.traces);
    insert into app.projects select id, case when id >= 8 then now() - interval '90 days' end from generate_series(1, 9) id;
    insert into app.folders select id, 1, null, now() - interval '90 days' + id * interval '1 second' from generate_series(1, 9) id;
    insert into app.traces
    select 1000 * f.id + n, f.id, f.id from app.folders f, generate_series(1, case when f.id < 8 then ${tracesOfFolder} else 1 end) n;
    insert into app.scores
    select 1000 * t.id + n, t.id from app.traces t, generate_series(1, case when t.project_id < 8 then ${scoresOfTrace} else 1 end) n;
    create index on app.folders (deleted_at); create index on app.projects (deleted_at);
    create index on app.folders (project_id); create index on app.folders (parent_id);
    create index on app.traces (project_id); create index on app.traces (folder_id); create index on app.scores (trace_id);
    select nightshift.add_retention_policy('app.folders', '30 days', max_fraction => 1),
      nightshift.add_retention_policy('app.projects', '30 days', max_fraction => 1,
        with_children => array['app.folders(project_id)', 'app.traces(project_id)', 'app.scores(trace_id)']);
  `;

  it.each([
    ['many rows would go with each', 1, 400],
    ['they are many', 400, 1],
  ])('stay, and are decided where %s', async (_, tracesOfFolder, scoresOfTrace) => {
    await db.sql.unsafe(projects(tracesOfFolder, scoresOfTrace));
    for (const dryRun of [true, false]) {
      expect(await purgeLookingAt(30, { dryRun, table: 'app.folders' })).toMatchObject({
        rowsPurged: 2,
        rowsBlocked: 7,
        rowsUndecided: 0,
      });
    }
    expect(await idsOf(db.sql, 'app.folders')).toEqual(range(1, 7));
    expect(await idsOf(db.sql, 'app.projects')).toEqual(range(1, 7));
  });
});

describe('rows that wait for the turn of another table', () => {
  it('are left alone when the policy of that one is switched off meanwhile', async () => {
    await db.sql.unsafe(`
      create table app.a (id integer primary key, b_id integer, deleted_at timestamptz);
      create table app.b (id integer primary key, a_id integer, deleted_at timestamptz);
      insert into app.a select id, id - 1, now() - interval '40 days' + id * interval '1 second' from generate_series(1, 100) id;
      insert into app.b select id, id, now() - interval '40 days' + id * interval '1 second' from generate_series(0, 100) id;
      update app.b set a_id = null where id = 0;
      alter table app.a add foreign key (b_id) references app.b;
      alter table app.b add foreign key (a_id) references app.a;
      create index on app.a (deleted_at); create index on app.a (b_id);
      create index on app.b (deleted_at); create index on app.b (a_id);
      select nightshift.add_retention_policy('app.a', '30 days', max_fraction => 1), nightshift.add_retention_policy('app.b', '30 days', max_fraction => 1);
    `);
    const [begun] = await db.sql`
      select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
    const { id, fence } = begun?.run ?? {};
    await db.sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
    for (const table of ['app.a', 'app.b'])
      await db.sql`select nightshift.measure_retention_backlog(${id}, ${fence}, ${table})`;
    const batch = () =>
      db.sql`select nightshift.purge_batch(${id}, ${fence}, 'app.a', 10, closure_rows => 30) as batch`;
    await batch();
    const waiting = await db.sql`
      select from nightshift.purge_pending p where p.policy = 'app.b'::regclass`;
    expect(waiting.length).toBeGreaterThan(0);
    await db.sql`select nightshift.alter_retention_policy('app.b', enabled => false)`;
    for (let done = false; !done; ) done = (await batch())[0]?.batch.done;
    expect(await idsOf(db.sql, 'app.b')).toEqual(range(0, 100));
    expect(await idsOf(db.sql, 'app.a')).toEqual(range(1, 100));
    await db.sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
  });
});

describe('a few large tenants, whose rows refer to each other', () => {
  it('go, with as many rows as would go with one of many', async () => {
    await db.sql.unsafe(`
      create table app.tenants (id integer primary key, deleted_at timestamptz);
      create table app.items (id integer primary key, tenant_id integer references app.tenants, copy_of integer references app.items);
      insert into app.tenants values (1, now() - interval '40 days'), (2, now() - interval '40 days'), (3, null);
      insert into app.items select id, 1 + id / 70000, nullif(id - id % 7, id) from generate_series(0, 80000) id;
      create index on app.tenants (deleted_at);
      create index on app.items (tenant_id);
      create index on app.items (copy_of);
      analyze app.items;
      select nightshift.add_retention_policy('app.tenants', '30 days', max_fraction => 1,
        with_children => array['app.items(tenant_id)', 'app.items(copy_of)']);
    `);
    for (const dryRun of [true, false]) {
      expect(stepOf(await runPurge(db, { dryRun }), 'app.tenants')).toMatchObject({
        rowsPurged: 2,
        rowsUndecided: 0,
        children: { 'app.items': 80_001 },
      });
    }
    expect(await idsOf(db.sql, 'app.tenants')).toEqual([3]);
  });
});

describe('references that are released', () => {
  const users = (of: string) => `
    create table app.users (id integer primary key, deleted_at timestamptz);
    create table app.audit (id integer primary key, user_id integer references app.users on delete set null);
    insert into app.users select id, now() - interval '40 days' + id * interval '1 second' from generate_series(1, 8) id;
    insert into app.audit select id, ${of} from generate_series(1, 80) id;
    create index on app.users (deleted_at);
    create index on app.audit (user_id);
    select nightshift.add_retention_policy('app.users', '30 days', max_fraction => 1, release => array['app.audit']);
  `;

  it.each([true, false])(
    'count like rows that go with theirs: too many are divided, dry run: %s',
    async (dryRun) => {
      await db.sql.unsafe(users('1 + id % 8'));
      expect(await purgeLookingAt(12, { dryRun })).toMatchObject({
        rowsPurged: 8,
        released: { 'app.audit': 80 },
      });
    },
  );

  it('of one row, and too many for a batch, leave that one undecided, and the others go', async () => {
    await db.sql.unsafe(users('1'));
    expect(await purgeLookingAt(9, { dryRun: true })).toMatchObject({
      rowsPurged: 7,
      rowsUndecided: 1,
    });
    expect(await purgeLookingAt(9, { dryRun: false })).toMatchObject({
      rowsPurged: 7,
      rowsUndecided: 1,
    });
    expect(await idsOf(db.sql, 'app.users')).toEqual([1]);
    expect(await purgeLookingAt(10, { dryRun: false })).toMatchObject({ rowsPurged: 1 });
  });

  it('that take longer than a statement may leave their row, and not those behind it', async () => {
    await db.sql.unsafe(`
      ${users('1')}
      delete from app.users where id > 2;
      create function app.dawdle() returns trigger language plpgsql as $$ begin perform pg_catalog.pg_sleep(0.1); return new; end $$;
      create trigger dawdle before update on app.audit for each row execute function app.dawdle();
    `);
    expect(stepOf(await runPurge(db), 'app.users')).toMatchObject({
      rowsPurged: 1,
      rowsUndecided: 1,
    });
    expect(await idsOf(db.sql, 'app.users')).toEqual([1]);
  }, 60_000);
});

describe('a row that cannot go, in the middle of a chain', () => {
  it('is found, and keeps what it refers to; what refers to it goes', async () => {
    await createChain(600);
    await db.sql.unsafe(`
      create function app.guard() returns trigger language plpgsql as
        $$ begin if old.id = 300 then raise exception 'legal hold'; end if; return old; end $$;
      create trigger g before delete on app.state_rev for each row execute function app.guard();
    `);
    const result = await runPurge(db);
    expect(stepOf(result, 'app.state_rev')).toMatchObject({
      status: 'partial',
      rowsPurged: 300,
      rowsRefused: 1,
      refusedBy: { 'trigger g on app.state_rev (line 1 of app.guard())': 1 },
      rowsBlocked: 299,
    });
  });
});

describe('one row of very many that cannot go', () => {
  it('is stepped over, and the rest goes', async () => {
    await db.sql.unsafe(`
      create table app.t1 (id bigint generated always as identity primary key, hold boolean default false, deleted_at timestamptz);
      insert into app.t1 (deleted_at, hold)
      select now() - interval '200 days' + g * interval '1 second', g = 500 from generate_series(1, 5000) g;
      insert into app.t1 (deleted_at) select null from generate_series(1, 15000);
      create index on app.t1 (deleted_at) where deleted_at is not null;
      create function app.guard() returns trigger language plpgsql as
        $$ begin if old.hold then raise exception 'legal hold'; end if; return old; end $$;
      create trigger g before delete on app.t1 for each row execute function app.guard();
      analyze app.t1;
      select nightshift.add_retention_policy('app.t1', '90 days');
    `);
    const result = await runPurge(db);
    expect(result.run.status).toBe('partial');
    expect(stepOf(result, 'app.t1')).toMatchObject({
      rowsPurged: 4_999,
      rowsRefused: 1,
      refusedBy: { 'trigger g on app.t1 (line 1 of app.guard())': 1 },
      rowsLeft: 1,
    });
  }, 60_000);
});
