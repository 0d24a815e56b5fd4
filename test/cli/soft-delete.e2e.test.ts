import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bareEnvironment } from '../support/bare-environment.ts';
import { nightshift } from '../support/command-line.ts';
import { setUpDatabase } from '../support/database.ts';
import { root } from '../support/documents.ts';
import { until, waiting } from '../support/waiting.ts';

describe('nightshift soft-delete', () => {
  const db = setUpDatabase();
  let env: Record<string, string>;
  beforeAll(async () => {
    const { url, secretKey } = await db.gateway();
    env = { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey, USER: 'ann' };
  });
  const overApi = (...args: string[]) => nightshift(['soft-delete', ...args], env);
  /** As the owner of the tables. */
  const softDelete = (...args: string[]) =>
    nightshift(['soft-delete', ...args], { ...env, NIGHTSHIFT_DATABASE_URL: db.url });

  beforeEach(async () => {
    await db.sql.unsafe(`
      drop schema if exists shop cascade;
      delete from nightshift.soft_delete_tables;
      truncate nightshift.deletion_events;
      create schema shop;
      create table shop.orders (id bigint primary key, sku text unique, secret text);
      create table shop.lines (id bigint primary key, order_id bigint references shop.orders);
      create index on shop.lines (order_id);
      grant usage on schema shop to service_role;
      grant select, insert, update on all tables in schema shop to service_role;
      insert into shop.orders select i, 'sku ' || i, 'secret of ' || i from generate_series(1, 30) i;
      insert into shop.lines select i, i from generate_series(1, 30) i;
    `);
  });

  /** More than 8 MB, from where on indexes are built concurrently. */
  const makeLarge = () =>
    db.sql.unsafe(`
      alter table shop.orders alter secret set storage plain;
      insert into shop.orders select i, 'sku ' || i, repeat('x', 4000) from generate_series(31, 2500) i;
      analyze shop.orders;
    `);

  describe('enable', () => {
    it('enables several tables, says each step with its lock, and finds nothing to do again', async () => {
      const dry = await softDelete('enable', 'shop.lines', 'shop.orders', '--dry-run');
      expect(dry.stdout).toMatch(
        /shop\.lines: this would be executed[\s\S]*alter table shop\.lines add column[\s\S]*Lock: ACCESS EXCLUSIVE[\s\S]*shop\.orders: this would/,
      );
      expect(JSON.parse((await softDelete('inspect', '--json')).stdout)).toEqual([]);

      const real = await softDelete('enable', 'shop.lines', 'shop.orders');
      expect(real.stdout).toMatch(
        /shop\.lines: soft delete is enabled[\s\S]*No row is rewritten[\s\S]*shop\.orders: soft delete is enabled/,
      );
      expect(real.code).toBe(0);
      const again = await softDelete('enable', 'shop.orders', '--cascade', 'shop.lines');
      expect(again.stdout).toMatch(
        /^shop\.orders: it is as you said, and nothing had to be executed\n {2}advice: .*orders_sku_key[^\n]*\n {4}npm run nightshift -- soft-delete enable shop\.orders --unique sku\n$/,
      );
      const guarded = await softDelete('enable', 'shop.orders', '--guard', '--dry-run');
      expect(guarded.stdout).toMatch(
        /create trigger zz_nightshift_guard_\S+[\s\S]*Lock: SHARE ROW EXCLUSIVE on shop\.lines/,
      );
    });

    it('passes on every option', async () => {
      await db.sql.unsafe(`
        alter table shop.orders add gone timestamptz, add is_gone boolean, add who text, add why text, enable row level security`);
      const { stdout, code } = await softDelete(
        ...['enable', 'shop.orders', '--marker', 'gone', '--flag', 'is_gone', '--by', 'who'],
        ...['--reason', 'why', '--unique', 'sku', '--hide', '--for-users', '--no-views'],
        ...['--drop-after', '30 days', '--json'],
      );
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject([{ relation: 'shop.orders', toDo: [] }]);
      const [found] = JSON.parse((await softDelete('inspect', 'shop.orders', '--json')).stdout);
      expect(found).toMatchObject({
        columns: { marker: 'gone', flag: 'is_gone', by: 'who', reason: 'why' },
        hide: true,
        forUsers: true,
        views: false,
      });
      expect(
        await db.sql`select drop_after::text from nightshift.retention_policies where relation = 'shop.orders'::regclass`,
      ).toEqual([{ drop_after: '30 days' }]);
      await db.sql`select nightshift.remove_retention_policy('shop.orders')`;
    });

    it('tries again while another session holds the table, and says so', async () => {
      const held = await db.sql.reserve();
      const waiting = async () => {
        const [row] = await db.sql<{ n: number }[]>`
          select count(*)::integer as n from pg_catalog.pg_locks where not granted`;
        return row?.n;
      };
      let ending: ReturnType<typeof softDelete>;
      try {
        await held`begin`;
        await held`lock table shop.orders in access exclusive mode`;
        ending = softDelete('enable', 'shop.orders');
        // A try waits for a second, and then lets go.
        await expect.poll(waiting, { interval: 20, timeout: 10_000 }).toBeGreaterThan(0);
        await expect.poll(waiting, { interval: 20, timeout: 10_000 }).toBe(0);
      } finally {
        await held`rollback`;
        held.release();
      }
      const { stderr, code } = await ending;
      expect(stderr).toMatch(/shop\.orders is locked by another session; trying again for 30 s\./);
      expect(code).toBe(0);
    });

    it('executes what cannot be done in a transaction, and only as the owner of the table', async () => {
      await makeLarge();
      const args = ['enable', 'shop.orders', '--unique', 'sku'];
      const refused = await overApi(...args);
      expect(refused.stderr).toMatch(/service_role may not[\s\S]*as the owner of the table/);
      expect(refused.code).toBe(2);
      const direct = await softDelete(...args, '--json');
      expect(direct.stderr).toMatch(/create unique index concurrently[^\n]*\n.*done in/);
      expect(JSON.parse(direct.stdout)).toMatchObject([{ toDo: [] }]);
      expect(
        await db.sql`select conname from pg_constraint where conname = 'orders_sku_key'`,
      ).toEqual([]);
      const [inspected] = JSON.parse((await softDelete('inspect', '--json')).stdout);
      expect(inspected).toMatchObject({ missing: [] });
    });

    it('says which rows keep a unique index from being built, and what to drop', async () => {
      await makeLarge();
      await db.sql.unsafe(
        `alter table shop.orders drop constraint orders_sku_key; update shop.orders set sku = 'same' where id < 3;
        alter table shop.orders rename to "orders (all)"`,
      );
      const relation = 'shop."orders (all)"';
      const { stderr, code } = await softDelete('enable', relation, '--unique', 'sku');
      expect(stderr).toMatch(/Active rows of shop\."orders \(all\)" have the same values already/);
      const flat = stderr.replace(/\s+/g, ' ');
      expect(flat).toContain('drop index concurrently');
      const [, query = ''] = /Then find the rows: (select .*?;)/.exec(flat) ?? [];
      expect(await db.sql.unsafe(query)).toMatchObject([{ sku: 'same', count: '2' }]);
      expect(code).toBe(2);
    });

    it('says at Ctrl-C that an index is built to its end, and how to end it', async () => {
      await makeLarge();
      await softDelete('enable', 'shop.orders');
      const held = await db.sql.reserve();
      await held`begin`;
      await held`update shop.orders set secret = secret where id = 1`;
      const building = () => waiting(db.sql, 'create unique index concurrently');
      const args = ['soft-delete', 'enable', 'shop.orders', '--unique', 'sku'];
      const child = spawn(process.execPath, ['cli/main.ts', ...args], {
        cwd: root,
        env: { ...bareEnvironment, ...env, NIGHTSHIFT_DATABASE_URL: db.url },
      });
      try {
        let stderr = '';
        child.stderr.on('data', (chunk) => (stderr += chunk));
        await until('it builds', async () => (await building()) > 0);
        child.kill('SIGINT');
        expect(await once(child, 'close')).toEqual([null, 'SIGINT']);
        const [, cancel = ''] = /goes on with it\.[\s\S]*To end it: (.*)/.exec(stderr) ?? [];
        expect(await db.sql.unsafe(cancel)).toEqual([{ pg_cancel_backend: true }]);
        await until('it ends', async () => (await building()) === 0);
      } finally {
        child.kill('SIGKILL');
        await held`rollback`;
        held.release();
      }
    });

    it('goes on with the others where one cannot be enabled', async () => {
      await db.sql.unsafe('create table shop.keyless (name text)');
      const ended = await softDelete('enable', 'shop.keyless', 'shop.lines', '--json');
      expect(JSON.parse(ended.stdout)).toMatchObject([
        { relation: 'shop.keyless', error: { code: 'NS422' } },
        { relation: 'shop.lines', toDo: [] },
      ]);
      expect(ended.stderr).toMatch(/^shop\.keyless: shop\.keyless has no primary key/m);
      expect(ended.code).toBe(2);
    });
  });

  it('shows what has drifted, and exits 1 until it is mended', async () => {
    expect((await softDelete('inspect')).stdout).toMatch(/No table has soft delete/);
    await softDelete('enable', 'shop.lines');
    await softDelete('enable', 'shop.orders', '--cascade', 'shop.lines');
    const well = await softDelete('inspect');
    expect(well.stdout).toMatch(/shop\.orders .* yes .* shop\.lines /);
    expect(well.stdout).toMatch(
      /orders_sku_key holds among deleted rows[\s\S]*npm run nightshift -- soft-delete enable shop\.orders --unique sku/,
    );
    expect(well.code).toBe(0);

    await db.sql.unsafe('alter view shop.active_orders reset (security_invoker)');
    const drifted = await softDelete('inspect', 'shop.orders');
    expect(drifted.stdout).toMatch(
      /missing: What applications read[\s\S]*create or replace view shop\.active_orders[\s\S]*All of it: npm run nightshift -- soft-delete enable shop\.orders/,
    );
    expect(drifted.code).toBe(1);
    await softDelete('enable', 'shop.orders');
    expect((await softDelete('inspect')).code).toBe(0);
  });

  describe('with deleted rows', () => {
    let operation: string;
    beforeEach(async () => {
      await softDelete('enable', 'shop.lines');
      await softDelete('enable', 'shop.orders', '--cascade', 'shop.lines', '--unique', 'sku');
      const [row] = await db.sql<{ operation: string }[]>`
        select nightshift.soft_delete('shop.orders', jsonb_agg(id)) ->> 'operation' as operation
        from shop.orders where id <= 20`;
      operation = row?.operation ?? '';
    });
    const deletedOf = async (table: string) => {
      const [row] = await db.sql<{ n: number }[]>`
        select count(*)::integer as n from ${db.sql(table)} where deleted_at is not null`;
      return row?.n;
    };

    it('restores an operation with what went along, in the name of who asks', async () => {
      const { stdout, code } = await softDelete(
        'restore',
        '--operation',
        operation,
        '--why',
        'oops',
      );
      expect(stdout).toMatch(/shop\.orders .* 20 .* 0 /);
      expect(stdout).toMatch(/shop\.lines .* 20 .* 0 /);
      expect(code).toBe(0);
      expect(await deletedOf('shop.lines')).toBe(0);
      expect(
        await db.sql`select distinct actor, reason from nightshift.deletion_events where action = 'restore' and operation = ${operation}`,
      ).toEqual([{ actor: 'ann', reason: 'oops' }]);
      const again = await softDelete('restore', '--operation', operation);
      expect(again.stderr).toMatch(/has no deleted rows/);
      expect(again.code).toBe(2);
    });

    it('names by reason and key what could not come back, and nothing else of a row', async () => {
      await db.sql`insert into shop.orders values (101, 'sku 1', 'a secret'), (102, 'sku 2', 'a secret')`;
      const { stdout, stderr, code } = await softDelete('restore', '--operation', operation);
      expect(stdout).toMatch(/shop\.orders .* 18 .* 2 /);
      expect(stdout).toMatch(/an active row has the values that \S+ keeps unique\n {2}1, 2\n/);
      expect(stdout + stderr).not.toContain('secret');
      expect(code).toBe(1);
      const replaced = await softDelete(
        ...[
          'restore',
          'shop.orders',
          '1',
          '2',
          '--on-conflict',
          'replace',
          '--by',
          'bob',
          '--json',
        ],
      );
      expect(JSON.parse(replaced.stdout)).toMatchObject({
        restored: { 'shop.orders': 2 },
        failed: [],
        replaced: 2,
      });
      expect(replaced.code).toBe(0);
    });

    it('says what an operation would bring back and names every conflict, and changes nothing', async () => {
      const args = ['restore', '--operation', operation, '--dry-run'];
      const clear = await softDelete(...args);
      expect(clear.stdout).toMatch(/Nothing was restored[\s\S]*shop\.lines .* 20 .* 0 /);
      expect(clear.code).toBe(0);

      await db.sql`insert into shop.orders values (101, 'sku 1', 'a secret'), (102, 'sku 2', 'a secret')`;
      const { stdout, code } = await softDelete(...args);
      expect(stdout).toMatch(/shop\.orders .* 20 .* 2 /);
      expect(stdout).toMatch(
        /shop\.orders: another row has the values that \S+ keeps unique\n.*1 \(101\), 2 \(102\)\n {2}Fix: .*--on-conflict replace/,
      );
      expect(stdout).not.toContain('secret');
      expect(code).toBe(1);
      expect((await softDelete(...args, '--on-conflict', 'replace')).code).toBe(0);
      expect(JSON.parse((await softDelete(...args, '--json')).stdout)).toMatchObject({
        conflicts: [{ key: 1, kind: 'unique', blocking: 101 }, { key: 2 }],
      });
      expect(await deletedOf('shop.orders')).toBe(20);
      expect(await db.sql`select from nightshift.deletion_events where action <> 'delete'`).toEqual(
        [],
      );
    });

    it('names the parent that another operation deleted', async () => {
      await db.sql`select nightshift.soft_delete('shop.lines', '[25]')`;
      const [row] = await db.sql<
        { id: string }[]
      >`select deletion_id as id from shop.lines where id = 25`;
      await db.sql`select nightshift.soft_delete('shop.orders', '[25]')`;
      const args = ['restore', '--operation', row?.id ?? '', '--dry-run'];
      const { stdout, code } = await softDelete(...args);
      expect(stdout).toMatch(
        /it belongs, by lines_order_id_fkey, to a row that is deleted[\s\S]*--on-conflict restore_parents/,
      );
      expect(code).toBe(1);
      expect((await softDelete(...args, '--on-conflict', 'restore_parents')).code).toBe(0);
    });

    it.each([
      ['keys', ['1', '2', '25', '999']],
      ['a moment', ['--since', '2026-01-02T00:00:00Z']],
    ])('plans the restore of %s, and changes nothing', async (_, asked) => {
      await db.sql`insert into shop.orders values (102, 'sku 2', 'a secret')`;
      const args = ['restore', 'shop.orders', ...asked, '--dry-run'];
      const planned = await softDelete(...args);
      expect(planned.stdout).toMatch(/shop\.orders .* 1 /);
      expect(planned.stdout).toMatch(
        /keeps unique\n.* 2 \(102\)\n {2}Fix: .*--on-conflict replace/,
      );
      expect(planned.code).toBe(1);
      expect(await deletedOf('shop.orders')).toBe(20);
      expect((await softDelete(...args, '--on-conflict', 'replace')).code).toBe(0);
      const plan = JSON.parse((await softDelete(...args, '--json')).stdout);
      const done = JSON.parse((await softDelete(...args.slice(0, -1), '--json')).stdout);
      const { restored, failed, ...leftAlone } = done;
      expect(plan.tables[0].rows).toBe(restored['shop.orders'] + failed.length);
      expect({ notDeleted: 0, notFound: 0, ...leftAlone }).toMatchObject({
        notDeleted: plan.notDeleted,
        notFound: plan.notFound,
      });
    });

    it('plans the restore of a row that is not deleted as one that would fail', async () => {
      const { stdout, code } = await softDelete('restore', 'shop.orders', '25', '--dry-run');
      expect(stdout).toMatch(/Not deleted: 1/);
      expect(code).toBe(1);
    });

    it('restores more than fits a page, and tells how far it is', async () => {
      await db.sql.unsafe(
        `insert into shop.lines select i, null from generate_series(1001, 12000) i`,
      );
      await db.sql`update shop.lines set deleted_at = now() where id > 1000`;
      const [row] = await db.sql<{ id: string }[]>`
        select deletion_id as id from shop.lines where id = 1001`;
      const { stdout, stderr } = await softDelete('restore', '--operation', row?.id ?? '');
      expect(stderr).toMatch(/10,000 rows are back so far/);
      expect(stdout).toMatch(/shop\.lines .* 11,000 .* 0 /);
    });

    it('restores what was deleted in a table since a moment', async () => {
      await db.sql`update shop.orders set deleted_at = '2026-01-01' where id > 28`;
      const args = ['restore', 'shop.orders', '--since', '2026-01-02T00:00:00Z'];
      const { stdout, code } = await softDelete(...args);
      expect(stdout).toMatch(/shop\.orders .* 20 .* 0 /);
      expect(code).toBe(0);
      expect(await deletedOf('shop.orders')).toBe(2);
      expect((await softDelete(...args, '1')).code).toBe(2);
    });

    it.each<[string, string[], RegExp, number]>([
      ['nothing to restore', ['restore'], /It takes an operation, or a table and keys/, 2],
      ['a table without keys', ['restore', 'shop.orders'], /It takes an operation, or a table/, 2],
      ['half an operation', ['restore', '--operation', '0199'], /It takes a whole uuid/, 2],
      [
        'a table that is not there',
        ['restore', 'shop.ordres', '1'],
        /There is no table shop\.ordres/,
        2,
      ],
      [
        'a schema that is not there',
        ['enable', 'shpo.orders'],
        /There is no table shpo\.orders/,
        2,
      ],
      ['a row that is not deleted', ['restore', 'shop.orders', '25'], /is not deleted/, 1],
      ['a key that is none', ['restore', 'shop.orders', 'x'], /not a value of the primary key/, 2],
      ['a key that is no JSON', ['restore', 'shop.orders', '{x'], /\{x is no JSON/, 2],
      ['a table that has it not', ['inspect', 'shop'], /There is no table shop/, 2],
      [
        'deleted rows whose fate is not said',
        ['disable', 'shop.lines'],
        /has deleted rows[\s\S]*npm run nightshift -- soft-delete disable shop\.lines --deleted-rows keep, or/,
        2,
      ],
      [
        'a marker of another type',
        ['enable', 'shop.lines', '--marker', 'order_id'],
        /order_id of shop\.lines is of type bigint[\s\S]*with --marker\./,
        2,
      ],
      [
        'one cascade for several tables',
        ['enable', 'shop.lines', 'shop.orders', '--cascade', 'shop.lines'],
        /--cascade is for one table at a time/,
        2,
      ],
    ])('answers %s with the fix', async (_, args, message, code) => {
      const ended = await softDelete(...args);
      expect(ended.stderr).toMatch(message);
      expect(ended.stderr).toMatch(/Fix: /);
      expect(ended.code).toBe(code);
    });

    it.each(['yesterday', '2026-02-30', '2026-03-01T12:00:00', '12:00Z'])(
      'takes %s for no time before it asks the database anything',
      async (since) => {
        const ended = await nightshift(['soft-delete', 'restore', 'shop.orders', '--since', since]);
        expect(ended.stderr).toMatch(/a time with its zone, like 2026-03-01T12:00:00Z/);
        expect(ended.stderr).not.toMatch(/Project|SUPABASE_URL/);
        expect(ended.code).toBe(2);
      },
    );

    it.each([['2026-01-02'], ['2026-01-02T01:00:00+01:00'], ['2026-01-01 18:00:00.5-06']])(
      'takes %s for a time',
      async (since) => {
        await db.sql`update shop.orders set deleted_at = '2026-01-01' where id > 28`;
        const { stdout } = await softDelete('restore', 'shop.orders', '--since', since);
        expect(stdout).toMatch(/shop\.orders .* 20 .* 0 /);
      },
    );

    it('gives the figures of all tables, or of those that are named', async () => {
      await softDelete('restore', 'shop.orders', '1', '2', '3', '4', '5');
      const all = await overApi('stats');
      expect(all.stdout).toMatch(/shop\.lines .* 10 .* 20 .* 0\.7 .* 0% .* - /);
      expect(all.stdout).toMatch(/shop\.orders .* 15 .* 15 .* 0\.7 .* 25% .* - /);
      expect(all.stdout).toMatch(/Nothing is due without a retention policy/);
      expect(all.code).toBe(0);

      await softDelete('enable', 'shop.orders', '--drop-after', '1 day');
      const one = await overApi('stats', 'shop.orders');
      expect(one.stdout).toMatch(/shop\.orders .* 15 .* 15 .* 25% .* 15 .* KB/);
      expect(one.stdout).toMatch(/By day[\s\S]*\d{4}-\d\d-\d\d .* 20 .* 5 /);
      expect(one.stdout).not.toMatch(/shop\.lines|estimated/);
      await db.sql`select nightshift.remove_retention_policy('shop.orders')`;
    });

    it('keeps figures in a window of 60 columns, and says which are estimated', async () => {
      await db.sql.unsafe(
        'insert into shop.lines select i, null from generate_series(1001, 102000) i; analyze shop.lines',
      );
      const { stdout } = await nightshift(['soft-delete', 'stats'], { ...env, COLUMNS: '60' });
      expect(stdout).toMatch(/shop\.lines .*~101,/);
      expect(stdout).toMatch(/~ is estimated/);
      for (const line of stripVTControlCharacters(stdout).split('\n')) {
        expect(line.length, line).toBeLessThanOrEqual(60);
      }
    });

    it('gives the figures of one table where another has none', async () => {
      await db.sql.unsafe('create table shop.plain (id bigint primary key)');
      const { stdout, stderr, code } = await overApi(
        'stats',
        'shop.plain',
        'shop.orders',
        '--json',
      );
      expect(JSON.parse(stdout)).toMatchObject([
        { relation: 'shop.plain', error: { code: 'NS404' } },
        {
          relation: 'shop.orders',
          deleted: { rows: 20, exact: true },
          restoreRate: 0,
          bytes: expect.any(Number),
        },
      ]);
      expect(stderr).toMatch(/^shop\.plain: Soft delete is not enabled/m);
      expect(code).toBe(2);
    });

    it('says its exit codes in the help', async () => {
      for (const args of [['--help'], ['restore', '--help'], ['stats', '--help']]) {
        const { stdout } = await nightshift(['soft-delete', ...args]);
        expect(stdout, args.join(' ')).toMatch(/Exit codes: 0 done, 1 failed/);
      }
    });

    it('disables a table, and does with its deleted rows what was said', async () => {
      const { stdout, code } = await softDelete(
        'disable',
        'shop.lines',
        '--deleted-rows',
        'restore',
      );
      expect(stdout).toMatch(
        /shop\.lines: soft delete is disabled[\s\S]*drop view[\s\S]*drop column/,
      );
      expect(code).toBe(0);
      expect((await softDelete('inspect', 'shop.lines')).code).toBe(2);
    });
  });
});
