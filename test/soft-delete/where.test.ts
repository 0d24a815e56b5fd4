import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { idsOf, range } from '../support/rows.ts';
import { until, waiting } from '../support/waiting.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    create type app.mood as enum ('sad', 'fine');
    create domain app.short as varchar(5);
    create table app."Odd Tasks" (
      id integer primary key, "State" app.short, mood app.mood, score numeric, day date, tags text[], note jsonb, raw json, owner uuid
    );
    insert into app."Odd Tasks"
    select n, case when n % 2 = 0 then 'even' else 'odd' end, case when n > 5 then 'fine' else 'sad' end::app.mood, n / 2.0,
      date '2026-01-01' + n, array[n::text], to_jsonb(n), '{}', case when n <> 3 then lpad(n::text, 32, '0')::uuid end
    from generate_series(1, 10) n;
    create table app.steps (id integer primary key, task_id integer references app."Odd Tasks");
    insert into app.steps select n, (n + 1) / 2 from generate_series(1, 20) n;
    select nightshift.enable_soft_delete('app.steps');
    select nightshift.enable_soft_delete('app."Odd Tasks"', cascade => array['app.steps']);
  `);
});

const where = async (condition: unknown, options = '') => {
  const [row] = await db.sql.unsafe(
    `select nightshift.soft_delete_where('app."Odd Tasks"', $1${options}) as answer`,
    [condition as never],
  );
  return row?.answer;
};
const deleted = () => idsOf(db.sql, 'app."Odd Tasks" where deleted_at is not null');

describe('soft_delete_where', () => {
  it.each([
    ['a text of a domain', [{ column: 'State', operator: 'eq', value: 'odd' }], [1, 3, 5, 7, 9]],
    ['another text', [{ column: 'State', operator: 'neq', value: 'odd' }], [2, 4, 6, 8, 10]],
    ['an enum in its order', [{ column: 'mood', operator: 'gt', value: 'sad' }], range(6, 10)],
    ['a number', [{ column: 'score', operator: 'lte', value: 1.5 }], [1, 2, 3]],
    ['a date', [{ column: 'day', operator: 'gte', value: '2026-01-10' }], [9, 10]],
    ['an integer less than', [{ column: 'id', operator: 'lt', value: 3 }], [1, 2]],
    ['json', [{ column: 'note', operator: 'eq', value: 7 }], [7]],
    ['one of several', [{ column: 'id', operator: 'in', value: [2, '4', 99] }], [2, 4]],
    ['none of none', [{ column: 'id', operator: 'in', value: [] }], []],
    ['null', [{ column: 'owner', operator: 'is_null' }], [3]],
    [
      'all that is asked for',
      [
        { column: 'owner', operator: 'not_null' },
        { column: 'State', operator: 'eq', value: 'odd' },
        { column: 'id', operator: 'gt', value: 6 },
      ],
      [7, 9],
    ],
  ])('deletes by %s', async (_, condition, ids) => {
    const answer = await where(condition);
    expect(answer).toMatchObject({ deleted: ids.length, notFound: 0, more: false });
    expect(answer.cascaded).toEqual(ids.length > 0 ? { 'app.steps': ids.length * 2 } : {});
    expect(await deleted()).toEqual(ids);
  });

  it.each([
    ['nothing', []],
    ['no array', { column: 'id', operator: 'eq', value: 1 }],
    ['null', null],
    ['no column of the table', [{ column: 'gone', operator: 'eq', value: 1 }]],
    ['SQL as a column', [{ column: 'id = id or id', operator: 'eq', value: 1 }]],
    ['a system column', [{ column: 'ctid', operator: 'eq', value: '(0,1)' }]],
    ['an unknown operator', [{ column: 'id', operator: '=', value: 1 }]],
    ['no operator', [{ column: 'id', value: 1 }]],
    ['a text', ['id = 1']],
    ['null as a value', [{ column: 'id', operator: 'eq', value: null }]],
    ['null in a list', [{ column: 'id', operator: 'in', value: [1, null] }]],
    ['a value for is_null', [{ column: 'id', operator: 'is_null', value: 1 }]],
    ['one value as a list', [{ column: 'id', operator: 'in', value: 1 }]],
    ['a value of another type', [{ column: 'id', operator: 'eq', value: '1 or true' }]],
    ['a mood that is none', [{ column: 'mood', operator: 'eq', value: 'angry' }]],
    ['a type without an order', [{ column: 'raw', operator: 'eq', value: '{}' }]],
    ['a misspelt property', [{ column: 'id', operator: 'eq', value: 1, or: true }]],
  ])('refuses %s, with nothing deleted', async (_, condition) => {
    await expect(where(condition)).rejects.toMatchObject({ code: 'NS422' });
    expect(await deleted()).toEqual([]);
  });

  it('goes on in one operation until there are no more', async () => {
    const condition = [{ column: 'id', operator: 'lte', value: 5 }];
    const first = await where(condition, ', max_rows => 3');
    expect(first).toMatchObject({ deleted: 3, more: true });
    const second = await where(condition, `, max_rows => 2, operation => '${first.operation}'`);
    expect(second).toMatchObject({ operation: first.operation, deleted: 2, more: false });
    expect(await where(condition)).toMatchObject({ deleted: 0, more: false });
  });

  it('says what it would delete, and deletes nothing', async () => {
    const condition = [{ column: 'id', operator: 'lte', value: 5 }];
    expect(await where(condition, ', max_rows => 3, dry_run => true')).toEqual({
      wouldDelete: 3,
      byTable: { 'app."Odd Tasks"': 3, 'app.steps': 6 },
      restricted: [],
      more: true,
    });
    expect(await deleted()).toEqual([]);
  });

  it('leaves a row that no longer meets the condition once it can be locked', async () => {
    const user = db.connect();
    await user`begin`;
    await user`update app."Odd Tasks" set mood = 'fine' where id = 2`;
    const deleting = where([{ column: 'mood', operator: 'eq', value: 'sad' }]);
    await until(
      'it waits for the row',
      async () => (await waiting(db.sql, 'soft_delete_where')) > 0,
    );
    await user`commit`;
    expect(await deleting).toMatchObject({ deleted: 4 });
    expect(await deleted()).toEqual([1, 3, 4, 5]);
  });
});
