import postgres from 'postgres';
import { expect, it } from 'vitest';
import { migrate } from '../../cli/installation/migrate.ts';
import { bootstrap, startPostgres } from '../../infra/local/postgres.ts';

it('a policy is refused, with the setting to raise, where no deletion could lock all that may refer, and others are not', async () => {
  const server = await startPostgres({
    settings: {
      max_connections: '12',
      max_locks_per_transaction: '64',
      max_wal_senders: '0',
      max_worker_processes: '0',
      autovacuum_max_workers: '1',
      shared_buffers: '16MB',
    },
  });
  const sql = postgres(server.adminUrl(), { max: 1, onnotice() {} });
  try {
    await bootstrap(server.adminUrl());
    await migrate(server.adminUrl());
    await sql.unsafe(`
      create table public.orders (id integer primary key, deleted_at timestamptz);
      create index on public.orders (deleted_at);
      insert into public.orders values (1, now() - interval '40 days'), (2, now() - interval '40 days');
      create table public.events (id integer, order_id integer references public.orders) partition by list (id);
      create index on public.events (order_id);
      ${'create index on public.events (id);'.repeat(12)}
      create table public.notes (deleted_at timestamptz);
      insert into public.notes values (now() - interval '40 days');
      create index on public.notes (deleted_at);
      select nightshift.add_retention_policy('public.notes', '30 days');
      select nightshift.add_retention_policy('public.orders', '30 days');
    `);
    for (let n = 0; n < 400; n++) {
      await sql.unsafe(
        `create table public.events_${n} partition of public.events for values in (${n})`,
      );
    }
    await expect(sql`delete from public.orders where id = 1`).rejects.toMatchObject({
      code: '53200',
    });
    const problem = {
      code: 'NS422',
      message: expect.stringMatching(/one on each of 5614 tables, partitions and indexes/),
      hint: expect.stringMatching(/^Raise max_locks_per_transaction to 936, and restart/),
    };
    const [row] = await sql`select nightshift.preview_retention_purge() as plan`;
    expect(row?.plan).toMatchObject([
      { relation: 'public.notes', goes: 1 },
      { relation: 'public.orders', problem },
    ]);
    await sql`select nightshift.remove_retention_policy('public.orders')`;
    await expect(
      sql`select nightshift.add_retention_policy('public.orders', '30 days')`,
    ).rejects.toMatchObject(problem);
  } finally {
    await sql.end();
    await server.stop();
  }
}, 120_000);
