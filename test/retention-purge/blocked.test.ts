import { randomBytes } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway } from '../../infra/local/gateway.ts';
import {
  createDatabase,
  setUpDatabase,
  startAfresh,
  type TestDatabase,
} from '../support/database.ts';
import { auditDeletes, deletedIds, runPurge, stepOf } from '../support/purge.ts';
import { checksum, idsOf, range } from '../support/rows.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const due = "now() - interval '40 days'";
const policy = (relation: string) =>
  `select nightshift.add_retention_policy('${relation}', '30 days', max_fraction => 1);`;
const indexed = (relation: string) => `create index on ${relation} (deleted_at);`;

describe.each(['no action', 'restrict', 'cascade', 'set null', 'set default'])(
  'rows that a foreign key needs, on delete %s',
  (action) => {
    it('are left and counted by its name; nothing cascades, and the others go', async () => {
      await db.sql.unsafe(`
        create table app.parents (id integer primary key, deleted_at timestamptz);
        create table app.children (
          id integer primary key,
          parent_id integer default 0 constraint "child's parent" references app.parents on delete ${action}
        );
        insert into app.parents select id, case when id > 0 then ${due} end from generate_series(0, 10) id;
        insert into app.children values (1, 3), (2, 5), (3, 5), (4, null), (5, 0);
        create index on app.children (parent_id);
        ${indexed('app.parents')} ${policy('app.parents')}
      `);
      const before = await checksum(db.sql, 'app.children');
      const parentsBefore = await checksum(db.sql, 'app.parents', 'id in (0, 3, 5)');
      const result = await runPurge(db);
      expect(result.run.status).toBe('partial');
      expect(stepOf(result, 'app.parents')).toMatchObject({
        status: 'partial',
        dueRows: 10,
        rowsPurged: 8,
        rowsBlocked: 2,
        blockedBy: { '"child\'s parent" on app.children': 2 },
        rowsLeft: 2,
        reason: '2 still needed by rows that stay',
      });
      expect(await checksum(db.sql, 'app.children')).toBe(before);
      expect(await checksum(db.sql, 'app.parents')).toBe(parentsBefore);
    });
  },
);

describe('a row that several foreign keys need', () => {
  it('counts as one blocked row, and once for each of them', async () => {
    await db.sql.unsafe(`
      create table app.parents (id integer primary key, code text unique, deleted_at timestamptz);
      create table app.by_id (id bigint references app.parents);
      create table app.by_code (code text references app.parents (code) on delete cascade);
      insert into app.parents select id, 'code ' || id, ${due} from generate_series(1, 6) id;
      insert into app.by_id values (1), (2), (3);
      insert into app.by_code values ('code 3'), ('code 4');
      ${indexed('app.parents')} ${policy('app.parents')}
    `);
    const step = stepOf(await runPurge(db), 'app.parents');
    expect(step).toMatchObject({ rowsPurged: 2, rowsBlocked: 4, rowsLeft: 4 });
    expect(step.blockedBy).toEqual({
      'by_id_id_fkey on app.by_id': 3,
      'by_code_code_fkey on app.by_code': 2,
    });
    expect(await idsOf(db.sql, 'app.parents')).toEqual([1, 2, 3, 4]);
    expect(await db.sql`select code from app.by_code order by code`).toHaveLength(2);
  });
});

/** Rows of one table that refer to each other: parentOf says to which, 0 being a row that is not due. */
async function createTree(count: number, parentOf: (id: number) => number | null) {
  const rows = range(1, count).map((id) => `(${id}, ${parentOf(id) ?? 'null'})`);
  await db.sql.unsafe(`
    create table app.nodes (id integer primary key, parent_id integer, deleted_at timestamptz);
    insert into app.nodes values (0, null, null);
    insert into app.nodes
    select id, parent_id, ${due} + id * interval '1 second' from (values ${rows}) v (id, parent_id);
    alter table app.nodes add foreign key (parent_id) references app.nodes on delete cascade;
    create index on app.nodes (parent_id);
    -- Among many rows that stay, the walk follows the index: five rows a batch, in order of their ids.
    insert into app.nodes select id from generate_series(10001, 14000) id;
    ${indexed('app.nodes')}
    analyze app.nodes;
    ${policy('app.nodes')}
  `);
  await auditDeletes(db.sql, 'app.nodes');
}

