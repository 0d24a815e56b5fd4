import { beforeAll, beforeEach, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';

const db = setUpDatabase();
beforeAll(() =>
  db.sql.unsafe(`
    create schema kinds;
    create type kinds.size as enum ('small', 'large', 'huge');
    create domain kinds.code as varchar(3);
  `),
);
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql`truncate nightshift.deletion_events`;
});

/** Columns of the primary key, and a key each of a row to delete, of another, of one that stays, and of none. */
const kinds: [columns: string, keys: [unknown, unknown, unknown, unknown]][] = [
  ['id bigint', [1, 2, 3, 4]],
  ['k bigint', [1, 2, 3, 4]],
  ['r text', ['a, "b"', "it's", '{}', 'none']],
  ['id uuid', [1, 2, 3, 4].map((n) => `00000000-0000-7000-8000-00000000000${n}`) as never],
  ['id numeric', [1.5, -2, 3e30, 4]],
  ['id boolean', [true, false, null, null]],
  ['"Size" kinds.size', ['small', 'large', 'huge', null]],
  ['"of" kinds.code', ['abc', '', 'x', 'abcd']],
  ['id date', ['2026-01-01', '2026-01-02', '0001-01-01', '2026-01-04']],
  [
    'k integer, "R" text',
    [
      { k: 1, R: 'a' },
      { k: 1, R: 'b' },
      { k: 2, R: 'a' },
      { k: 2, R: 'b' },
    ],
  ],
];

it.each(
  kinds.flatMap(([columns, keys]) => [false, true].map((parts) => ({ columns, keys, parts }))),
)(
  'knows rows by $columns, in partitions: $parts',
  async ({ columns, keys: [one, two, stays, none], parts }) => {
    const names = columns.split(', ').map((column) => column.replace(/ .*/, ''));
    const call = async (name: string, keys: unknown[]) => {
      const [row] = await db.sql.unsafe(
        `select nightshift.${name}('app.keyed', $1::text::jsonb) as answer`,
        [JSON.stringify(keys.filter((key) => key !== null))],
      );
      return row?.answer;
    };
    const absent = none === null ? 0 : 1;
    await db.sql.unsafe(`
      create table app.keyed (${columns}, primary key (${names})) ${parts ? `partition by hash (${names})` : ''};
      ${parts ? [0, 1].map((n) => `create table app.keyed_${n} partition of app.keyed for values with (modulus 2, remainder ${n});`).join('') : ''}
    `);
    for (const key of [one, two, stays].filter((key) => key !== null)) {
      const value = typeof key === 'object' ? key : { [names[0]?.replaceAll('"', '') ?? '']: key };
      await db.sql.unsafe(
        `insert into app.keyed select * from jsonb_populate_record(null::app.keyed, $1::text::jsonb)`,
        [JSON.stringify(value)],
      );
    }
    await db.sql`select nightshift.enable_soft_delete('app.keyed')`;

    expect(await call('soft_delete', [one, two, one, none])).toMatchObject({
      deleted: 2,
      notFound: absent,
    });
    expect(await call('soft_delete', [two, one, stays])).toMatchObject({
      deleted: stays === null ? 0 : 1,
      alreadyDeleted: 2,
    });
    expect(await call('restore', [none, two, one, two])).toMatchObject({
      restored: 2,
      notFound: absent,
      failed: [],
    });
    const events = await db.sql<{ action: string; keys: unknown[] }[]>`
      select action, keys from nightshift.deletion_events where relation_name = 'app.keyed' order by id`;
    const sets = events.map(({ action, keys }) => [action, new Set(keys)]);
    expect(sets).toEqual([
      ['delete', new Set([one, two])],
      ...(stays === null ? [] : [['delete', new Set([stays])]]),
      ['restore', new Set([one, two])],
    ]);
  },
);
