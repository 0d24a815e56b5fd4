import type postgres from 'postgres';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { uninstall } from '../../cli/installation/uninstall.ts';
import { registry } from '../../functions/registry.ts';
import { answer, fire, letMinutesPass, standIns, takeSent } from '../support/cron.ts';
import { createDatabase, expireLease, setUpDatabase, startAfresh } from '../support/database.ts';
import { recordRun } from '../support/health-scenarios/night-shift.ts';

const db = setUpDatabase();
const home = 'https://abcd.supabase.co';

beforeEach(async () => {
  await db.sql.unsafe(`
    drop extension if exists pg_cron, pg_net;
    drop schema if exists cron, net cascade;
    truncate nightshift.schedules, nightshift.home, nightshift.runs;
  `);
  await startAfresh(db.sql);
  await db.sql.unsafe(standIns);
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, deleted_at timestamptz);
    create index on app.orders (deleted_at);
    select nightshift.add_retention_policy('app.orders', '30 days');
  `);
});

const schedule = (url: string | null = home) =>
  db.sql`select nightshift.schedule_with_cron(${url})`;
const jobs = () =>
  db.sql<{ jobname: string; schedule: string; command: string }[]>`
    select jobname, schedule, command from cron.job order by jobname`;
const listed = async () => {
  const [row] = await db.sql<{ list: Record<string, unknown>[] }[]>`
    select nightshift.list_schedules() as list`;
  return row?.list ?? [];
};
const one = async (name = 'retention-purge') => (await listed()).find((each) => each.name === name);
const wakes = async () => {
  await fire(db.sql, 'nightshift wakes');
  return takeSent(db.sql);
};
const nonceOf = (sent: { body: string } | undefined) => JSON.parse(sent?.body ?? '{}').nonce;
const consume = (nonce: string, job = 'retention-purge', url = home) =>
  db.sql`select nightshift.consume_wake(${nonce}, ${job}, ${url}) as answer`.then(
    ([row]) => row?.answer,
  );

/** A schedule that is due, and what was sent for it. */
async function dueWake() {
  await schedule();
  await fire(db.sql, 'nightshift schedule retention-purge');
  const [sent] = await wakes();
  return sent;
}

describe('schedule_with_cron', () => {
  it('makes the schedules that the registrations have for EventBridge Scheduler, but for what needs a direct connection', async () => {
    await schedule();
    const withoutDirect = registry.filter(({ name }) => name !== 'table-vacuum');
    const asForAws = withoutDirect.flatMap(({ name: job, schedules, parameters }) =>
      schedules.map(({ parameter, input = {} }) => ({
        name: parameter.replace('schedule-', ''),
        job,
        input,
        cron: (parameters[parameter] ?? '')
          .replace(/^cron\((.*) \*\)$/, '$1')
          .replace('?', '*')
          .replace('0/5', '*/5'),
        timeZone: 'GMT',
        active: true,
        projectUrl: home,
      })),
    );
    const list = await listed();
    expect(list).toHaveLength(asForAws.length);
    expect(list).toEqual(
      expect.arrayContaining(asForAws.map((each) => expect.objectContaining(each))),
    );
    expect((await jobs()).map(({ jobname }) => jobname)).toEqual(
      [
        ...asForAws.map(({ name }) => `nightshift schedule ${name}`),
        'nightshift wakes',
        'nightshift watch',
      ].sort(),
    );
  });

  it('is idempotent, and leaves what was changed', async () => {
    await schedule();
    await db.sql`select nightshift.schedule_with_cron(name => 'retention-purge', cron => '0 4 * * *')`;
    const before = await jobs();
    await schedule(`${home}/`);
    await schedule(null);
    expect(await jobs()).toEqual(before);
    expect(await one()).toMatchObject({ cron: '0 4 * * *', job: 'retention-purge' });
  });

  it('takes any name, and quotes it', async () => {
    const name = `o'clock "\\ $$; drop schema app cascade; --`;
    await schedule();
    await db.sql`
      select nightshift.schedule_with_cron(name => ${name}, cron => '0 12 * * *', job => 'retention-purge', input => '{"only": ["app.orders"]}')`;
    await fire(db.sql, `nightshift schedule ${name}`);
    const [sent] = await wakes();
    expect(await consume(nonceOf(sent))).toMatchObject({
      work: {
        key: expect.stringContaining(`cron ${name} 20`),
        requestedBy: `cron ${name}`,
        input: { only: ['app.orders'] },
      },
    });
    await db.sql`select nightshift.unschedule_with_cron(${name})`;
    expect((await jobs()).map(({ jobname }) => jobname)).not.toContain(
      `nightshift schedule ${name}`,
    );
    expect(await one(name)).toBeUndefined();
    expect(await one()).toBeDefined();
  });

  it.each([
    ['without a URL', `null`, 'The URL of the project is needed'],
    ['with a path in it', `'${home}/rest/v1'`, 'The URL of the project is needed'],
    ['with a password in it', `'https://a:b@abcd.supabase.co'`, 'The URL of the project is needed'],
    [
      'with a time that pg_cron cannot read',
      `'${home}', 'retention-purge', 'nightly'`,
      'cannot read the schedule',
    ],
    [
      'with a job that there is none of',
      `'${home}', 'x', '0 2 * * *', 'purge'`,
      'a job that there is',
    ],
    ['without a time', `'${home}', 'x', job => 'retention-purge'`, 'needs a name, a time'],
    [
      'with an input that is no object',
      `'${home}', 'retention-purge', input => '[]'`,
      'an object as input',
    ],
    ['without a name for its time', `'${home}', cron => '0 2 * * *'`, 'needs a name'],
  ])('is refused %s, and nothing is scheduled', async (_, args, message) => {
    await expect(db.sql.unsafe(`select nightshift.schedule_with_cron(${args})`)).rejects.toThrow(
      expect.objectContaining({
        code: 'NS422',
        message: expect.stringContaining(message),
        hint: expect.any(String),
      }),
    );
    expect(await jobs()).toEqual([]);
    expect(await listed()).toEqual([]);
  });

  it('is refused for another project than the first', async () => {
    await schedule();
    await expect(schedule('https://other.supabase.co')).rejects.toThrow(
      expect.objectContaining({
        code: 'NS422',
        message: `The schedules are those of ${home}`,
        hint: expect.stringContaining(`schedule_with_cron('https://other.supabase.co')`),
      }),
    );
    expect(await one()).toMatchObject({ projectUrl: home });
  });

  it.each(['pg_cron', 'pg_net'])('without %s says how to get it', async (extension) => {
    await db.sql.unsafe(`drop extension ${extension}`);
    await expect(schedule()).rejects.toThrow(
      expect.objectContaining({ code: 'NS404', hint: `create extension ${extension};` }),
    );
    expect(await listed()).toEqual([]);
  });

  it('uses no function of that name which someone else has made', async () => {
    await db.sql.unsafe(`
      alter extension pg_net drop function net.http_post(text, jsonb, jsonb, jsonb, integer);
    `);
    await expect(schedule()).rejects.toThrow('The extension pg_net is not there');
    await db.sql.unsafe(`
      alter extension pg_net add function net.http_post(text, jsonb, jsonb, jsonb, integer);
      do $$ begin create role nightshift_net_owner; exception when duplicate_object then null; end $$;
      alter schema net owner to nightshift_net_owner;
    `);
    await expect(schedule()).rejects.toThrow(
      'is in the schema net, which belongs to nightshift_net_owner',
    );
    await db.sql.unsafe(`
      alter schema net owner to postgres;
      select nightshift.schedule_with_cron('${home}');
      alter table cron.job owner to nightshift_net_owner;
    `);
    await expect(listed()).rejects.toThrow('belongs to nightshift_net_owner');
    await db.sql.unsafe(`alter table cron.job owner to postgres; drop role nightshift_net_owner`);
  });
});