describe('rows of one table that refer to each other', () => {
  const inBatchesOfFive = { batchRows: 5 };

  it.each([
    ['upwards', (id: number) => id - 1],
    ['downwards', (id: number) => (id < 40 ? id + 1 : 0)],
  ])('go in a chain far longer than a batch, %s', async (_, parentOf) => {
    await createTree(40, parentOf);
    const result = await runPurge(db, {}, inBatchesOfFive);
    expect(stepOf(result, 'app.nodes')).toMatchObject({ rowsPurged: 40, rowsBlocked: 0 });
    expect(await deletedIds(db.sql)).toEqual(range(1, 40));
    expect(result.run.status).toBe('succeeded');
  });

  it.each([
    ['upwards', (id: number) => id - 1, 40],
    ['downwards', (id: number) => (id < 40 ? id + 1 : 0), 1],
  ])('all stay in a chain whose far end is needed, %s', async (_, parentOf, end) => {
    await createTree(40, parentOf);
    await db.sql`insert into app.nodes values (99, ${end}, null)`;
    const result = await runPurge(db, {}, inBatchesOfFive);
    expect(stepOf(result, 'app.nodes')).toMatchObject({
      rowsPurged: 0,
      rowsBlocked: 40,
      blockedBy: { 'nodes_parent_id_fkey on app.nodes': 40 },
      rowsLeft: 40,
    });
    expect(await deletedIds(db.sql)).toEqual([]);
  });

  it('go up to the row that is needed, when that is in the middle of the chain', async () => {
    await createTree(40, (id) => id - 1);
    await db.sql`insert into app.nodes values (99, 20, null)`;
    const result = await runPurge(db, {}, inBatchesOfFive);
    expect(await deletedIds(db.sql)).toEqual(range(21, 40));
    expect(stepOf(result, 'app.nodes')).toMatchObject({ rowsPurged: 20, rowsBlocked: 20 });
  });

  it('go when a row refers to itself, or several to each other in a ring', async () => {
    await createTree(12, (id) => (id === 12 ? 12 : id === 11 ? 1 : id + 1));
    const result = await runPurge(db, {}, inBatchesOfFive);
    expect(await deletedIds(db.sql)).toEqual(range(1, 12));
    expect(result.run.status).toBe('succeeded');
  });

  it('go in a chain of a thousand within the time of a batch', async () => {
    await createTree(1_000, (id) => id - 1);
    const result = await runPurge(db, {}, inBatchesOfFive);
    expect(stepOf(result, 'app.nodes').error).toBeUndefined();
    expect((await deletedIds(db.sql)).length).toBe(1_000);
  });
});

describe('a table that refers to itself, and to another', () => {
  it('has its turn before that one, so that both lose their due rows in one night', async () => {
    await db.sql.unsafe(`
      create table app.groups (id integer primary key, deleted_at timestamptz);
      create table app.nodes (
        id integer primary key, parent_id integer references app.nodes, group_id integer references app.groups, deleted_at timestamptz
      );
      insert into app.groups select id, ${due} from generate_series(1, 9) id;
      insert into app.nodes select id, nullif(id / 2, 0), 1 + id % 9, ${due} from generate_series(1, 90) id;
      create index on app.nodes (parent_id);
      create index on app.nodes (group_id);
      ${indexed('app.groups')} ${indexed('app.nodes')}
      ${policy('app.groups')} ${policy('app.nodes')}
    `);
    const result = await runPurge(db);
    expect(stepOf(result, 'app.nodes')).toMatchObject({ rowsPurged: 90 });
    expect(stepOf(result, 'app.groups')).toMatchObject({ rowsPurged: 9, rowsBlocked: 0 });
  });
});

