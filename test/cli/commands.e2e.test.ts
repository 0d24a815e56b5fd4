import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { newestRelease } from '../../cli/installation/release.ts';
import { nightshift, run, startNightshift } from '../support/command-line.ts';
import { setUpDatabase } from '../support/database.ts';
import { signingSecret, startReceiver } from '../support/receiver.ts';

describe('the command line', () => {
  const db = setUpDatabase();
  let env: Record<string, string>;
  beforeAll(async () => {
    await db.sql.unsafe(`
      create table public.orders (id integer primary key, deleted_at timestamptz);
      create index on public.orders (deleted_at);
      insert into public.orders select i, case when i <= 300 then now() - interval '40 days' end from generate_series(1, 1000) i;
    `);
    const { url, secretKey } = await db.gateway();
    env = { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey };
  });

  it('says how to begin while there is no policy', async () => {
    const { stdout, code } = await nightshift(['policies'], env);
    expect(stdout).toMatch(/nothing is ever deleted[\s\S]*add_retention_policy/);
    expect(code).toBe(0);
  });

  it('shows a policy, purges dry and then for real, and shows the runs', async () => {
    await db.sql`select nightshift.add_retention_policy('public.orders', '30 days')`;
    expect((await nightshift(['policies'], env)).stdout).toMatch(/public\.orders .* 300 .* 1,000 /);

    const dry = await nightshift(['run', 'retention-purge', '--dry-run', '--json'], env);
    expect(dry.code).toBe(0);
    expect((await nightshift(['status'], env)).stdout).toMatch(/retention-purge .* only ran dry /);
    expect(JSON.parse(dry.stdout)).toMatchObject({
      status: 'succeeded',
      dryRun: true,
      trigger: 'cli',
      report: { rowsPurged: 300, rowsLeft: 300 },
    });
    expect(await db.sql`select count(*)::integer as n from public.orders`).toEqual([{ n: 1000 }]);

    const real = await nightshift(['run', 'retention-purge'], env);
    expect(real.code).toBe(0);
    expect(real.stdout).toMatch(/public\.orders .* 300 .* succeeded/);
    expect(await db.sql`select count(*)::integer as n from public.orders`).toEqual([{ n: 700 }]);

    const status = await nightshift(['status', '--json'], env);
    expect(JSON.parse(status.stdout)).toMatchObject({
      jobs: expect.arrayContaining([
        expect.objectContaining({ job: 'retention-purge', state: 'on time', failedInRow: 0 }),
      ]),
      runs: [{ dryRun: false }, { dryRun: true }],
      snapshot: null,
    });
    const shown = (await nightshift(['status'], env)).stdout;
    expect(shown).toMatch(/None has run yet: .* run health-check/);
    expect(shown).toMatch(/retention-purge .* on time .* ago .* 02:00:00 /);
    expect(shown).toMatch(/succeeded \(dry run\)/);

    await nightshift(['run', 'health-check'], env);
    const { stdout } = await nightshift(['status'], env);
    expect(stdout).toMatch(/public\.orders .* kept .* 0 .* Kept: nothing is left that is due\./);
    expect(stdout).toMatch(/It was at .* UTC, .* ago\./);
    const document = JSON.parse((await nightshift(['status', '--json'], env)).stdout);
    expect(document.snapshot).toMatchObject({
      version: 1,
      retention: { items: [{ table: 'public.orders', verdict: 'kept', residue: 0 }] },
    });
  });

  it('says once what was in the way of a single table', async () => {
    await db.sql.unsafe(`
      create table public.heaps (id integer primary key, deleted_at timestamptz);
      create index on public.heaps (deleted_at);
      insert into public.heaps select i, now() - interval '40 days' from generate_series(1, 1000) i;
      select nightshift.add_retention_policy('public.heaps', '30 days');
    `);
    const { stderr, code } = await nightshift(
      ['run', 'retention-purge', '--only', 'public.heaps'],
      env,
    );
    expect(code).toBe(1);
    expect(stderr.match(/more than max_fraction/g)).toHaveLength(1);
    expect(stderr.match(/Fix: If it is meant/g)).toHaveLength(1);
    await db.sql`select nightshift.remove_retention_policy('public.heaps')`;
    await db.sql`drop table public.heaps`;
  });

  it('tries the webhook, and says what is wrong with it', async () => {
    const receiver = await startReceiver();
    const url = `${receiver.url}/slack`;
    const hook = { NIGHTSHIFT_WEBHOOK_URL: url, NIGHTSHIFT_WEBHOOK_FORMAT: 'slack' };
    const taken = await nightshift(['webhook', 'test'], { ...env, ...hook });
    expect(taken.stdout).toMatch(/127\.0\.0\.1:\d+ took a message in the format slack\./);
    expect(receiver.received[0]?.text).toContain('A test.');
    receiver.behave('breaks');
    const broken = await nightshift(['webhook', 'test'], { ...env, ...hook });
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('it answered 500') });
    await receiver.close();
    const unset = await nightshift(['webhook', 'test'], { ...env, NIGHTSHIFT_WEBHOOK_URL: '' });
    expect(unset.code).toBe(2);
    const unsigned = await nightshift(['webhook', 'test'], {
      ...env,
      NIGHTSHIFT_WEBHOOK_URL: 'https://example.com/T0',
    });
    expect(unsigned).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('NIGHTSHIFT_WEBHOOK_SECRET'),
    });
    expect(unsigned.stderr).not.toContain('T0');
  });

  it('tells people by the webhook of its shell what a run by hand has found', async () => {
    const receiver = await startReceiver();
    await db.sql`
      insert into nightshift.health_findings (check_name, subject, level, since, level_since)
      values ('read_only', 'database', 'critical', now(), now())`;
    await nightshift(['run', 'retention-purge'], {
      ...env,
      NIGHTSHIFT_WEBHOOK_URL: `${receiver.url}/json`,
      NIGHTSHIFT_WEBHOOK_SECRET: signingSecret,
    });
    await db.sql`truncate nightshift.health_findings, nightshift.troubles`;
    await receiver.close();
    expect(receiver.received.map(({ body }) => body)).toMatchObject([
      { type: 'nightshift.troubles', data: { began: [{ kind: 'critical' }] } },
    ]);
  });

  it('says in full what is wrong with policies when asked for them, and points there otherwise', async () => {
    await db.sql.unsafe(`
      create schema app;
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create index on app.orders (deleted_at);
      create table app.items (order_id integer references app.orders);
      insert into app.orders select i, now() - interval '40 days' from generate_series(1, 10) i;
      select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1);
      create materialized view app.totals as select count(*) from app.orders;
      grant usage on schema app to anon;
      grant select on app.totals to anon;
      select nightshift.add_refresh_policy('app.totals', allow_blocking => true);
      create table app.days (at timestamptz not null) partition by range (at);
      create table app.odd partition of app.days for values from ('2026-01-01 00:00+00') to ('2026-01-01 12:00+00');
      select nightshift.add_partition_policy('app.days', '1 day');
    `);
    const warnings = /has no index on the referencing side|The API exposes it|not one interval of/g;
    const listed = await nightshift(['policies'], env);
    expect(listed.stdout.match(warnings)).toHaveLength(3);
    for (const job of ['retention-purge', 'view-refresh', 'partition-maintenance']) {
      for (const command of [
        ['plan', job],
        ['run', job, '--dry-run'],
        ['run', job],
      ]) {
        const { stdout } = await nightshift(command, env);
        expect(stdout, command.join(' ')).not.toMatch(warnings);
        expect(
          stdout.match(/1 warning about policies: npm run nightshift -- policies/g),
        ).toHaveLength(1);
      }
    }
    await db.sql.unsafe(`
      select nightshift.remove_retention_policy('app.orders');
      select nightshift.remove_refresh_policy('app.totals');
      select nightshift.remove_partition_policy('app.days');
    `);
  });

  it('shows how long the key queries take, and measures them when it is asked to', async () => {
    const none = await nightshift(['key-queries'], env);
    expect(none.stdout).toMatch(/No key query is declared[\s\S]*add_key_query/);
    await db.sql`select nightshift.add_key_query('one', 'select 1', 100)`;
    expect((await nightshift(['key-queries'], env)).stdout).toMatch(/one .* 100 ms .* never/);
    expect((await nightshift(['run', 'health-check', '--only', 'key_queries'], env)).code).toBe(0);
    expect((await nightshift(['key-queries'], env)).stdout).toMatch(/one .* \d+ ms .* ok/);
    const { stdout } = await nightshift(['key-queries', '--json'], env);
    expect(JSON.parse(stdout)).toMatchObject([{ name: 'one', maxMs: 100, failure: null }]);
    await db.sql`select nightshift.remove_key_query('one')`;
  });

  it('shows the health, worst first, and ends with a code for the worst', async () => {
    const healthy = await nightshift(['health', 'connections'], env);
    expect(healthy.code).toBe(0);
    expect(healthy.stdout).toMatch(/There is room for more connections/);
    for (const [level, code] of [
      ['warning', 5],
      ['critical', 6],
    ] as const) {
      await db.sql.unsafe(`select nightshift.set_health_threshold('connections', ${level} => 0.1)`);
      const sick = await nightshift(['health', 'connections'], env);
      expect(sick.code).toBe(code);
      expect(sick.stdout).toMatch(new RegExp(`${level} .* connections .* all connections`));
      expect(sick.stdout).toMatch(/select usename/);
      const { checks } = JSON.parse((await nightshift(['health', '--json'], env)).stdout);
      expect(checks[0]).toMatchObject({ name: 'connections', level });
    }
    await db.sql`select nightshift.remove_health_threshold('connections')`;
    const unknown = await nightshift(['health', 'nothing_such'], env);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/There is no health check nothing_such[\s\S]*connections/);
  });

  it('examines a deployment, and fails when something is wrong with it', async () => {
    const well = await nightshift(['doctor'], env);
    expect(well.code).toBe(0);
    expect(well.stdout).toMatch(/ok .* Data API/);
    const misspelt = { ...env, NIGHTSHIFT_DATABASE_URL: 'postgres://me:pass#word@host/postgres' };
    const found = await nightshift(['doctor'], misspelt);
    expect(found.stdout).toMatch(/failed .* direct connection .* has a # in it/);
    expect(found.code).toBe(1);
    const ill = await nightshift(['doctor', '--json'], {
      ...env,
      SUPABASE_SECRET_KEY: 'sb_secret_wrong',
    });
    expect(ill.code).toBe(1);
    expect(JSON.parse(ill.stdout)[0]).toMatchObject({ subject: 'Data API', level: 'failed' });
  });

  it.each([
    [
      'an unknown job',
      startNightshift,
      ['run', 'nothing'],
      /There is no job nothing[\s\S]*retention-purge/,
    ],
    ['an unknown option', nightshift, ['run', 'retention-purge', '--really'], /unknown option/],
    ['no command', nightshift, [], /Usage: nightshift/],
  ])('answers %s with the fix and an exit code', async (_, call, args, message) => {
    const result = await call(args, env);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(2);
  });

  it('runs nothing when npm has taken an option for itself', async () => {
    const taken = { npm_lifecycle_event: 'nightshift', npm_config_dry_run: 'true' };
    const result = await nightshift(['run', 'retention-purge'], { ...env, ...taken });
    expect(result.stderr).toMatch(/npm took --dry-run for itself[\s\S]*Fix: Put -- before/);
    expect(result.code).toBe(2);
    const answered = { npm_lifecycle_event: 'npx', npm_config_yes: 'true' };
    expect(await nightshift(['runs'], { ...env, ...answered })).toMatchObject({ code: 0 });
  });

  it.each([
    ['postgres://a:open-sesame@127.0.0.1:1/x', /at 127\.0\.0\.1:1 could not be reached/, 1],
    ['no url', /is not valid/, 2],
  ])('says of %s that it leads to no database', async (url, message, code) => {
    const result = await nightshift(['migrate', '--database-url', url]);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).not.toContain('open-sesame');
    expect(result.code).toBe(code);
  });

  it('says which settings are missing', async () => {
    const result = await nightshift(['status'], { SUPABASE_URL: 'http://127.0.0.1:9' });
    expect(result.stderr).toMatch(/Not set, or not valid: SUPABASE_SECRET_KEY/);
    expect(result.code).toBe(2);
  });

  it.each([
    ['postgres://postgres:open-sesame@127.0.0.1:1/postgres', 'https://abcd.supabase.co'],
    ['http://127.0.0.1:9/rest/v1', 'it is http://127.0.0.1:9.'],
    ['open-sesame', 'https://abcd.supabase.co'],
  ])(
    'takes no other address for that of the project, and does not repeat it: %s',
    async (url, right) => {
      const result = await nightshift(['status'], { ...env, SUPABASE_URL: url });
      expect(result.stderr).toMatch(/Not set, or not valid: SUPABASE_URL/);
      expect(result.stderr).toContain(right);
      expect(result.stderr).not.toContain(url);
      expect(result.stderr).not.toContain('open-sesame');
      expect(result.code).toBe(2);
    },
  );

  it('says that the password was refused, and by which host', async () => {
    const url = new URL(db.url);
    url.password = 'open-sesame';
    const result = await nightshift(['migrate', '--database-url', url.href]);
    expect(result.stderr).toMatch(`The database at ${url.host} refused the password`);
    expect(result.stderr).toMatch(
      /Fix: Put the password of the database into the connection string/,
    );
    expect(result.stderr).not.toContain('could not be reached');
    expect(result.stderr).not.toContain('open-sesame');
    expect(result.code).toBe(2);
  });

  it('exits 3 while rows are left, and 4 when paused', async () => {
    await db.sql.unsafe(`
      create table public.lines (order_id integer references public.orders);
      create index on public.lines (order_id);
      update public.orders set deleted_at = now() - interval '40 days' where id between 301 and 310;
      insert into public.lines values (301);
    `);
    const dry = await nightshift(['run', 'retention-purge', '--dry-run'], env);
    expect(dry.stdout).toMatch(
      /public\.orders: 1 would stay\n {2}1 needed through foreign key lines_order_id_fkey/,
    );
    const partial = await nightshift(['run', 'retention-purge'], env);
    expect(partial.stdout).toMatch(
      /1 needed through foreign key lines_order_id_fkey on public\.lines\n {4}Fix: select nightshift.settle_reference\('public.orders', 'public.lines\(order_id\)',\s+'with_children'\);\n/,
    );
    expect(partial.code).toBe(3);

    await db.sql`select nightshift.pause('moving house')`;
    const paused = await nightshift(['run', 'retention-purge'], env);
    expect(paused.stdout).toMatch(
      /Run skipped: Nightshift is paused: moving house\.\n.*nightshift\.unpause\(\)/,
    );
    expect(paused.code).toBe(4);
    await db.sql`select nightshift.unpause()`;
  });

  it('shows a run under way, names it to one that it keeps waiting, and ends it', async () => {
    const [row] = await db.sql<{ id: string }[]>`
      select nightshift.begin_run('retention-purge', 'schedule', requested_by => 'the night') #>> '{run,id}' as id`;
    await db.sql`
      update nightshift.runs set progress = '{"steps": {"public.orders": {"rowsPurged": 45000}}, "backlogs": {"public.orders": {"dueRows": 120000}}}'
      where id = ${row?.id ?? ''}`;
    const id = row?.id.slice(0, 8) ?? '';

    const waiting = await nightshift(['run', 'retention-purge'], env);
    expect(waiting.stdout).toMatch(
      new RegExp(
        `Another run of this job is under way: ${id}, since .* UTC\\.\n {2}For \\d+s, begun by schedule \\(the night\\): 45,000 of about 120,000 due rows purged\\.\n.* runs ${id}\n.* cancel ${id}`,
      ),
    );
    expect(waiting.code).toBe(4);

    const list = await nightshift(['runs', 'retention-purge'], env);
    expect(list.stdout).toMatch(new RegExp(`running .*${id}`));
    expect((await nightshift(['status'], env)).stdout).toMatch(
      new RegExp(
        `Under way now[\\s\\S]*retention-purge .* ${id} .* 45,000 of about 120,000 due rows`,
      ),
    );
    const shown = await nightshift(['runs', id], env);
    expect(shown.stdout).toMatch(/: running\nStarted .* by schedule \(the night\); for \d+s\n/);
    expect(shown.stdout).toMatch(/Progress: 45,000 of about 120,000 due rows purged/);
    const cancelled = await nightshift(['cancel', id], env);
    expect(cancelled.stdout).toMatch(new RegExp(`Run ${id} of retention-purge was asked to end`));
    expect(cancelled.code).toBe(0);
    expect((await nightshift(['runs', id], env)).stdout).toMatch(/Asked to end by /);
    expect(JSON.parse((await nightshift(['runs', id, '--json'], env)).stdout)).toMatchObject({
      id: row?.id,
      cancelRequestedBy: expect.any(String),
    });

    await db.sql`
      update nightshift.runs set heartbeat_at = started_at + interval '90 seconds', lease_expires_at = now()
      where status = 'running'`;
    expect((await nightshift(['status'], env)).stdout).toMatch(
      new RegExp(
        `retention-purge[ │]+lost .* 1m 30s .*\\n[\\s\\S]*retention-purge[ │]+lost .* 1m 30s .*${id}`,
      ),
    );
    const dead = await nightshift(['runs', id], env);
    expect(dead.stdout).toMatch(/: lost\nStarted .*; took 1m 30s\n/);
    expect(dead.stderr).toMatch(/Its last sign of life was at /);

    await db.sql`select nightshift.finish_run(r.id, r.fence, 'interrupted') from nightshift.runs r where r.status = 'running'`;
    const again = await nightshift(['cancel', id], env);
    expect(again.stdout).toMatch(/had ended: interrupted/);
    expect(again.code).toBe(4);

    await db.sql`update nightshift.runs set status = 'continued', cancel_requested_at = null, error = null where id = ${row?.id ?? ''}`;
    const waitsNoMore = await nightshift(['cancel', id], env);
    expect(waitsNoMore.stdout).toMatch(/is not continued: interrupted/);
    expect(waitsNoMore.code).toBe(0);
    const why = await nightshift(['runs', id], env);
    expect(`${why.stdout}${why.stderr}`).toMatch(
      /The run was cancelled by .* \(NS410\)\n {2}At .* UTC\.\n {2}Fix: What it had committed stays/,
    );
    const unknown = await nightshift(['runs', 'ffffffff'], env);
    expect(unknown.stderr).toMatch(/There is no run ffffffff/);
    expect(unknown.code).toBe(2);
  });

  it('takes a run for cancelled that ended while the answer to its cancel was lost', async () => {
    const [row] = await db.sql<{ id: string }[]>`
      select nightshift.begin_run('view-refresh', 'cli') #>> '{run,id}' as id`;
    const real = globalThis.fetch;
    let asked = 0;
    const fetches = vi.spyOn(globalThis, 'fetch').mockImplementation(async (...request) => {
      const answer = await real(...request);
      if (!String(request[0]).endsWith('/cancel_run') || ++asked > 1) return answer;
      await db.sql`select nightshift.finish_run(r.id, r.fence, 'interrupted') from nightshift.runs r where r.id = ${row?.id ?? ''}`;
      return new Response('<html>Connection timed out</html>', { status: 522 });
    });
    const { stdout, code } = await nightshift(['cancel', row?.id ?? ''], env);
    fetches.mockRestore();
    expect(asked).toBe(2);
    expect(stdout).toMatch(/has ended as it was asked to: interrupted/);
    expect(code).toBe(0);
  });

  it.each([60, 80])(
    'keeps every line within %d columns, but for a word that is longer',
    async (width) => {
      const narrow = { ...env, COLUMNS: `${width}` };
      for (const args of [
        ['status'],
        ['policies'],
        ['health', '--all'],
        ['runs'],
        ['run', 'retention-purge', '--dry-run'],
        ['plan', 'retention-purge'],
        ['plan', 'view-refresh'],
        ['plan', 'partition-maintenance'],
        ['doctor'],
      ]) {
        const { stdout, stderr } = await nightshift(args, narrow);
        const wide = `${stdout}\n${stderr}`
          .split('\n')
          .filter((line) => line.length > width && !/^\s*(?:'[^']*'|"[^"]*"|\S)+$/.test(line));
        expect(wide, args.join(' ')).toEqual([]);
      }
    },
  );

  it('names a table once that the brake leaves alone, and the option that lets it go', async () => {
    await db.sql.unsafe(`
      create table public.sessions (id integer primary key, deleted_at timestamptz);
      insert into public.sessions select id, now() - interval '40 days' from generate_series(1, 1000) id;
      select nightshift.add_retention_policy('public.sessions', '30 days');
    `);
    const only = ['run', 'retention-purge', '--only', 'public.sessions'];
    const braked = await nightshift(only, env);
    const output = braked.stdout + braked.stderr;
    expect(output).toMatch(/^public\.sessions: at least 1000 of 1000 rows would go/m);
    expect(output).toMatch(
      /Fix: If it is meant: npm run nightshift -- run retention-purge --force public\.sessions, or raise max_fraction/,
    );
    expect(output).not.toMatch(/POST|Nothing was deleted/);
    expect(braked.code).toBe(1);
    const forced = await nightshift([...only, '--force', 'public.sessions'], env);
    expect(forced.code).toBe(0);
    await db.sql`select nightshift.remove_retention_policy('public.sessions')`;
    await db.sql`drop table public.sessions`;
  });

  it('draws who refers to the rows that are due, within 100 columns', async () => {
    await db.sql.unsafe(`
      create table public.refunds (order_id integer references public.orders on delete set null);
      create table public."Packing slips of the warehouse" (id integer primary key, "the order they belong to" integer references public.orders);
      create table public.slip_notes (slip_id integer references public."Packing slips of the warehouse");
      insert into public."Packing slips of the warehouse" values (1, 301);
      update public.orders set deleted_at = now() - interval '40 days' where id between 401 and 402;
      select nightshift.alter_retention_policy('public.orders', release => array['public.refunds'],
        with_children => array['public."Packing slips of the warehouse"']);
    `);
    const plan = ['plan', 'retention-purge'];
    const { stdout, code } = await nightshift(plan, env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/public\.orders: at most ~2 go of 3 due\n/);
    expect(stdout).toMatch(/├── public\.lines\(order_id\): keeps 1\n/);
    expect(stdout).toMatch(/public\.refunds\(order_id\): released, ~0, no index\n/);
    expect(stdout).toMatch(
      /slips of the warehouse"\("the order they belong to"\): goes with, ~0, no index\n.*└── public\.slip_notes\(slip_id\): keeps \?, no index\n/,
    );
    expect(stdout).toMatch(
      /public\.orders: what keeps rows is settled one foreign key a call, in any order:\n {2}select nightshift\.settle_reference\('public\.orders', 'public\.lines\(order_id\)',\s+'with_children'\);\n/,
    );
    expect(Math.max(...stdout.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect(JSON.parse((await nightshift([...plan, '--json'], env)).stdout)).toMatchObject([
      { relation: 'public.orders', goes: 2, keys: [{}, {}, {}, {}] },
    ]);
    await db.sql.unsafe(`
      select nightshift.alter_retention_policy('public.orders', with_children => '{}', release => '{}');
      update public.orders set deleted_at = null where id between 401 and 402;
      drop table public.refunds, public.slip_notes, public."Packing slips of the warehouse"`);
  });

  it('draws the plan of the views, refreshes them, and shows how old they are', async () => {
    await db.sql.unsafe(`
      create materialized view public.per_day as
      select deleted_at::date as day, count(*) as orders from public.orders group by 1;
      create unique index on public.per_day (day);
      create materialized view public.busiest as select max(orders) as orders from public.per_day;
      select nightshift.adopt_refresh_policies('public');
      select pg_stat_force_next_flush();
    `);
    const plan = await nightshift(['plan', 'view-refresh'], env);
    expect(plan.stdout).toMatch(
      /public\.per_day: refresh concurrently \(never\)[\s\S]*└── public\.busiest: cannot \(never\): .* no unique index/,
    );
    expect((await nightshift(['plan', 'view-refresh', '--json'], env)).stdout).toMatch(/^\[/);

    const partial = await nightshift(['run', 'view-refresh'], env);
    expect(partial.stdout).toMatch(/public\.per_day .* refreshed .* never .* concurrently/);
    expect(partial.stderr).toMatch(/Fix: create unique index on public\.busiest/);
    expect(partial.code).toBe(3);

    await db.sql`select nightshift.alter_refresh_policy('public.busiest', allow_blocking => true)`;
    const args = ['run', 'view-refresh', '--only', 'public.busiest', '--ancestors', '--json'];
    const withDirect = { ...env, NIGHTSHIFT_DATABASE_URL: db.url };
    const whole = await nightshift(args, withDirect);
    expect(whole.stderr).toContain('Direct connection: 127.0.0.1');
    const look = await nightshift(['runs'], withDirect);
    expect(look.stderr).toMatch(/^Project: .*\n$/);
    expect(JSON.parse(whole.stdout)).toMatchObject({
      report: {
        steps: [
          { view: 'public.per_day', status: 'skipped', reason: 'unchanged' },
          { view: 'public.busiest', status: 'refreshed', mode: 'plain' },
        ],
      },
    });
    expect(whole.code).toBe(0);
    expect((await nightshift(['policies'], env)).stdout).toMatch(
      /Materialized views[\s\S]*public\.busiest .* old .* 1d 2h .* plain/,
    );

    const none = await nightshift(['plan', 'health-check'], env);
    expect(none.stderr).toMatch(/has no plan of its own[\s\S]*--dry-run/);
    expect(none.code).toBe(2);
  });

  it('draws partitions on a time line, maintains them, and draws them again', async () => {
    await db.sql.unsafe(`
      create table public.metrics (day date not null) partition by range (day);
      select nightshift.add_partition_policy('public.metrics', '1 month', premake => 2, retention => '2 months');
      select nightshift.create_missing_partitions('public.metrics', now() - interval '5 months')`);
    const plan = ['plan', 'partition-maintenance'];
    const before = await nightshift(plan, env);
    expect(before.stdout).toMatch(
      /public\.metrics {2}a partition every 1 mon, 2 ahead, detached 2 mons after its end\n.*\[xx=\+\+!\+\+\] /,
    );
    expect(before.stdout).toMatch(/! now, to be made {3}\+ to be made {3}x to be retired/);
    expect(JSON.parse((await nightshift([...plan, '--json'], env)).stdout)).toMatchObject([
      { table: 'public.metrics', partitions: 3 },
    ]);

    const maintained = await nightshift(['run', 'partition-maintenance'], env);
    expect(maintained.code).toBe(0);
    expect(maintained.stdout).toMatch(/public\.metrics .* succeeded /);
    expect((await nightshift(plan, env)).stdout).toMatch(/\[~~~=+@--\] /);
    expect((await nightshift(['policies'], env)).stdout).toMatch(/public\.metrics │ 1 mon /);
  });

  it('copies the release into a folder, named from where npm was called', async () => {
    const application = await mkdtemp(join(tmpdir(), 'nightshift-application-'));
    const copy = ['migrations', 'copy', '--to', 'migrations'];
    const missing = await nightshift(copy, { INIT_CWD: application });
    expect(missing.stderr).toMatch(/There is no folder .*migrations[\s\S]*Fix: .*--to/);
    expect(missing.code).toBe(2);
    await mkdir(join(application, 'migrations'));
    const first = await nightshift(copy, { INIT_CWD: application });
    const [file] = await readdir(join(application, 'migrations'));
    const path = join(application, 'migrations', String(file));
    expect(first.stdout).toBe(
      `Wrote ${path}\nApply it with the rest of your migrations: supabase db push\n`,
    );
    const second = await nightshift(copy, { INIT_CWD: application });
    expect(second.stdout).toBe(`${path} is there already.\n`);
    expect([first.code, second.code]).toEqual([0, 0]);
    await rm(application, { recursive: true });
  });

  it('migrates a database given by its URL, twice to the same end', async () => {
    await db.sql.unsafe('drop schema nightshift cascade');
    const { version } = await newestRelease();
    const first = await startNightshift(['migrate', '--database-url', db.url]);
    expect(first.stdout).toContain(
      `Installed ${version}. Next, add nightshift to the exposed schemas`,
    );
    const second = await nightshift(['migrate', '--database-url', db.url]);
    expect(second.stdout).toBe(`${version} is there already.\n`);
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(first.stdout).not.toContain(new URL(db.url).password);
  });
});

describe('npm run demo', () => {
  it('shows the whole night and exits 0', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nightshift-demo-'));
    // As root, the unprivileged user of the server has to get in.
    await chmod(directory, 0o755);
    const { stdout, stderr, code } = await run('infra/local/demo.ts', ['--scale', '0.01'], {
      TMPDIR: directory,
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/\[=+\+*!\+\+\+\][\s\S]*The partitions after it[\s\S]*\[=+@---\]/);
    const [, plan, refresh, again] = stdout.split(
      /plan of the materialized|shift: the refresh|The same again|The rows that are due/,
    );
    expect(plan).toMatch(
      /mv_coach_performance_stats: refresh[\s\S]*└── public\.mv_coach_leaderboard: refresh/,
    );
    expect(refresh?.match(/ refreshed │/g)).toHaveLength(5);
    expect(again?.match(/ skipped │ unchanged /g)).toHaveLength(5);
    expect(stdout).toMatch(
      /The rows that are due[\s\S]*shift: the purge[\s\S]*needed through foreign key[\s\S]*as a dry run/,
    );
    const [, purge, , words] = stdout.split(/shift: the purge|as a dry run|What the night did/);
    for (const table of ['Product', 'Asset']) {
      expect(purge).toMatch(
        new RegExp(`"${table}" +│ +(\\d+) │ +\\1 │ +\\d+ │ +0 │ +0 .* succeeded`),
      );
    }
    expect(
      words
        ?.trim()
        .split('\n')
        .map((line) => /\d[\d,]*/.exec(line)?.[0]),
    ).not.toContain('0');
    const [, kept] =
      /_package_subscriptions +(?:│ +[\d,]+ ){3}│ +([\d,]+) /.exec(purge ?? '') ?? [];
    expect(words).toContain(`\n${kept} ended subscriptions stay for their payments`);
    expect(await readdir(directory)).toEqual([]);
    const { stdout: left } = await promisify(execFile)('ps', ['-A', '-o', 'args']);
    expect(left).not.toContain(directory);
    await rmdir(directory);
  });
});