describe('a wake', () => {
  it('is sent when a schedule is due, with nothing in it but a nonce', async () => {
    await schedule();
    expect(await wakes()).toEqual([]);
    await fire(db.sql, 'nightshift schedule retention-purge');
    const [sent, ...others] = await wakes();
    expect(others).toEqual([]);
    expect(sent?.url).toBe(
      `${home}/functions/v1/nightshift-retention-purge/jobs/retention-purge/wakes`,
    );
    expect(JSON.parse(sent?.body ?? '')).toEqual({
      nonce: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(await one()).toMatchObject({ posts: 1, dueAt: expect.any(String), answer: null });
  });

  it('is not sent for a job of policies that has none', async () => {
    await schedule();
    await fire(db.sql, 'nightshift schedule view-refresh');
    expect(await wakes()).toEqual([]);
    expect(await one('view-refresh')).toMatchObject({ dueAt: null, waitingSince: null });
    await fire(db.sql, 'nightshift schedule health-check');
    expect(await wakes()).toHaveLength(1);
  });

  it('is repeated with another nonce and growing pauses until a run is there, for two hours', async () => {
    const first = await dueWake();
    const nonces = [nonceOf(first)];
    const minutes: number[] = [];
    for (let minute = 1; minute <= 180; minute++) {
      await letMinutesPass(db.sql, 1);
      const sent = await wakes();
      if (sent.length > 0) minutes.push(minute);
      nonces.push(...sent.map(nonceOf));
    }
    expect(minutes).toEqual([1, 3, 7, 14, 28, 55, 109]);
    expect(new Set(nonces).size).toBe(8);
    await expect(consume(nonces[6])).rejects.toThrow(expect.objectContaining({ code: 'NS421' }));

    await fire(db.sql, 'nightshift schedule retention-purge');
    expect(await wakes()).toHaveLength(1);
  });

  it('is not sent for what has been due for two hours, as after a pause', async () => {
    await schedule();
    await db.sql`select nightshift.pause()`;
    await fire(db.sql, 'nightshift schedule retention-purge');
    await fire(db.sql, 'nightshift schedule health-check');
    expect((await wakes()).map(({ url }) => url)).toEqual([
      expect.stringContaining('health-check'),
    ]);
    await letMinutesPass(db.sql, 121);
    await db.sql`select nightshift.unpause()`;
    expect(await wakes()).toEqual([]);
  });

  it('is not sent while a run of the job is under way, or once that of its time is there', async () => {
    await schedule();
    const [begun] = await db.sql`
      select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
    await fire(db.sql, 'nightshift schedule retention-purge');
    expect(await wakes()).toEqual([]);
    await db.sql`select nightshift.finish_run(${begun?.run.id}, ${begun?.run.fence}, 'succeeded')`;
    const [sent] = await wakes();
    const { work } = await consume(nonceOf(sent));
    await db.sql`
      select nightshift.begin_run('retention-purge', 'schedule', ${work.key}, requested_by => ${work.requestedBy})`;
    await db.sql`update nightshift.runs set status = 'failed', finished_at = now(), lease_expires_at = null where status = 'running'`;
    await letMinutesPass(db.sql, 3);
    expect(await wakes()).toEqual([]);
  });

  it('is sent when the lease of another run has run out', async () => {
    await schedule();
    await db.sql`select nightshift.begin_run('retention-purge', 'cli')`;
    await fire(db.sql, 'nightshift schedule retention-purge');
    expect(await wakes()).toEqual([]);
    await expireLease(db.sql);
    expect(await wakes()).toHaveLength(1);
  });

  it('is sent for a run that died, twice, and not for one that failed', async () => {
    await schedule();
    await fire(db.sql, 'nightshift schedule retention-purge');
    const begin = async () => {
      const [sent] = await wakes();
      const { work } = await consume(nonceOf(sent));
      await db.sql`select nightshift.begin_run('retention-purge', 'schedule', ${work.key}, requested_by => ${work.requestedBy})`;
      return work.key;
    };
    const first = await begin();
    for (const key of [`${first} 2`, `${first} 3`]) {
      expect(await wakes()).toEqual([]);
      await expireLease(db.sql);
      expect(await begin()).toBe(key);
    }
    await expireLease(db.sql);
    expect(await wakes()).toEqual([]);

    await db.sql`delete from nightshift.runs where status = 'lost'`;
    await db.sql`update nightshift.runs set status = 'failed', finished_at = now()`;
    expect(await wakes()).toEqual([]);
  });

  it('opens nothing twice, for no other job and in no other project', async () => {
    const nonce = nonceOf(await dueWake());
    for (const [wrong, job, url] of [
      [nonce, 'view-refresh', home],
      ['01900000-0000-7000-8000-000000000000', 'retention-purge', home],
      [nonce, 'retention-purge', 'https://other.supabase.co'],
    ] as const) {
      await expect(consume(wrong, job, url)).rejects.toThrow(
        expect.objectContaining({ code: 'NS421', hint: expect.any(String) }),
      );
    }
    const both = await Promise.allSettled([consume(nonce), consume(nonce)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('has its answer written down, and a refusal is not asked for again', async () => {
    const sent = await dueWake();
    await answer(db.sql, sent?.id ?? '', 404, 'Requested function was not found');
    await letMinutesPass(db.sql, 1);
    const [again] = await wakes();
    expect(again).toBeDefined();
    await answer(db.sql, again?.id ?? '', 421, '{"code":"NS421"}');
    await letMinutesPass(db.sql, 60);
    expect(await wakes()).toEqual([]);
    expect(await one()).toMatchObject({ posts: 2, answer: '421 {"code":"NS421"}' });
  });

  it('that was used is not refused by what a second delivery is answered', async () => {
    const sent = await dueWake();
    await consume(nonceOf(sent));
    await answer(db.sql, sent?.id ?? '', 421, '{"code":"NS421"}');
    await letMinutesPass(db.sql, 1);
    expect(await wakes()).toHaveLength(1);
    expect(await db.sql`select refused_at from nightshift.home`).toEqual([{ refused_at: null }]);
  });

  it('is not taken for one that had its number before a crash of the server', async () => {
    const sent = await dueWake();
    await db.sql`
      insert into net._http_response (id, status_code, content, created)
      values (${sent?.id ?? ''}, 421, '{"code":"NS421"}', now() - interval '1 hour')`;
    await wakes();
    expect(await one()).toMatchObject({ answer: null });
    expect(await db.sql`select refused_at from nightshift.home`).toEqual([{ refused_at: null }]);
  });

  it('whose answer tells of no status has the reason written down', async () => {
    const sent = await dueWake();
    await db.sql`
      insert into net._http_response (id, error_msg) values (${sent?.id ?? ''}, 'Timeout was reached')`;
    await wakes();
    expect(await one()).toMatchObject({ answer: 'Timeout was reached' });
  });

  it('is sent once by two sessions that look at the same time', async () => {
    await schedule();
    await fire(db.sql, 'nightshift schedule retention-purge');
    const session = db.connect();
    const [other] = await Promise.all([
      session.begin(async (transaction) => {
        await transaction`select nightshift.send_wakes()`;
        return db.sql`select nightshift.send_wakes() as sent`;
      }),
    ]);
    expect(other).toEqual([{ sent: 0 }]);
    expect(await takeSent(db.sql)).toHaveLength(1);
  });

  it('comes for a run that waits to be continued, at once, and once for each attempt', async () => {
    await schedule();
    const [begun] = await db.sql`
      select nightshift.begin_run('retention-purge', 'http') -> 'run' as run`;
    await db.sql`select nightshift.finish_run(${begun?.run.id}, ${begun?.run.fence}, 'continued')`;
    const [sent] = await wakes();
    expect(await wakes()).toEqual([]);
    const { work } = await consume(nonceOf(sent));
    expect(work).toMatchObject({ resume: { runId: begun?.run.id, attempt: 1 } });
    const [resumed] = await db.sql`
      select nightshift.resume_run(${begun?.run.id}, 1) -> 'run' as run`;
    expect(await wakes()).toEqual([]);
    await db.sql`select nightshift.finish_run(${begun?.run.id}, ${resumed?.run.fence}, 'continued')`;
    expect(await wakes()).toHaveLength(1);
  });
});

describe('the watch', () => {
  const webhook = 'https://hooks.example.org/T0/B0';
  const watch = async () => {
    await fire(db.sql, 'nightshift watch');
    return (await takeSent(db.sql)).map(({ id, url, body }) => ({
      id,
      url,
      text: JSON.parse(body).text,
    }));
  };
  const wellDone = async (name = 'retention-purge') => {
    await recordRun(db.sql, 'retention-purge', { status: 'succeeded' });
    await db.sql`
      update nightshift.runs set requested_by = ${`cron ${name}`}, finished_at = now()
      where id = (select id from nightshift.runs order by fence desc limit 1)`;
  };

  beforeEach(async () => {
    await schedule();
    await db.sql`select nightshift.set_webhook(${webhook})`;
    const [hello] = await takeSent(db.sql);
    expect(hello?.url).toBe(webhook);
    expect(JSON.parse(hello?.body ?? '').text).toContain(`Nightshift of ${home}`);
  });

  it('is silent while every schedule has its run', async () => {
    await fire(db.sql, 'nightshift schedule retention-purge');
    await letMinutesPass(db.sql, 24 * 60);
    await wellDone();
    expect(await watch()).toEqual([]);
    await fire(db.sql, 'nightshift schedule retention-purge');
    await letMinutesPass(db.sql, 119);
    expect(await watch()).toEqual([]);
  });

  it('counts a dry run where a schedule asks for one', async () => {
    await db.sql`
      select nightshift.schedule_with_cron(name => 'rehearsal', job => 'retention-purge', cron => '0 1 * * *', input => '{"dryRun": true}')`;
    await fire(db.sql, 'nightshift schedule rehearsal');
    await wellDone('rehearsal');
    await db.sql`update nightshift.runs set dry_run = true`;
    await letMinutesPass(db.sql, 121);
    expect(await watch()).toEqual([]);
    await db.sql`update nightshift.schedules set input = '{}'`;
    expect(await watch()).toHaveLength(1);
  });

  it('has whoever looks from outside told that pg_cron starts nothing', async () => {
    const findings = async () => {
      const [row] = await db.sql`
        select c -> 'findings' as findings from jsonb_array_elements(nightshift.get_health(array['late_schedules']) -> 'checks') c`;
      return row?.findings;
    };
    const silentFor = (minutes: number) =>
      db.sql`update nightshift.home set ticked_at = now() - make_interval(mins => ${minutes})`;
    await silentFor(14);
    expect(await findings()).toEqual([]);
    await silentFor(16);
    const [found] = await findings();
    expect(found).toMatchObject({
      level: 'critical',
      detail: expect.stringContaining('pg_cron has started nothing since'),
      fix: expect.stringContaining('cron.job_run_details'),
    });
    await db.sql.unsafe(found.fix);
    await fire(db.sql, 'nightshift wakes');
    expect(await findings()).toEqual([]);
  });

  it('tells of a schedule that has had none for two hours, once, and when it is over', async () => {
    await fire(db.sql, 'nightshift schedule retention-purge');
    await letMinutesPass(db.sql, 121);
    const [told, ...others] = await watch();
    expect(others).toEqual([]);
    expect(told).toMatchObject({
      url: webhook,
      text: expect.stringContaining('- Schedules whose time has come and gone: retention-purge'),
    });
    await answer(db.sql, told?.id ?? '', 200);
    // Another due time does not make it young again.
    await fire(db.sql, 'nightshift schedule retention-purge');
    expect(await watch()).toEqual([]);
    await wellDone();
    expect(await watch()).toEqual([]);
    const [over] = await watch();
    expect(over?.text).toContain('nothing critical any more');
    expect(await watch()).toEqual([]);
  });

  it('tells once of what comes and goes from one look to the next', async () => {
    const stopped = (name: string, isStopped: boolean) => db.sql`
      update cron.job set active = ${!isStopped} where jobname = ${`nightshift schedule ${name}`}`;
    const [check] = await db.sql`
      update nightshift.health_checks c set title = E'Two\\nlines'
      from nightshift.health_checks o where o.name = c.name and c.name = 'late_schedules' returning o.title`;
    onTestFinished(async () => {
      await db.sql`update nightshift.health_checks set title = ${check?.title} where name = 'late_schedules'`;
    });
    await stopped('retention-purge', true);
    const [told] = await watch();
    expect(told?.text).toContain('- Two\nlines: retention-purge');
    await answer(db.sql, told?.id ?? '', 200);
    for (const isStopped of [false, true, false, true, true]) {
      await stopped('retention-purge', isStopped);
      expect(await watch()).toEqual([]);
    }
    // Something new is told at once, with what there is then.
    await stopped('retention-purge', false);
    await stopped('view-refresh', true);
    const [other] = await watch();
    expect(other?.text).toMatch(/critical:\n- Two\nlines: view-refresh\nWhat to do/);
    await answer(db.sql, other?.id ?? '', 200);
    await stopped('retention-purge', true);
    const [both] = await watch();
    expect(both?.text).toMatch(/: retention-purge\n[^:]*\n[^:]*: view-refresh\nWhat to do/);
    await answer(db.sql, both?.id ?? '', 200);
    await stopped('retention-purge', false);
    expect(await watch()).toEqual([]);
    const [rest] = await watch();
    expect(rest?.text).toMatch(/critical:\n- Two\nlines: view-refresh\nWhat to do/);
  });

  it('leaves it to functions that tell, says so, and tells when they fall silent', async () => {
    await fire(db.sql, 'nightshift schedule retention-purge');
    await letMinutesPass(db.sql, 121);
    const [told] = await watch();
    await answer(db.sql, told?.id ?? '', 200);

    await db.sql`select nightshift.take_troubles()`;
    const [handedOver] = await watch();
    expect(handedOver?.text).toBe(
      `The functions of ${home} run, and tell by themselves what is wrong.`,
    );
    expect(await watch()).toEqual([]);
    await letMinutesPass(db.sql, 119);
    expect(await watch()).toEqual([]);
    await letMinutesPass(db.sql, 2);
    expect((await watch())[0]?.text).toContain('retention-purge');
  });

  it('does not leave it to functions whose messages nobody takes', async () => {
    await fire(db.sql, 'nightshift schedule retention-purge');
    await db.sql`
      insert into nightshift.troubles (key, kind, subject, text, began_at)
      values ('critical read_only database', 'critical', 'database', 'Read-only.', now() - interval '59 minutes')`;
    await db.sql`
      insert into nightshift.health_findings (check_name, subject, level, since, level_since)
      values ('read_only', 'database', 'critical', now(), now())`;
    await db.sql`select nightshift.take_troubles()`;
    await letMinutesPass(db.sql, 121);
    await db.sql`update nightshift.troubles set began_at = began_at - interval '121 minutes', claimed_until = null`;
    await db.sql`select nightshift.take_troubles()`;
    expect((await watch())[0]?.text).toContain('retention-purge');
    await db.sql`truncate nightshift.troubles, nightshift.health_findings`;
  });

  it('is silent about a run that takes hours, and tells of one that died', async () => {
    await fire(db.sql, 'nightshift schedule retention-purge');
    await db.sql`
      select nightshift.begin_run('retention-purge', 'schedule', requested_by => 'cron retention-purge')`;
    await letMinutesPass(db.sql, 180);
    expect(await watch()).toEqual([]);
    await expireLease(db.sql);
    expect((await watch())[0]?.text).toContain('retention-purge');
  });

  it('tells again what was not delivered, and every day', async () => {
    await fire(db.sql, 'nightshift schedule retention-purge');
    await letMinutesPass(db.sql, 121);
    await watch();
    const [again] = await watch();
    await answer(db.sql, again?.id ?? '', 500);
    const [third] = await watch();
    await answer(db.sql, third?.id ?? '', 200);
    expect(await watch()).toEqual([]);
    await letMinutesPass(db.sql, 25 * 60);
    expect(await watch()).toHaveLength(1);
  });

  it('tells of a schedule that pg_cron has no more, or has switched off', async () => {
    await db.sql`update cron.job set active = false where jobname = 'nightshift schedule view-refresh'`;
    expect((await watch())[0]?.text).toContain('view-refresh');
    await db.sql`select nightshift.set_webhook(null)`;
    expect(await watch()).toEqual([]);
  });

  it('says nothing in a copy, which the project refuses', async () => {
    await fire(db.sql, 'nightshift schedule retention-purge');
    const [accepted] = await wakes();
    await consume(nonceOf(accepted));
    await letMinutesPass(db.sql, 1);
    const [sent] = await wakes();
    await answer(db.sql, sent?.id ?? '', 421, '{"code":"NS421"}');
    await wakes();
    await letMinutesPass(db.sql, 300);
    expect(await watch()).toEqual([]);

    // What was never accepted is no copy, but a URL that is wrong.
    await db.sql`update nightshift.home set accepted_at = null`;
    expect(await watch()).toHaveLength(1);
  });

  it('keeps what pg_cron notes of our jobs for a day, and all of others', async () => {
    await db.sql.unsafe(`
      select cron.schedule('of the application', '* * * * *', 'select 1');
      insert into cron.job_run_details (jobid, status, start_time, end_time)
      select j.jobid, 'succeeded', now() - a, now() - a from cron.job j, unnest('{1 hour, 2 days}'::interval[]) a
    `);
    await watch();
    const left = await db.sql`
      select j.jobname, count(*)::integer as n from cron.job_run_details d join cron.job j using (jobid) where end_time < now() - interval '1 day' group by 1`;
    expect(left).toEqual([{ jobname: 'of the application', n: 1 }]);
    const [recent] =
      await db.sql`select count(*)::integer as n from cron.job_run_details where end_time > now() - interval '1 day'`;
    expect(recent?.n).toBe((await jobs()).length);
  });

  it.each(['ftp://x', 'slack', ''])('has no webhook %j', async (url) => {
    await expect(db.sql`select nightshift.set_webhook(${url})`).rejects.toThrow(
      expect.objectContaining({ code: 'NS422' }),
    );
  });
});

describe('who has no right to any of it', () => {
  it.each(['anon', 'authenticated', 'nightshift_runner', 'service_role'])(
    '%s reads no nonce and no webhook',
    async (role) => {
      await dueWake();
      await db.sql`select nightshift.set_webhook('https://hooks.example.org/secret')`;
      const session = db.connect();
      const refused: string[] = [];
      for (const statement of [
        'select * from nightshift.schedules',
        'select * from nightshift.home',
        `select nightshift.schedule_with_cron()`,
        `select nightshift.unschedule_with_cron()`,
        `select nightshift.set_webhook('https://example.org')`,
        `select nightshift.mark_due('retention-purge')`,
        'select nightshift.watch()',
        ...(role === 'anon' || role === 'authenticated'
          ? [
              'select nightshift.list_schedules()',
              'select nightshift.send_wakes()',
              `select nightshift.consume_wake('01900000-0000-7000-8000-000000000000', 'retention-purge', '${home}')`,
            ]
          : []),
      ]) {
        const ended = await session
          .begin(async (transaction) => {
            await transaction.unsafe(`set local role ${role}`);
            await transaction.unsafe(statement);
            return 'done';
          })
          .catch((error: postgres.PostgresError) => error.code);
        if (ended !== '42501') refused.push(`${statement}: ${ended}`);
      }
      expect(refused).toEqual([]);
      await session.begin(async (transaction) => {
        if (role === 'anon' || role === 'authenticated') return;
        await transaction.unsafe(`set local role ${role}`);
        const [row] = await transaction`select nightshift.list_schedules() as list`;
        expect(JSON.stringify(row?.list)).not.toMatch(/nonce|hooks\.example/);
      });
    },
  );
});

describe('unschedule_with_cron and uninstall', () => {
  it('leave no job of pg_cron behind, and those of the application alone', async () => {
    await schedule();
    await db.sql`select cron.schedule('nightshift of ours', '* * * * *', 'select 1')`;
    await db.sql`
      insert into cron.job_run_details (jobid, start_time, end_time) select jobid, now(), now() from cron.job`;
    await expect(db.sql`select nightshift.unschedule_with_cron('nobody')`).rejects.toThrow(
      expect.objectContaining({ code: 'NS404', hint: expect.stringContaining('list_schedules') }),
    );
    await db.sql`select nightshift.unschedule_with_cron()`;
    expect((await jobs()).map(({ jobname }) => jobname)).toEqual(['nightshift of ours']);
    expect(await db.sql`select from nightshift.home`).toHaveLength(0);
    expect(await db.sql`select from cron.job_run_details`).toHaveLength(1);
    await db.sql`select nightshift.unschedule_with_cron()`;
    await schedule('https://other.supabase.co');
    expect(await one()).toMatchObject({ projectUrl: 'https://other.supabase.co' });
  });

  it('work when pg_cron is gone already', async () => {
    await schedule();
    await db.sql.unsafe('drop extension pg_cron; drop schema cron cascade');
    expect(await one()).toMatchObject({ active: false });
    await db.sql`select nightshift.unschedule_with_cron()`;
    expect(await listed()).toEqual([]);
  });

  it('let nobody else own the functions while pg_cron runs them as the owner', async () => {
    await schedule();
    await db.sql.unsafe(
      `do $$ begin create role nightshift_heir; exception when duplicate_object then null; end $$`,
    );
    await expect(db.sql`select nightshift.hand_over('nightshift_heir')`).rejects.toThrow(
      expect.objectContaining({
        code: 'NS422',
        hint: expect.stringContaining('unschedule_with_cron'),
      }),
    );
    await db.sql`drop role nightshift_heir`;
  });

  it('uninstall takes the jobs of pg_cron along, and only says so without --yes', async () => {
    const own = await createDatabase();
    try {
      await own.sql.unsafe(standIns);
      await own.sql`select nightshift.schedule_with_cron(${home})`;
      const count = async () => (await own.sql`select from cron.job`).length;
      const before = await count();
      expect(await uninstall(own.url, { confirmed: false })).toMatchObject({ schedules: 5 });
      expect(await count()).toBe(before);
      await uninstall(own.url, { confirmed: true });
      expect(await count()).toBe(0);
      expect(await own.sql`select to_regnamespace('nightshift') as schema`).toEqual([
        { schema: null },
      ]);
    } finally {
      await own.drop();
    }
  });
});