describe('two tables that refer to each other', () => {
  /** Each author has a book that refers back; book 12 stays, and so does its author. */
  async function createCouples() {
    await db.sql.unsafe(`
      create table app.authors (id integer primary key, best_book integer, deleted_at timestamptz);
      create table app.books (
        id integer primary key, author integer references app.authors on delete cascade, deleted_at timestamptz
      );
      alter table app.authors add foreign key (best_book) references app.books on delete set null;
      insert into app.authors select id, null, ${due} from generate_series(1, 12) id;
      insert into app.books select id, id, case when id <= 11 then ${due} end from generate_series(1, 12) id;
      insert into app.books select 20 + id, id, ${due} from generate_series(1, 5) id;
      update app.authors set best_book = id;
    `);
    await db.sql.unsafe(`
      create index on app.authors (best_book);
      create index on app.books (author);
      ${indexed('app.authors')} ${indexed('app.books')}
      ${policy('app.authors')} ${policy('app.books')}
    `);
  }

  it('lose their due rows together, counted where they belong, but for those needed', async () => {
    await createCouples();
    const result = await runPurge(db);
    expect(await db.sql`select id, best_book from app.authors`).toEqual([
      { id: 12, best_book: 12 },
    ]);
    expect(await db.sql`select id, author from app.books`).toEqual([{ id: 12, author: 12 }]);
    expect(stepOf(result, 'app.authors')).toMatchObject({
      dueRows: 12,
      rowsPurged: 11,
      rowsBlocked: 1,
      blockedBy: { 'books_author_fkey on app.books': 1 },
    });
    expect(stepOf(result, 'app.books')).toMatchObject({
      dueRows: 16,
      rowsPurged: 16,
      rowsBlocked: 0,
    });
    expect(result.report).toMatchObject({ rowsPurged: 27, rowsBlocked: 1, rowsLeft: 1 });
  });

  it('are reported with all they lost, although the turn of the second one fails', async () => {
    await createCouples();
    const result = await runPurge(
      db,
      {},
      {
        beforeBatch: (_, relation) =>
          relation === 'app.books' &&
          db.sql`select nightshift.alter_retention_policy('app.books', enabled => false)`,
      },
    );
    expect(await idsOf(db.sql, 'app.authors')).toEqual([12]);
    expect(stepOf(result, 'app.books')).toMatchObject({ status: 'failed', rowsPurged: 16 });
    expect(result.report.rowsPurged).toBe(27);
  });
});

