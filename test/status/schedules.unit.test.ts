import { expect, it } from 'vitest';
import { readSettings } from '../../functions/_shared/settings.ts';
import { registry } from '../../functions/registry.ts';
import { completeStatus } from '../../functions/status/complete.ts';
import { describedSchedules } from '../../infra/aws/schedules.ts';
import { healthy } from '../support/status-pages.ts';

const settings = (schedules: object[]) =>
  readSettings({
    SUPABASE_URL: 'https://abcd.supabase.co',
    SUPABASE_SECRET_KEY: 'sb_secret_x',
    NIGHTSHIFT_SCHEDULES: JSON.stringify(schedules),
  }).schedules;

const schedule = (expression: string, switches: string[] = ['on', 'on']) => ({
  job: 'retention-purge',
  expression,
  timezone: 'Europe/Berlin',
  switches,
});

/** As the database stores it where AWS starts the jobs. */
function purgeWith(schedules: object[]) {
  const stored = healthy();
  const items = stored.jobs.items.map((job) => ({ ...job, schedules: [] }));
  const status = completeStatus(
    { ...stored, jobs: { ...stored.jobs, items } },
    { schedules: settings(schedules) },
  );
  return status.jobs.items.find(({ job }) => job === 'retention-purge');
}

it.each([
  ['cron(0 2 * * ? *)', 'At 02:00', '2026-11-30T01:00:00.000Z'],
  ['cron(30 2 ? * SUN *)', 'At 02:30, only on Sunday', '2026-12-06T01:30:00.000Z'],
  ['cron(30 2 ? * 1 *)', 'At 02:30, only on Sunday', '2026-12-06T01:30:00.000Z'],
  ['rate(5 minutes)', 'Every 5 minutes', '2026-11-29T02:22:00.000Z'],
  ['rate(1 hour)', 'Every hour', '2026-11-29T03:17:00.000Z'],
  ['cron(0 2 1 1 ? 2030)', 'cron(0 2 1 1 ? 2030)', '2030-01-01T01:00:00.000Z'],
])('%s of AWS is said in words, with the next time', (expression, words, nextDueAt) => {
  expect(purgeWith([schedule(expression)])).toMatchObject({
    nextDueAt,
    schedules: [{ cron: expression, words, timeZone: 'Europe/Berlin', nextDueAt }],
  });
});

it('what is switched off is not shown', () => {
  for (const switches of [
    ['off', 'on'],
    ['on', 'off'],
  ]) {
    expect(purgeWith([schedule('rate(5 minutes)', switches)])?.schedules).toEqual([]);
  }
});

it('those that the database keeps go before', () => {
  const { jobs } = completeStatus(healthy(), {
    schedules: settings([schedule('rate(5 minutes)')]),
  });
  const purge = jobs.items.find(({ job }) => job === 'retention-purge');
  expect(purge?.schedules.map(({ cron }) => cron)).toEqual(['0 2 * * *']);
});

it('the deployment describes every schedule, and nothing else is taken for one', () => {
  const described = registry.flatMap(describedSchedules);
  expect(described).toHaveLength(registry.flatMap(({ schedules }) => schedules).length);
  expect(settings(described)).toHaveLength(described.length);
  expect(() => settings([{ job: 'retention-purge' }])).toThrowError(/NIGHTSHIFT_SCHEDULES/);
});
