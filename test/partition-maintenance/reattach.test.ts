import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, startAfresh, type TestDatabase } from '../support/database.ts';
import { runMaintenance } from '../support/partitions.ts';

let db: TestDatabase;
let version: number;
beforeAll(async () => {
  db = await createDatabase();
  await db.sql`create extension if not exists btree_gist`;
  const [row] = await db.sql`
    select current_setting('server_version_num')::integer / 10000 as version`;
  version = row?.version;
});
afterAll(() => db.drop());
beforeEach(() => startAfresh(db.sql));

interface Since {
  /** What happened to the two since the partition was retired. */
  changed: string;
  detail: RegExp;
  hint: RegExp;
  /** A statement that the hint gives, after which it works. */
  mended: string;
  columns?: string;
  from?: number;
}

describe('a retired partition that does not fit its table any more', () => {
  it.each<[string, Since]>([
    [
      'has rows of another time',
      {
        changed: `alter table app.old drop constraint nightshift_retired; insert into app.old values (9, '2030-01-01')`,
        detail: /^It has rows of another time than its own, from 2024-01-01/,
        hint: /^Move them to app.m/,
        mended: 'delete from app.old where id = 9',
      },
    ],
    [
      'has rows that a new unique key does not allow',
      {
        changed: `insert into app.old select * from app.old; alter table app.m add unique (id, at)`,
        detail:
          /^app.m has gained a constraint like old_id_at_key, which rows of app.old do not satisfy/,
        hint: /^Mend those rows/,
        mended: 'delete from app.old where ctid = (select max(ctid) from app.old)',
      },
    ],
    [
      'has rows that a new foreign key does not allow',
      {
        changed:
          'create table app.k (id integer primary key); alter table app.m add foreign key (id) references app.k',
        detail: /^app.m has gained a constraint like .*fkey, which rows of app.old do not satisfy/,
        hint: /^Mend those rows/,
        mended: 'insert into app.k select id from app.old',
      },
    ],
    [
      'lacks a NOT NULL',
      {
        changed: 'alter table app.m alter note set not null',
        detail: /must be marked NOT NULL/,
        hint: /give app.old the same columns and constraints/,
        mended: "update app.old set note = ''; alter table app.old alter note set not null",
      },
    ],
    [
      'has a NOT NULL that was not validated',
      {
        from: 18,
        changed: `
          update app.old set note = ''; alter table app.old add constraint noted not null note not valid;
          alter table app.m alter note set not null`,
        detail: /conflicts with NOT VALID constraint/,
        hint: /^alter table app.old validate constraint noted; and try again/,
        mended: 'alter table app.old validate constraint noted',
      },
    ],
    [
      'has a primary key without overlaps',
      {
        from: 18,
        columns: `, during daterange default '[2024-01-01,2024-02-01)', primary key (id, at, during without overlaps)`,
        changed: 'select 1',
        detail: /multiple primary keys for table "old" are not allowed/,
        hint: /alter table app.old drop constraint old_pkey; and try again/,
        mended: 'alter table app.old drop constraint old_pkey',
      },
    ],
    [
      'has rows that overlap',
      {
        from: 18,
        columns: `, during daterange default '[2024-01-01,2024-02-01)'`,
        changed: `
          insert into app.old select * from app.old; alter table app.m add unique (id, at, during without overlaps)`,
        detail:
          /^app.m has gained a constraint like old_id_at_during.*, which rows of app.old do not satisfy/,
        hint: /^Mend those rows/,
        mended: 'delete from app.old where ctid = (select max(ctid) from app.old)',
      },
    ],
  ])('%s: the error says so, quotes no row, and its hint mends it', async (_, since) => {
    const { changed, detail, hint, mended, columns = '', from = 0 } = since;
    if (version < from) return;
    await db.sql.unsafe(`
      create table app.m (id integer, at date, note text ${columns}) partition by range (at);
      create table app.old partition of app.m for values from ('2024-01-01') to ('2024-02-01');
      create table app.new partition of app.m for values from ('2024-02-01') to ('2024-03-01');
      insert into app.m (id, at) values (1, '2024-01-10');
      select nightshift.add_partition_policy('app.m', '1 month', retention => '1 year', max_fraction => 1)`);
    await runMaintenance(db);
    await db.sql.unsafe(changed);
    const reattach = () => db.sql`select nightshift.reattach_partition('app.old')`;
    const error = await reattach().catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'NS422',
      message: 'app.old cannot be attached again',
      detail: expect.stringMatching(detail),
      hint: expect.stringMatching(hint),
    });
    expect(`${error.message} ${error.detail} ${error.hint}`).not.toMatch(/2024-01-10|2030/);
    await db.sql.unsafe(mended);
    await reattach();
    expect(await db.sql`select from app.m`).toHaveLength(1);
  });
});