describe('partitioned tables', () => {
  const partitioned = (relation: string) => `
    create table ${relation}_1 partition of ${relation} for values from (1) to (100);
    create table ${relation}_2 partition of ${relation} for values from (100) to (200) partition by range (id);
    create table ${relation}_2a partition of ${relation}_2 for values from (100) to (150);
    create table ${relation}_2b partition of ${relation}_2 for values from (150) to (200);
  `;

  it('that are referred to keep the rows that are needed, in every partition', async () => {
    await db.sql.unsafe(`
      create table app.parents (id integer, tenant integer, deleted_at timestamptz, primary key (tenant, id)) partition by range (id);
      ${partitioned('app.parents')}
      create table app.children (
        id integer primary key, tenant integer, parent_id integer,
        foreign key (tenant, parent_id) references app.parents on delete cascade
      );
      insert into app.parents select id, 7, ${due} from unnest(array[1, 2, 101, 102, 151, 152]) id;
      insert into app.children values (1, 7, 1), (2, 7, 101), (3, 7, 151), (4, null, 2), (5, 7, null);
      ${indexed('app.parents')} ${policy('app.parents')}
    `);
    const before = await checksum(db.sql, 'app.children');
    const step = stepOf(await runPurge(db), 'app.parents');
    expect(await idsOf(db.sql, 'app.parents')).toEqual([1, 101, 151]);
    expect(await checksum(db.sql, 'app.children')).toBe(before);
    expect(step).toMatchObject({
      rowsPurged: 3,
      rowsBlocked: 3,
      blockedBy: { 'children_tenant_parent_id_fkey on app.children': 3 },
    });
  });

  it('that refer keep what they need, and go first where they are due themselves', async () => {
    await db.sql.unsafe(`
      create table app.parents (id integer primary key, deleted_at timestamptz);
      create table app.children (id integer, parent_id integer, deleted_at timestamptz) partition by range (id);
      ${partitioned('app.children')}
      insert into app.parents select id, ${due} from generate_series(1, 8) id;
      insert into app.children values
        (1, 1, null), (101, 2, null), (151, 3, null),
        (2, 4, ${due}), (102, 5, ${due}), (152, 6, ${due}), (103, 3, ${due});
      alter table app.children add constraint of_children foreign key (parent_id) references app.parents on delete set null;
      alter table app.children_2b add constraint of_leaf foreign key (id) references app.parents not valid;
      create index on app.children (parent_id);
      ${indexed('app.parents')} ${indexed('app.children')}
      ${policy('app.parents')} ${policy('app.children')}
    `);
    const result = await runPurge(db);
    expect(await idsOf(db.sql, 'app.parents')).toEqual([1, 2, 3]);
    expect(await idsOf(db.sql, 'app.children')).toEqual([1, 101, 151]);
    expect(stepOf(result, 'app.children')).toMatchObject({ rowsPurged: 4, rowsBlocked: 0 });
    expect(stepOf(result, 'app.parents')).toMatchObject({
      rowsPurged: 5,
      blockedBy: { 'of_children on app.children': 3 },
    });
  });

  it('are purged in all partitions, each walked in its own way', async () => {
    await db.sql.unsafe(`
      create table app.logs (id integer, at timestamptz, filler text default repeat('x', 300)) partition by range (id);
      create table app.logs_dense partition of app.logs for values from (1) to (1001);
      create table app.logs_empty partition of app.logs for values from (5000) to (6000);
      create table app.logs_sparse partition of app.logs for values from (10001) to (20001);
      create table app.logs_rest partition of app.logs default;
      insert into app.logs select id, ${due} from generate_series(1, 200) id;
      insert into app.logs select id, case when id % 1000 = 0 then ${due} - id * interval '1 second' end
      from generate_series(10001, 20000) id;
      insert into app.logs values (99999, ${due}), (99998, now());
      create index on app.logs (at);
      analyze app.logs;
      select nightshift.add_retention_policy('app.logs', '30 days', 'at');
    `);
    const modes = new Map();
    const result = await runPurge(
      db,
      {},
      {
        batchRows: 8,
        beforeBatch: async () => {
          const [row] = await db.sql`
            select (progress #>> '{steps,app.logs,cursor,leaf}')::bigint::regclass::text as leaf,
              progress #>> '{steps,app.logs,cursor,mode}' as mode
            from nightshift.runs where status = 'running'`;
          if (row?.leaf) modes.set(row.leaf, row.mode);
        },
      },
    );
    expect(modes.get('app.logs_dense')).toBe('sweep');
    expect(modes.get('app.logs_sparse')).toBe('index');
    expect(result.run.status).toBe('succeeded');
    expect(stepOf(result, 'app.logs')).toMatchObject({
      dueRows: 211,
      rowsPurged: 211,
      rowsLeft: 0,
    });
    const [left] =
      await db.sql`select count(*)::int as rows, count(at)::int as with_time from app.logs`;
    expect(left).toEqual({ rows: 9_991, with_time: 1 });
  });
});

