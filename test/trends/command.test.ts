import { stripVTControlCharacters } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { trends } from '../../functions/_shared/trends.ts';
import { nightshift } from '../support/command-line.ts';
import { setUpDatabase } from '../support/database.ts';
import { noteSizes, series } from '../support/trends.ts';

const db = setUpDatabase();
let env: Record<string, string>;
beforeAll(async () => {
  const { url, secretKey } = await db.gateway();
  env = { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey };
});

const call = async (...args: string[]) => {
  const ended = await nightshift(['trends', ...args], env);
  return { ...ended, stdout: stripVTControlCharacters(ended.stdout) };
};

const longName = 'public."a name that takes as much room as a name may take up"';

describe('nightshift trends', () => {
  it('says so while nothing is noted', async () => {
    const { stdout, code } = await call();
    expect(stdout).toMatch(/^Nothing is noted yet/m);
    expect(code).toBe(0);
  });

  it('draws the database, its tables and the jobs, with growth and room', async () => {
    const mega = 1024 * 1024;
    await noteSizes(
      db.sql,
      series(60, (day) => (900 + day) * mega),
    );
    for (const [subject, size] of [
      ['public.orders', 500 * mega],
      [longName, 300 * mega],
    ] as const) {
      await noteSizes(
        db.sql,
        series(60, (day) => size + (day / 2) * mega),
        { kind: 'table', subject },
      );
    }
    await db.sql`
      insert into nightshift.trend_points (kind, subject, at, duration_ms)
      select 'job', 'retention-purge', date_trunc('day', now(), 'UTC') - make_interval(days => n), case when n < 3 then 90000 else 9000 end
      from generate_series(0, 20) n`;
    await db.sql`
      update nightshift.trend_points set rows_left = 1200, dead_rows = 77
      where subject = 'public.orders' and at > now() - interval '4 days'`;
    await db.sql`
      update nightshift.settings set size_limit_bytes = 1000 * ${mega}::bigint, size_limit_kind = 'plan'`;
    const { stdout, code } = await call();
    expect(code).toBe(0);
    expect(stdout).toMatch(/Database: 959\.0 MB/);
    expect(stdout).toMatch(
      /Growth: \+1\.0 MB a day \(\+7\.0 MB a week\) over the last 7 days, \+1\.0 MB a day/,
    );
    expect(stdout).toMatch(
      /95\.9% of 1000\.0 MB of the plan are used; in a straight line, full in 41 days\./,
    );
    expect(stdout).toMatch(
      /public\.orders +│ +529\.5 MB │ +\+3\.5 MB │ +\+3\.5 MB │ +77 │ +1,200 since \d{4}-\d\d-\d\d +│ ▁[▁▂▃▄▅▆▇█]{26}█ /,
    );
    expect(stdout).toMatch(
      /retention-purge │ +1m 30s │ +9,000 ms │ more than twice the usual since \d{4}-/,
    );
  });

  it.each([40, 60, 80, 100, 140])('fits a window of %d columns', async (width) => {
    for (const args of [[], ['--table', 'public.orders']]) {
      const ended = await nightshift(['trends', ...args], { ...env, COLUMNS: `${width}` });
      const stdout = stripVTControlCharacters(ended.stdout);
      // A word is never cut, so a name may be longer than a narrow window.
      const lines = stdout.split('\n').filter((line) => !line.includes('a name that'));
      expect(Math.max(...lines.map(({ length }) => length)), stdout).toBeLessThanOrEqual(width);
    }
  });

  it('draws one table, and says how to name it when nothing is known of it', async () => {
    const { stdout, code } = await call('--table', 'public.orders');
    expect(code).toBe(0);
    expect(stdout).toMatch(/public\.orders: 529\.5 MB/);
    expect(stdout).toMatch(/Dead rows: 77\n/);
    expect(stdout).toMatch(
      /Left by purges: 1,200\n.* 1,200 on each day that is known\nEvery purge since \d{4}-/,
    );
    expect(stdout).not.toMatch(/About so many rows|Database/);
    const missing = await call('--table', 'orders');
    expect(missing.code).toBe(2);
    expect(missing.stderr).toMatch(
      /Nothing was noted of a table 'orders'[\s\S]*Fix: .*public\.orders/,
    );
  });

  it('prints the document as JSON', async () => {
    const { stdout } = await call('--json');
    expect(trends.parse(JSON.parse(stdout)).tables.map(({ table }) => table)).toEqual([
      'public.orders',
      longName,
    ]);
  });
});
