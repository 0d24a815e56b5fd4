import { expect, vi } from 'vitest';
import { type JobName, jobNames } from '../../functions/registry.ts';
import { type setUpHandler, shortOfTime } from './handler.ts';
import { createTable } from './vacuum.ts';
import { write } from './views.ts';

type Suite = ReturnType<typeof setUpHandler>;

/** What a job is put through, and which alarms ring then. */
interface Situation {
  act(suite: Suite): Promise<unknown>;
  rings: string[];
}

/** A night without trouble. */
export const good: Record<JobName, Situation['act']> = {
  'retention-purge': async ({ fill, send }) => {
    await fill('app.orders');
    await send({});
  },
  'view-refresh': async ({ sql, send }) => {
    await createViews(sql);
    await send({});
    await send({});
  },
  // With the defaults of a policy there must be room enough.
  'partition-maintenance': async ({ sql, send }) => {
    await sql.unsafe(`
      create table app.days (day date not null) partition by range (day);
      create table app.rest partition of app.days default;
      insert into app.days values (current_date);
      select nightshift.add_partition_policy('app.days', '1 day');`);
    await send({});
  },
  'table-vacuum': async ({ db, sql, coldStart, send }) => {
    await createTable(sql, 'app.items');
    await coldStart({ NIGHTSHIFT_DATABASE_URL: db.url });
    await send({});
  },
  'health-check': async ({ sql, send }) => {
    for (const job of jobNames) await sql.unsafe(run(job, 'succeeded'));
    await send({ quick: true });
    await send({});
  },
};