describe('a migration that marks rows, indexes the marker and declares the policy', () => {
  it('may do so in one transaction', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, removed boolean, deleted_at timestamptz);
      insert into app.items (id, removed) select id, id <= 3 from generate_series(1, 10) id;
    `);
    await db.sql.begin(async (migration) => {
      await migration.unsafe(`update app.items set deleted_at = ${due} where removed`);
      await migration.unsafe(indexed('app.items'));
      await migration.unsafe(policy('app.items'));
    });
    expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 3, rowsLeft: 0 });
  });
});

describe('a table that others inherit from', () => {
  it('is measured as it is purged: without the rows of its heirs', async () => {
    await db.sql.unsafe(`
      create table app.parents (id integer primary key, deleted_at timestamptz);
      create table app.heirs () inherits (app.parents);
      insert into app.parents values (1, ${due}), (2, null);
      insert into app.heirs values (3, ${due}), (4, ${due});
      ${indexed('app.parents')} ${policy('app.parents')}
    `);
    const result = await runPurge(db);
    expect(await idsOf(db.sql, 'app.parents')).toEqual([2, 3, 4]);
    expect(stepOf(result, 'app.parents')).toMatchObject({ dueRows: 1, rowsPurged: 1, rowsLeft: 0 });
    expect(result.run.status).toBe('succeeded');
  });
});

describe('foreign keys of other kinds', () => {
  it('that are deferred or not yet validated hold like any other', async () => {
    await db.sql.unsafe(`
      create table app.parents (id integer primary key, deleted_at timestamptz);
      create table app.deferred (parent_id integer references app.parents on delete cascade deferrable initially deferred);
      create table app.unchecked (parent_id integer);
      insert into app.parents select id, ${due} from generate_series(1, 4) id;
      insert into app.deferred values (1);
      insert into app.unchecked values (2), (99);
      alter table app.unchecked add constraint unchecked foreign key (parent_id) references app.parents on delete cascade not valid;
      ${indexed('app.parents')} ${policy('app.parents')}
    `);
    const step = stepOf(await runPurge(db), 'app.parents');
    expect(step.blockedBy).toEqual({
      'deferred_parent_id_fkey on app.deferred': 1,
      'unchecked on app.unchecked': 1,
    });
    expect(await idsOf(db.sql, 'app.parents')).toEqual([1, 2]);
    expect(await db.sql`select from app.deferred union all select from app.unchecked`).toHaveLength(
      3,
    );
  });

  it('without an index are warned of, with the statement that mends it', async () => {
    await db.sql.unsafe(`
      create table app.parents (id integer primary key, deleted_at timestamptz);
      create table app.children ("Parent Id" integer references app.parents);
      insert into app.parents select id, ${due} from generate_series(1, 4) id;
      insert into app.children values (2);
      ${indexed('app.parents')} ${policy('app.parents')}
    `);
    const step = stepOf(await runPurge(db), 'app.parents');
    expect(step).toMatchObject({ rowsPurged: 3, rowsBlocked: 1 });
    expect(step.warnings).toEqual([
      expect.stringContaining('create index concurrently on app.children ("Parent Id");'),
    ]);
    await db.sql`create index on app.children ("Parent Id")`;
    expect(stepOf(await runPurge(db), 'app.parents').warnings).toEqual([]);
  });
});

describe('triggers of the application', () => {
  it('after delete run with the names that the application sees', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz);
      insert into app.items select id, ${due} from generate_series(1, 4) id;
      ${indexed('app.items')} ${policy('app.items')}
      create table public.purge_audit (id integer);
      create function app.audit() returns trigger language plpgsql as
        $$ begin insert into purge_audit values (old.id); return null; end $$;
      create trigger audit after delete on app.items for each row execute function app.audit();
    `);
    const result = await runPurge(db);
    const audited = await idsOf(db.sql, 'public.purge_audit');
    await db.sql`drop table public.purge_audit`;
    expect(result.run.status).toBe('succeeded');
    expect(audited).toEqual([1, 2, 3, 4]);
  });

  it('that keep a counter on the parent agree with the rows that stay', async () => {
    await db.sql.unsafe(`
      create table app.posts (id integer primary key, comments integer not null, deleted_at timestamptz);
      create table app.comments (
        id integer primary key, post_id integer references app.posts on delete cascade, deleted_at timestamptz
      );
      create function app.count_down() returns trigger language plpgsql as
        $$ begin update app.posts set comments = comments - 1 where id = old.post_id; return null; end $$;
      create trigger count_down after delete on app.comments for each row execute function app.count_down();
      insert into app.posts select id, 3, case when id <= 10 then ${due} end from generate_series(1, 20) id;
      insert into app.comments
      select 3 * post + n, post, case when n < 2 then ${due} end from generate_series(1, 20) post, generate_series(0, 2) n;
      create index on app.comments (post_id);
      ${indexed('app.posts')} ${indexed('app.comments')}
      ${policy('app.posts')} ${policy('app.comments')}
    `);
    const result = await runPurge(db, {}, { batchRows: 3 });
    expect(stepOf(result, 'app.comments')).toMatchObject({ rowsPurged: 40, rowsLeft: 0 });
    expect(stepOf(result, 'app.posts')).toMatchObject({ rowsPurged: 0, rowsBlocked: 10 });
    expect(await db.sql`select distinct comments from app.posts`).toEqual([{ comments: 1 }]);
  });

  it('before delete that keep a row are stepped over by name, and the others go', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz);
      create table app.attempts (id integer);
      insert into app.items select id, ${due} from generate_series(1, 9) id;
      ${indexed('app.items')} ${policy('app.items')}
      create function app.keep() returns trigger language plpgsql as $$
      begin
        insert into app.attempts values (old.id);
        if old.id in (3, 7) then return null; end if;
        return old;
      end $$;
      create trigger "keep it" before delete on app.items for each row execute function app.keep();
    `);
    const result = await runPurge(db);
    expect(stepOf(result, 'app.items')).toMatchObject({
      status: 'partial',
      rowsPurged: 7,
      rowsRefused: 2,
      refusedBy: { 'trigger "keep it" on app.items (app.keep())': 2 },
      rowsLeft: 2,
      reason: '2 not let go by a trigger or constraint',
    });
    expect(await idsOf(db.sql, 'app.items')).toEqual([3, 7]);
    // What a trigger did for a row that stays is undone with it.
    expect((await db.sql`select id from app.attempts where id in (3, 7)`).length).toBe(0);
    expect(result.run.status).toBe('partial');
  });

  it('that raise are named with the line, and their words stay in the Postgres log', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz, email text);
      insert into app.items select id, ${due}, 'someone@example.org' from generate_series(1, 4) id;
      ${indexed('app.items')} ${policy('app.items')}
      create function app.refuse() returns trigger language plpgsql as $$ begin
        raise exception using message = 'invoice open for ' || old.email, constraint = old.email, errcode = '23505';
      end $$;
      create trigger refuse before delete on app.items for each row execute function app.refuse();
    `);
    const result = await runPurge(db);
    expect(stepOf(result, 'app.items')).toMatchObject({
      status: 'partial',
      rowsRefused: 4,
      refusedBy: { 'trigger refuse on app.items (line 2 of app.refuse())': 4 },
    });
    expect(JSON.stringify(result.run)).not.toContain('someone@example.org');
    expect(await idsOf(db.sql, 'app.items')).toEqual([1, 2, 3, 4]);
  });

  it('that refuse every row fail the step after some, and the other tables go on', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz);
      create table app.orders (id integer primary key, deleted_at timestamptz);
      insert into app.items select id, ${due} from generate_series(1, 200) id;
      insert into app.orders select id, ${due} from generate_series(1, 4) id;
      ${indexed('app.items')} ${policy('app.items')} ${indexed('app.orders')} ${policy('app.orders')}
      create function app.refuse() returns trigger language plpgsql as
        $$ begin raise exception 'never'; end $$;
      create trigger refuse before delete on app.items for each row execute function app.refuse();
    `);
    const result = await runPurge(db);
    expect(stepOf(result, 'app.items')).toMatchObject({
      status: 'failed',
      rowsPurged: 0,
      error: {
        code: 'NS422',
        message: expect.stringContaining('trigger refuse on app.items'),
        hint: expect.stringContaining('BEFORE DELETE'),
      },
    });
    expect(stepOf(result, 'app.orders')).toMatchObject({ status: 'succeeded', rowsPurged: 4 });
    expect(result.run.status).toBe('partial');
  });
});

describe('row level security', () => {
  const createItems = (sql: TestDatabase['sql']) =>
    sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz);
      alter table app.items enable row level security;
      alter table app.items force row level security;
      insert into app.items select id, ${due} from generate_series(1, 4) id;
      ${indexed('app.items')} ${policy('app.items')}
    `);

  it('that is forced on a table does not hide its due rows', async () => {
    await createItems(db.sql);
    const result = await runPurge(db);
    expect(result.run.status).toBe('succeeded');
    expect(await idsOf(db.sql, 'app.items')).toEqual([]);
  });

  it('that holds for the owner of the functions is an error, never a purge of nothing', async () => {
    const bound = await createDatabase();
    const role = `bound_${randomBytes(6).toString('hex')}`;
    try {
      await startAfresh(bound.sql);
      await createItems(bound.sql);
      await bound.sql.unsafe(`
          create role ${role} nologin;
          alter table app.items owner to ${role};
          grant usage on schema app to ${role};
          do $$
          declare
            object text;
          begin
            for object in
              select format('function %s', p.oid::regprocedure) from pg_proc p where p.pronamespace = 'nightshift'::regnamespace
              union all
              select format('table %s', c.oid::regclass) from pg_class c
              where c.relnamespace = 'nightshift'::regnamespace and c.relkind in ('r', 'S')
                -- The sequence of an identity column goes with its table.
                and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'i')
            loop
              execute format('alter %s owner to ${role}', object);
            end loop;
            grant usage on schema nightshift to ${role};
          end $$;
        `);
      const result = await runPurge(bound);
      expect(result.run.status).toBe('failed');
      expect(stepOf(result, 'app.items')).toMatchObject({
        status: 'failed',
        error: { code: '42501', hint: expect.stringContaining('row level security') },
      });
      expect((await idsOf(bound.sql, 'app.items')).length).toBe(4);
    } finally {
      await bound.drop();
      await db.sql.unsafe(`drop role if exists ${role}`);
    }
  });
});

