import { beforeAll, describe, expect, it } from 'vitest';
import { nightshift } from '../support/command-line.ts';
import { setUpDatabase } from '../support/database.ts';

describe('wrong usage', () => {
  const db = setUpDatabase();
  let env: Record<string, string>;
  beforeAll(async () => {
    await db.sql.unsafe(`
      create table public.event_logs (id integer primary key, deleted_at timestamptz);
      create index on public.event_logs (deleted_at);
      create table public."Orders" (like public.event_logs including all);
      create materialized view public.per_day as select deleted_at::date as day, count(*) as n from public.event_logs group by 1;
      create unique index on public.per_day (day);
      create materialized view public.per_month as select * from public.per_day;
      create table public.metrics (day date not null) partition by range (day);
      select nightshift.add_retention_policy('public.event_logs', '30 days');
      select nightshift.add_retention_policy('public."Orders"', '30 days');
      select nightshift.add_refresh_policy('public.per_day');
      select nightshift.add_refresh_policy('public.per_month', allow_blocking => true, enabled => false);
      select nightshift.add_partition_policy('public.metrics', '1 month');
    `);
    const { url, secretKey } = await db.gateway();
    env = { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey };
  });
  const runs = async () => {
    const [row] = await db.sql<{ n: number }[]>`select count(*)::integer as n from nightshift.runs`;
    return row?.n;
  };

  it.each<[string, string[], RegExp]>([
    [
      'a misspelt table',
      ['run', 'retention-purge', '--only', 'public.event_lgs'],
      /No retention policy for: public\.event_lgs .*\n.*public\.event_logs/,
    ],
    [
      'a table in force',
      ['run', 'retention-purge', '--dry-run', '--force', 'public.event_lgs'],
      /No retention policy for: public\.event_lgs/,
    ],
    [
      'a name without its quotes',
      ['run', 'retention-purge', '--only', 'Orders'],
      /No retention policy for: Orders .*\n.*public\."Orders"/,
    ],
    [
      'a name that is none',
      ['run', 'retention-purge', '--only', 'a b.c'],
      /No retention policy for: a b\.c/,
    ],
    [
      'one of several names with commas',
      [
        'run',
        'retention-purge',
        '--only',
        'event_logs,public.event_lgs',
        '--force',
        'Order,event_logs,',
      ],
      /No retention policy for: public\.event_lgs, Order \(/,
    ],
    [
      'a view',
      ['run', 'view-refresh', '--only', 'public.per_dya'],
      /No refresh policy for: public\.per_dya .*\n.*public\.per_day/,
    ],
    [
      'a view whose policy is switched off',
      ['run', 'view-refresh', '--only', 'per_month'],
      /Switched off: public\.per_month .*\n {2}Fix: select nightshift\.alter_refresh_policy\('per_month', enabled => true\);/,
    ],
    [
      'a partitioned table',
      ['run', 'partition-maintenance', '--only', 'public.metric'],
      /No partition policy for: public\.metric .*\n.*public\.metrics/,
    ],
    [
      'a check',
      ['run', 'health-check', '--only', 'conections'],
      /There is no health check conections .*\n.*connections/,
    ],
    ['a job', ['run', 'retention-purg'], /There is no job retention-purg .*\n.*retention-purge/],
    ['a job to plan', ['plan', 'view-refrsh'], /There is no job view-refrsh .*\n.*view-refresh/],
    [
      'a job whose runs are asked for',
      ['runs', 'view-refrsh'],
      /There is no job or run view-refrsh .*\n.*view-refresh/,
    ],
    ['too little of the id of a run', ['runs', 'abc'], /no job or run abc .*\n.* four or more/],
    ['a run', ['runs', 'ffff'], /There is no run ffff /],
    ['a stage', ['status', '--stage', 'prdo'], /There is no stage prdo .*\n.*dev, prod/],
    [
      'an option of another job',
      ['run', 'view-refresh', '--ancestors'],
      /ancestors and descendants go with only\n {2}Fix: For example: npm run nightshift -- run view-refresh --dry-run --only public\.sales_by_day --descendants\./,
    ],
    [
      'an option that takes names',
      ['run', 'retention-purge', '--force'],
      /not valid for retention-purge \(NS422\)\n {2}--force takes names\.\n {2}Fix: For example: npm run/,
    ],
    [
      'an option that takes none, and one of another job',
      ['run', 'partition-maintenance', '--force', 'public.metrics', '--ancestors'],
      /It takes no --ancestors\.[\s\S]*--force takes no value\.|--force takes no value\.[\s\S]*It takes no --ancestors\./,
    ],
    [
      'a number that is too large',
      ['run', 'view-refresh', '--parallelism', '99'],
      /not valid for view-refresh \(NS422\)\n {2}--parallelism: It takes a whole number from 1 to 8\.\n/,
    ],
    [
      'an argument',
      ['run', 'retention-purge', 'public.orders'],
      /^error: nightshift run: too many arguments.*\n {2}Fix: npm run nightshift -- run --help says/m,
    ],
    [
      'an option',
      ['run', 'retention-purge', '--onyl', 'x'],
      /^error: nightshift run: unknown option '--onyl'/m,
    ],
    [
      'what a command below a command needs',
      ['soft-delete', 'disable'],
      /^error: nightshift soft-delete disable: missing required argument 'table'\n {2}Fix: npm run nightshift -- soft-delete disable --help/m,
    ],
    [
      'a command',
      ['statsu'],
      /^error: nightshift: unknown command 'statsu'[\s\S]*Fix: npm run nightshift -- <command> --help/m,
    ],
  ])('says what there is instead of %s, and runs nothing', async (_, args, message) => {
    const before = await runs();
    const inWords = await nightshift(args, env);
    expect(inWords.stderr).toMatch(message);
    expect(inWords.stdout).toBe('');
    expect(inWords.code).toBe(2);

    const { stdout, code } = await nightshift([...args, '--json'], env);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: expect.stringMatching(/^NS4(04|22)$/),
        message: expect.stringMatching(/./),
        hint: expect.stringMatching(/./),
        ...(/"detail"/.test(stdout) ? { detail: expect.stringMatching(/./) } : {}),
      },
    });
    expect(code).toBe(2);
    expect(await runs()).toBe(before);
  });

  it('names the latest runs, those under way first, where a run is not found', async () => {
    await db.sql`select nightshift.begin_run('retention-purge', 'schedule')`;
    await nightshift(['run', 'health-check', '--only', 'connections'], env);
    const { stderr, stdout, code } = await nightshift(['cancel', 'ffff'], env);
    expect(stderr).toMatch(
      /such as: [0-9a-f]{8} \(retention-purge, running\), [0-9a-f]{8} \(health-check, succeeded\)/,
    );
    expect(stdout).toBe('');
    expect(code).toBe(2);
    await db.sql`update nightshift.runs set status = 'lost', finished_at = now() where status = 'running'`;
  });

  it('finds a table without its schema where SQL finds it', async () => {
    const both = ['--only', 'event_logs,public."Orders"', '--force', 'EVENT_LOGS, "Orders"'];
    const { stdout: of } = await nightshift(
      ['run', 'retention-purge', '--dry-run', ...both, '--json'],
      env,
    );
    expect(JSON.parse(of).report.steps).toHaveLength(2);
    for (const only of ['event_logs', 'EVENT_LOGS', '"Orders"', 'public.event_logs']) {
      const { stdout, code } = await nightshift(
        ['run', 'retention-purge', '--dry-run', '--only', only, '--json'],
        env,
      );
      expect(JSON.parse(stdout).report.steps).toMatchObject([
        { relation: expect.stringMatching(/^public\.("Orders"|event_logs)$/) },
      ]);
      expect(code).toBe(0);
    }
    for (const [job, only] of [
      ['view-refresh', 'per_day'],
      ['partition-maintenance', 'metrics'],
    ] as const) {
      expect((await nightshift(['run', job, '--dry-run', '--only', only], env)).code).toBe(0);
    }
  });

  it.each<[string, string[], Record<string, string>, string, number]>([
    ['no environment at all', ['status'], {}, 'NS422', 2],
    ['a wrong key', ['policies'], { SUPABASE_SECRET_KEY: 'sb_secret_wrong' }, 'NS422', 2],
    ['a project that is not there', ['health'], { SUPABASE_URL: 'http://127.0.0.1:9' }, 'NS503', 1],
  ])('prints the error as the one document for %s', async (_, args, wrong, errorCode, code) => {
    const environment = Object.keys(wrong).length > 0 ? { ...env, ...wrong } : {};
    const ended = await nightshift([...args, '--json'], environment);
    const { error, ...rest } = JSON.parse(ended.stdout);
    expect(rest).toEqual({});
    expect(error).toMatchObject({
      code: errorCode || expect.any(String),
      message: expect.any(String),
      hint: expect.any(String),
    });
    expect(ended.code).toBe(code);
  });
});
