import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    truncate nightshift.deletion_events;
    create table app.notes (id integer primary key, name text);
    insert into app.notes select n, 'note ' || n from generate_series(1, 200) n;
    select nightshift.enable_soft_delete('app.notes', unique_among_active => array['name']);
  `);
});

const measured = (check: string, asOf = 'now()') =>
  db.sql.unsafe(
    `select subject, value::integer, detail, fix from nightshift.health_${check}(${asOf}) order by subject`,
  );

describe('health by the history', () => {
  it('counts what was deleted in the hour, with no policy and by whatever way, and the rate of what came back', async () => {
    expect(await measured('soft_deletes')).toMatchObject([{ subject: 'app.notes', value: 0 }]);
    await db.sql`select nightshift.soft_delete_where('app.notes', '[{"column": "id", "operator": "lte", "value": 150}]')`;
    await db.sql`update app.notes set deleted_at = now() where id in (151, 152)`;
    await db.sql`update nightshift.deletion_events set at = at - interval '61 minutes'`;
    await db.sql`select nightshift.soft_delete('app.notes', '[153]')`;
    await db.sql`select nightshift.restore('app.notes', (select jsonb_agg(id) from app.notes where id <= 51))`;
    const [finding] = await measured('soft_deletes');
    expect(finding).toMatchObject({ subject: 'app.notes', value: 1 });
    expect(finding?.detail).toMatch(
      /^1 in the hour before .* UTC\. In the day before: 153 deleted, 51 restored, a rate of 33\.3%\.$/,
    );
    await db.sql.unsafe(finding?.fix);
    expect(await measured('soft_deletes', `now() - interval '60 minutes'`)).toMatchObject([
      { value: 152 },
    ]);
    const [{ stats } = {}] = await db.sql`select nightshift.deletion_stats('app.notes') as stats`;
    expect(stats.restoreRate).toBe(0.3333);
  });

  it('still knows an hour later what was deleted by mistake and purged or restored since', async () => {
    await db.sql`select nightshift.soft_delete('app.notes', (select jsonb_agg(id) from app.notes))`;
    await db.sql`select nightshift.restore('app.notes', (select jsonb_agg(id) from app.notes where id <= 100))`;
    await db.sql`delete from app.notes where deleted_at is not null`;
    await db.sql`select nightshift.add_retention_policy('app.notes', '30 days', 'deleted_at')`;
    expect(await measured('soft_deletes')).toMatchObject([
      { value: 200, detail: expect.stringContaining('; they can be restored for 30 days.') },
    ]);
  });

  it('counts the rows themselves of a table that has a policy only', async () => {
    await db.sql.unsafe(`
      create table app.plain (id integer primary key, deleted_at timestamptz);
      create index on app.plain (deleted_at);
      insert into app.plain select n, now() from generate_series(1, 7) n;
      select nightshift.add_retention_policy('app.plain', '30 days');
    `);
    expect(await measured('soft_deletes')).toMatchObject([
      { subject: 'app.notes', value: 0 },
      { subject: 'app.plain', value: 7 },
    ]);
  });

  it('reads an hour of it by its index, whatever there is of before', async () => {
    await db.sql`
      insert into nightshift.deletion_events (at, action, relation_name, rows)
      select now() - interval '2 days' - n * interval '1 second', 'delete', 'app.notes', 1 from generate_series(1, 10000) n`;
    await db.sql`select nightshift.soft_delete('app.notes', '[1]')`;
    await db.sql`analyze nightshift.deletion_events`;
    for (const check of ['soft_deletes', 'failed_restores']) {
      const read = await db.sql.begin(async (sql) => {
        await sql.unsafe(`select nightshift.health_${check}(now())`);
        const [row] = await sql`
          select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::integer as read
          from pg_stat_xact_user_tables where schemaname = 'nightshift' and relname like 'deletion\\_events%'`;
        return row?.read;
      });
      expect(read).toBeLessThan(100);
    }
  });

  it('has the size of all partitions of the history, and says how to keep less of it', async () => {
    await db.sql`
      insert into nightshift.deletion_events (at, action, relation_name, rows, keys)
      select now(), 'delete', 'app.notes', 1, to_jsonb(repeat(md5(n::text), 10)) from generate_series(1, 5000) n`;
    const size = async () => {
      const [row] = await db.sql`
        select value::integer, detail, fix from nightshift.health_ledger_size(now()) where subject = 'nightshift.deletion_events'`;
      return row;
    };
    const retention = () => db.sql`select retention::text from nightshift.partition_policies`;
    const without = await size();
    expect(without?.value).toBeGreaterThan(1_000_000);
    expect(without?.detail).toContain('kept for ever;');
    await db.sql.unsafe(without?.fix);
    expect(await retention()).toEqual([{ retention: '6 mons' }]);
    await db.sql`select nightshift.alter_partition_policy('nightshift.deletion_events', retention => '13 months')`;
    const long = await size();
    expect(long?.detail).toContain('kept for 1 year 1 mon;');
    await db.sql.unsafe(long?.fix);
    expect(await retention()).toEqual([{ retention: '6 mons 15 days' }]);
  });
});