describe('a dry run', () => {
  /** Tables with everything that decides: cycles, blocked rows, flags, partitions. */
  async function createShop() {
    await db.sql.unsafe(`
      create table app.users (id integer primary key, deleted_at timestamptz);
      create table app.orders (
        id integer primary key, user_id integer references app.users on delete cascade,
        first_line integer, deleted_at timestamptz
      );
      create table app.lines (
        id integer primary key, order_id integer references app.orders on delete cascade, deleted_at timestamptz
      );
      alter table app.orders add foreign key (first_line) references app.lines on delete set null;
      insert into app.users select id, case when id % 2 = 0 then ${due} end from generate_series(1, 60) id;
      insert into app.orders select id, id, null, case when id % 3 > 0 then ${due} end from generate_series(1, 60) id;
      insert into app.lines select id, 1 + id % 60, case when id % 7 > 0 then ${due} end from generate_series(1, 180) id;
      update app.orders o set first_line = (select min(l.id) from app.lines l where l.order_id = o.id);
    `);
    await db.sql.unsafe(`
      create index on app.orders (user_id);
      create index on app.orders (first_line);
      create index on app.lines (order_id);
      ${['users', 'orders', 'lines'].map((t) => indexed(`app.${t}`) + policy(`app.${t}`)).join('\n')}
    `);
  }
  const tables = ['app.users', 'app.orders', 'app.lines'];
  /** Changes with every update, delete and row lock, even one that was rolled back. */
  const physically = () =>
    Promise.all(tables.map((t) => checksum(db.sql, `(select ctid, xmin, xmax, r.* from ${t} r)`)));

  it('writes nothing to the tables, not even a lock', async () => {
    await createShop();
    const before = await physically();
    const policies = await checksum(db.sql, 'nightshift.retention_policies');
    const counters = () => db.sql`
      select relname, n_tup_ins, n_tup_upd, n_tup_del
      from pg_stat_user_tables where schemaname = 'app' order by relname`;
    await db.sql`select pg_stat_force_next_flush()`;
    await until('the counters show what was inserted', async () => {
      return (await counters()).every((row) => Number(row.n_tup_ins) >= 60);
    });
    const countersBefore = await counters();

    const gateway = await startGateway({ databaseUrl: db.url, schemas: ['nightshift'] });
    const result = await runPurge(db, { dryRun: true }, { gateway, batchRows: 10 });
    // The server adds up what a connection did when it ends.
    await gateway.close();
    expect(result.report.rowsPurged).toBeGreaterThan(0);
    expect(await physically()).toEqual(before);
    expect(await checksum(db.sql, 'nightshift.retention_policies')).toBe(policies);
    expect(await counters()).toEqual(countersBefore);
  });

  it('counts exactly what the real run then deletes and leaves', async () => {
    await createShop();
    const dry = await runPurge(db, { dryRun: true }, { batchRows: 10 });
    const wet = await runPurge(db, {}, { batchRows: 10 });
    const counts = ({ report }: typeof dry) =>
      report.steps.map(({ relation, dueRows, rowsPurged, rowsBlocked, rowsLeft }) => ({
        relation,
        dueRows,
        rowsPurged,
        rowsBlocked,
        rowsLeft: report.dryRun ? rowsLeft - rowsPurged : rowsLeft,
      }));
    expect(counts(dry)).toEqual(counts(wet));
    expect(dry.run).toMatchObject({ dryRun: true, status: 'succeeded' });
    for (const step of wet.report.steps) {
      expect(step.rowsPurged).toBeGreaterThan(0);
      expect(step.rowsPurged + step.rowsBlocked).toBe(step.dueRows);
    }
  });

  it('waits for no lock on rows and counts rows that others hold', async () => {
    await createShop();
    const unlocked = await runPurge(db, { dryRun: true });
    const user = db.connect();
    await user`begin`;
    await user`select from app.lines for update`;
    const locked = await runPurge(db, { dryRun: true });
    await user`rollback`;
    expect(locked.report.rowsPurged).toBe(unlocked.report.rowsPurged);
  });
});