export const bad: Record<JobName, Record<string, Situation>> = {
  'retention-purge': {
    'rows are needed by others': {
      act: async ({ fill, sql, send }) => {
        await fill('app.orders');
        await sql`create table app.lines as select 9 as order_id`;
        await sql`alter table app.lines add foreign key (order_id) references app.orders`;
        await send({});
      },
      rings: ['backlog-age'],
    },
    'the bus is down': {
      act: async ({ fill, slowDown, bus, send }) => {
        await fill('app.orders', { due: 1_600, fresh: 2_000 });
        slowDown();
        bus.breakDown();
        await expect(send({}, shortOfTime())).rejects.toMatchObject({ code: 'NS503' });
      },
      rings: ['retention-purge-undelivered', 'backlog-age'],
    },
  },
  'view-refresh': {
    'a view fails': {
      act: async ({ sql, send }) => {
        await createViews(sql);
        await send({});
        await sql`
          update nightshift.refresh_policies
          set last_refreshed_at = last_refreshed_at - interval '30 h', data_as_of = data_as_of - interval '30 h'`;
        await write(sql, 'insert into app.items values (0)');
        await send({});
      },
      rings: ['views-stale'],
    },
    'the bus is down': {
      act: async ({ sql, bus, send }) => {
        await createViews(sql);
        // As if each had taken twenty seconds the day before.
        await sql`
          insert into nightshift.view_refreshes (view, view_name, status, mode, reason, detail, started_at, duration_ms)
          select view, view_name, 'refreshed', 'concurrently', 'changed', 'changed', now() - interval '1 day', 20000
          from nightshift.refresh_policies`;
        bus.breakDown();
        await expect(send({}, shortOfTime())).rejects.toMatchObject({ code: 'NS503' });
      },
      rings: ['view-refresh-undelivered'],
    },
  },
  'partition-maintenance': {
    'a row has no place and a partition is needed by others': {
      act: async ({ sql, send }) => {
        await sql.unsafe(`
          create table app.days (day date primary key) partition by range (day);
          create table app.rest partition of app.days default;
          insert into app.days values ('2999-01-01');
          select nightshift.add_partition_policy('app.days', '1 month', premake => 1);
          create table app.months (day date primary key) partition by range (day);
          select nightshift.add_partition_policy('app.months', '1 month', retention => '1 month', max_fraction => 1);
          select nightshift.create_missing_partitions('app.months', now() - interval '4 months');
          insert into app.months values (current_date - 120);
          create table app.needs (day date references app.months);
          insert into app.needs values (current_date - 120);`);
        await send({});
      },
      rings: ['default-partition-rows'],
    },
    'there is little room': {
      act: async ({ sql, send }) => {
        await sql.unsafe(`
          create table app.days (day date primary key) partition by range (day);
          create table app.rest partition of app.days default;
          create table app.needs (day date references app.days);
          insert into app.days values ((now() at time zone 'UTC')::date);
          insert into app.needs select day from app.days;
          select nightshift.add_partition_policy('app.days', '1 month');`);
        await send({});
      },
      rings: ['partition-horizon', 'default-partition-rows'],
    },
    'the bus is down': {
      act: async ({ sql, bus, send }) => {
        await sql.unsafe(`
          create table app.days (day date not null) partition by range (day);
          select nightshift.add_partition_policy('app.days', '1 month');`);
        bus.breakDown();
        await expect(send({}, shortOfTime())).rejects.toMatchObject({ code: 'NS503' });
      },
      rings: ['partition-maintenance-undelivered', 'partition-horizon'],
    },
  },
  'table-vacuum': {
    'there is no direct connection': {
      act: async ({ sql, send }) => {
        await createTable(sql, 'app.items');
        await expect(send({})).rejects.toMatchObject({ code: 'NS502' });
      },
      rings: [],
    },
    'the bus is down': {
      act: async ({ db, sql, bus, coldStart, send }) => {
        await createTable(sql, 'app.items');
        await coldStart({ NIGHTSHIFT_DATABASE_URL: db.url });
        bus.breakDown();
        await expect(send({}, shortOfTime())).rejects.toMatchObject({ code: 'NS503' });
      },
      rings: ['table-vacuum-undelivered'],
    },
  },
  'health-check': {
    'nights were bad and a check is critical': {
      act: async ({ sql, send }) => {
        for (const job of jobNames.filter((name) => name !== 'health-check')) {
          await sql.unsafe(run(job, 'succeeded'));
          await sql`
            update nightshift.runs
            set started_at = started_at - interval '27 h', finished_at = finished_at - interval '27 h' where job = ${job}`;
        }
        await sql.unsafe(run('retention-purge', 'partial') + run('retention-purge', 'partial'));
        await sql.unsafe(run('view-refresh', 'failed'));
        await sql`
          select nightshift.begin_run('partition-maintenance', 'cli', as_of => now() - interval '10 min')`;
        await sql`
          select nightshift.set_health_threshold('connections', null, warning => 0.1, critical => 0.2)`;
        await send({ quick: true });
      },
      rings: [
        'retention-purge-partial',
        'view-refresh-failed',
        'view-refresh-missed',
        'partition-maintenance-lost',
        'partition-maintenance-missed',
        'checks-critical',
      ],
    },
    'time runs out': {
      act: async ({ send }) => {
        const { fetch } = globalThis;
        vi.stubGlobal('fetch', async (...request: Parameters<typeof fetch>) => {
          const response = await fetch(...request);
          if (!String(request[0]).endsWith('/rpc/check_health')) return response;
          return Response.json({ ...(await response.json()), notRun: ['connections'] });
        });
        const found = await send({ quick: true }, shortOfTime());
        expect(found.status).toBe('partial');
      },
      rings: [],
    },
  },
};

/** Two views; one fails when there is an item 0. */
const createViews = (sql: Suite['sql']) =>
  write(
    sql,
    `create table app.items (id integer); insert into app.items values (1);
    create materialized view app.shares as select 1 / id as share from app.items;
    create materialized view app.counts as select count(*) as items from app.items;
    create unique index on app.shares (share); create unique index on app.counts (items);
    select nightshift.adopt_refresh_policies('app')`,
  );

/** A run that ended some way, as statements. */
export const run = (job: string, status: string) => `
  select nightshift.finish_run((b.run ->> 'id')::uuid, (b.run ->> 'fence')::bigint, '${status}')
  from (select nightshift.begin_run('${job}', 'cli') -> 'run' as run) b;`;
