import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../cli/installation/migrate.ts';
import { netStandIn, takeSent } from '../support/cron.ts';
import { type HostedPostgres, type HostedProject, startHostedPostgres } from '../support/hosted.ts';
import { binariesWithCron, whyNoCron } from '../support/pg-cron.ts';
import { until } from '../support/waiting.ts';

/** It marks a schedule at one full minute, and may send at the next. */
const patienceMs = 240_000;

describe.skipIf(whyNoCron)(`the real pg_cron${whyNoCron ? `, skipped: ${whyNoCron}` : ''}`, () => {
  let server: HostedPostgres;
  let project: HostedProject;
  let sql: postgres.Sql;

  beforeAll(async () => {
    const name = 'with_cron';
    server = await startHostedPostgres(
      {
        shared_preload_libraries: 'pg_stat_statements,pg_cron',
        'cron.database_name': name,
        // Over a connection it would need the password of its user.
        'cron.use_background_workers': 'on',
      },
      binariesWithCron,
    );
    project = await server.createProject('since 2026', name);
    sql = project.sql;
    await project.admin.unsafe(`
      create extension pg_cron;
      ${netStandIn}
      grant all on schema net to postgres;
      grant all on all tables in schema net to postgres;
    `);
    await migrate(project.url);
    await sql.unsafe(`
      create schema app;
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create index on app.orders (deleted_at);
      select nightshift.add_retention_policy('app.orders', '30 days');
    `);
  });
  afterAll(async () => {
    await project.close();
    await server.stop();
  });

  it('refuses a time that it cannot read, in words', async () => {
    for (const cron of ['nightly', '61 * * * *', '0 2 * *']) {
      await expect(
        sql`select nightshift.schedule_with_cron('https://abcd.supabase.co', 'retention-purge', ${cron})`,
      ).rejects.toThrow(
        expect.objectContaining({
          code: 'NS422',
          message: `pg_cron cannot read the schedule '${cron}'`,
        }),
      );
    }
    expect(await sql`select from cron.job`).toHaveLength(0);
  });

  it('marks a schedule as due, sends its wake, is seen in the list, and has nothing left in the end', async () => {
    const name = `every "minute's"`;
    await sql`select nightshift.schedule_with_cron('https://abcd.supabase.co')`;
    // Twice: a job of that name is changed, not made again.
    for (const cron of ['0 4 * * *', '* * * * *']) {
      await sql`
        select nightshift.schedule_with_cron(name => ${name}, cron => ${cron}, job => 'retention-purge')`;
    }
    expect(await sql`select from cron.job`).toHaveLength(8);
    const [listed] = await sql`select nightshift.list_schedules() as list`;
    expect(listed?.list).toContainEqual(
      expect.objectContaining({ name, cron: '* * * * *', timeZone: 'GMT', active: true }),
    );

    const sent: { url: string }[] = [];
    await until(
      'pg_cron has sent the wake',
      async () => {
        sent.push(...(await takeSent(sql)));
        return sent.some(({ url }) => url.endsWith('/jobs/retention-purge/wakes'));
      },
      patienceMs,
    );
    const failed = await sql`
      select return_message from cron.job_run_details where status not in ('succeeded', 'running', 'starting')`;
    expect(failed).toEqual([]);

    await project.admin`
      update cron.job_run_details set start_time = start_time - interval '2 days', end_time = end_time - interval '2 days'`;
    const [health] = await sql`
      select nightshift.get_health(array['late_schedules']) #>> '{checks,0,level}' as level`;
    expect(health?.level).toBe('ok');
    await sql`select nightshift.watch()`;
    expect(
      await sql`select from cron.job_run_details where end_time < now() - interval '1 day'`,
    ).toHaveLength(0);

    await sql`select nightshift.unschedule_with_cron()`;
    expect(await sql`select from cron.job`).toHaveLength(0);
  });
});
