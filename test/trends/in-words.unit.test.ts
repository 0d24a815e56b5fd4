import { expect, it } from 'vitest';
import type { Forecast } from '../../functions/_shared/trends.ts';
import { growthInWords, roomInWords } from '../../functions/_shared/trends-in-words.ts';

const megabyte = 1_048_576;
const forecast: Forecast = {
  state: 'growing',
  limitBytes: 1000 * megabyte,
  limitKind: 'plan',
  usedBytes: 900 * megabyte,
  walBytes: null,
  usedPercent: 90,
  earliestDays: 4,
  latestDays: 9,
};
const used = '90% of 1000.0 MB of the plan are used';

it.each<[Partial<Forecast>, string]>([
  [{}, `${used}; in a straight line, full in 4 to 9 days.`],
  [{ latestDays: 4 }, `${used}; in a straight line, full in 4 days.`],
  [{ earliestDays: 1, latestDays: 1 }, `${used}; in a straight line, full in 1 day.`],
  [
    { latestDays: null },
    `${used}; in a straight line, full in 4 days at the faster pace of the last 7 and the last 28 days, and not within a year at the slower.`,
  ],
  [{ state: 'full' }, `There is no room: ${used}.`],
  [{ state: 'room' }, `${used}; nothing is foretold below 60%.`],
  [{ state: 'not growing' }, `${used}, and for a year it does not get full.`],
  [{ state: 'no history' }, `${used}; nothing is foretold from fewer than 14 whole days.`],
  [
    { state: 'no limit', limitKind: null, limitBytes: null },
    'How much room there is, is not known: size_limit_bytes and size_limit_kind in nightshift.settings say it.',
  ],
])('of %o says: %s', (changes, words) => {
  expect(roomInWords({ ...forecast, ...changes })).toBe(words);
});

it('says how fast something grows, and since when', () => {
  const growth = {
    points: 27,
    stepOn: '2026-01-02',
    stepBytes: -3 * megabyte,
    bytesPerDay7: megabyte,
    bytesPerDay28: -2 * megabyte,
  };
  expect(growthInWords(growth)).toBe(
    'It went to another level on 2026-01-02: −3.0 MB. Growth: +1.0 MB a day (+7.0 MB a week) over the last 7 days, −2.0 MB a day (−14.0 MB a week) over the last 28 days.',
  );
  expect(
    growthInWords({ ...growth, stepOn: null, points: 3, bytesPerDay7: null, bytesPerDay28: null }),
  ).toBe('Growth is not known yet, after 3 of the 14 whole days that it takes.');
});