describe('very many rows with one marker', () => {
  const index = setUpDatabase();
  beforeAll(async () => {
    const [database] = await index.sql`select current_database() as name`;
    await index.sql.unsafe(`alter database "${database?.name}" set enable_seqscan = off`);
  });

  it('among others with markers of their own drain, and no batch goes back', async () => {
    await startAfresh(index.sql);
    await index.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz, filler text default repeat('x', 100));
      insert into app.items
      select id, ${due} + case when id % 20 = 0 then id * interval '1 millisecond' else interval '1 second' end
      from generate_series(1, 42000) id;
      ${indexed('app.items')}
      analyze app.items;
      ${policy('app.items')}
    `);
    await auditDeletes(index.sql, 'app.items');
    const cursors: { mode: string; page: number; gone: number }[] = [];
    const result = await runPurge(
      index,
      {},
      {
        batchRows: 1_000,
        beforeBatch: async () => {
          const [row] = await index.sql`
            select cursor ->> 'mode' as mode,
              case cursor ->> 'mode' when 'sweep' then ((cursor ->> 'after')::tid::text::point)[0]::int end as page,
              (select count(*)::int from app.deleted) as gone
            from nightshift.runs, lateral (select progress #> '{steps,app.items,cursor}') s (cursor)
            where status = 'running'`;
          if (row?.mode) cursors.push({ mode: row.mode, page: row.page, gone: row.gone });
        },
      },
    );
    expect(await deletedIds(index.sql)).toEqual(range(1, 42_000));
    expect(result.run.status).toBe('succeeded');
    expect(stepOf(result, 'app.items')).toMatchObject({ rowsPurged: 42_000, rowsLeft: 0 });

    const sweeps = cursors.filter(({ mode }) => mode === 'sweep');
    const pages = sweeps.map(({ page }) => page);
    expect(pages.length).toBeGreaterThan(10);
    expect(pages).toEqual(pages.toSorted((a, b) => a - b));
    // Every batch of the sweep found about as much as the first: none only walked over the dead.
    const found = sweeps.slice(1).map(({ gone }, n) => gone - (sweeps[n]?.gone ?? 0));
    expect(Math.min(...found)).toBeGreaterThan(Math.max(...found) / 2);
  });
});
