import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';
import { propertyRuns } from '../support/property.ts';
import { noteSizes, type Series, series } from '../support/trends.ts';

const db = setUpDatabase();

const pointsOf = (sizes: Series) =>
  sizes.flatMap((size, day) => (size === undefined ? [] : { day, size }));

async function slopeOf(sizes: Series): Promise<number | null> {
  const points = pointsOf(sizes);
  const [row] = await db.sql<{ slope: number | null }[]>`
    select nightshift.theil_sen(array_agg('2026-01-01'::date + p.day), array_agg(p.size)) as slope
    from unnest(${points.map(({ day }) => day)}::integer[], ${points.map(({ size }) => size)}::float8[]) p(day, size)`;
  return row?.slope ?? null;
}

/** On which place of the series, if on any. */
async function stepIn(sizes: Series): Promise<number | null> {
  const points = pointsOf(sizes);
  const [row] = await db.sql<{ step: number | null }[]>`
    select nightshift.last_step(array_agg('2026-01-01'::date + p.day), array_agg(p.size)) - '2026-01-01'::date as step
    from unnest(${points.map(({ day }) => day)}::integer[], ${points.map(({ size }) => size)}::float8[]) p(day, size)`;
  return row?.step ?? null;
}

/** From -1 to 1, and always the same. */
const noise = (day: number) => Math.sin(day * 12.9898) * Math.cos(day * 78.233);

const line = series(28, (day) => 1000 + 7 * day);

describe('the slope', () => {
  it('of a line is that of the line, wherever days are missing', async () => {
    expect(await slopeOf(line)).toBe(7);
    expect(await slopeOf(series(28, () => 500))).toBe(0);
    expect(await slopeOf(series(28, (day) => 1000 - 2 * day))).toBe(-2);
    expect(await slopeOf(line.map((size, day) => (day % 3 === 1 ? undefined : size)))).toBe(7);
  });

  it('stays that of the line with a quarter of the points out of line, where that of least squares would not', async () => {
    expect(await slopeOf(line.map((size, day) => (day % 4 === 0 ? size + 1e6 : size)))).toBeCloseTo(
      7,
      -1,
    );
    expect(await slopeOf(line.map((size, day) => (day > 24 ? 1e6 : size)))).toBeCloseTo(7, 0);
  });

  it('of a line with noise is near that of the line', async () => {
    const slope = await slopeOf(series(28, (day) => 1000 + 7 * day + 10 * noise(day)));
    expect(slope).toBeGreaterThan(6.5);
    expect(slope).toBeLessThan(7.5);
  });

  it('of fewer than two points is unknown', async () => {
    expect(await slopeOf([])).toBeNull();
    expect(await slopeOf([5])).toBeNull();
  });

  const { numRuns, timeoutMs, seed } = propertyRuns(20);
  it('is the median of the slopes between any two points', { timeout: timeoutMs }, async () => {
    const sizes = fc.array(fc.option(fc.integer({ min: 0, max: 1e6 }), { nil: undefined }), {
      minLength: 2,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(sizes, async (of) => {
        const points = pointsOf(of);
        const slopes = points
          .flatMap((one, n) =>
            points.slice(n + 1).map((other) => (other.size - one.size) / (other.day - one.day)),
          )
          .toSorted((a, b) => a - b);
        const middle = (slopes.length - 1) / 2;
        const median = ((slopes[Math.floor(middle)] ?? 0) + (slopes[Math.ceil(middle)] ?? 0)) / 2;
        const slope = await slopeOf(of);
        if (slopes.length === 0) expect(slope).toBeNull();
        else expect(slope).toBeCloseTo(median, 6);
      }),
      { numRuns, seed },
    );
  });
});

describe('a step', () => {
  it('is none in a line, in noise, or where nothing happens', async () => {
    expect(await stepIn(line)).toBeNull();
    expect(await stepIn(series(28, () => 500))).toBeNull();
    expect(await stepIn(series(28, (day) => 1000 + 40 * noise(day)))).toBeNull();
    expect(await stepIn([])).toBeNull();
  });

  it('is where a series goes up or down by more than 5% and stays there', async () => {
    expect(await stepIn(line.map((size, day) => (day >= 12 ? size + 300 : size)))).toBe(12);
    expect(await stepIn(line.map((size, day) => (day >= 20 ? size - 300 : size)))).toBe(20);
    expect(await stepIn(line.map((size, day) => (day >= 12 ? size + 40 : size)))).toBeNull();
    const noisy = series(28, (day) => 1000 + 20 * noise(day));
    expect(await stepIn(noisy.map((size, day) => (day >= 9 ? size * 2 : size)))).toBe(9);
  });

  it('is the last of several', async () => {
    const sizes = line.map((size, day) => size + (day >= 8 ? 400 : 0) + (day >= 18 ? 400 : 0));
    expect(await stepIn(sizes)).toBe(18);
  });

  it('is not yet one in its first two days, and not what is over the next day', async () => {
    const since = (from: number) => line.map((size, day) => (day >= from ? size + 500 : size));
    expect(await stepIn(since(26))).toBeNull();
    expect(await stepIn(since(25))).toBe(25);
    expect(await stepIn(line.map((size, day) => (day === 14 ? size * 3 : size)))).toBeNull();
    expect(await stepIn(line.map((size, day) => (day === 14 ? size / 3 : size)))).toBeNull();
  });

  it('is not what a purge of each week frees', async () => {
    for (let phase = 0; phase < 7; phase++) {
      const saw = series(28, (day) => 1000 + 40 * ((day + phase) % 7));
      expect(await stepIn(saw), `phase ${phase}`).toBeNull();
      const growing = series(28, (day) => 1000 + 3 * day + 40 * ((day + phase) % 7));
      expect(await stepIn(growing), `growing, phase ${phase}`).toBeNull();
    }
  });

  it('is not what grew in days of which nothing was noted', async () => {
    const growing = series(28, (day) => 1000 + 20 * day);
    expect(
      await stepIn(growing.map((size, day) => (day > 10 && day < 17 ? undefined : size))),
    ).toBeNull();
  });
});

describe('growth', () => {
  afterEach(() => db.sql`delete from nightshift.trend_points`);
  const growth = async () => {
    const [row] = await db.sql`
      select points, step_on is not null as stepped, step_bytes, bytes_per_day_7 as last7, bytes_per_day_28 as last28
      from nightshift.growth_of('database', '', now())`;
    return row;
  };

  it('is said of 7 and of 28 days, each for itself', async () => {
    await noteSizes(
      db.sql,
      series(40, (day) => 1e6 + (day > 32 ? 5000 * (day - 32) : 0)),
    );
    expect(await growth()).toMatchObject({ points: 28, stepped: false, last7: 5000, last28: 0 });
  });

  it('is not said of fewer than 14 days', async () => {
    await noteSizes(
      db.sql,
      series(13, (day) => 1e6 + 100 * day),
    );
    expect(await growth()).toMatchObject({ points: 13, last7: null, last28: null });
    await db.sql`delete from nightshift.trend_points`;
    await noteSizes(
      db.sql,
      series(14, (day) => 1e6 + 100 * day),
    );
    expect(await growth()).toMatchObject({ points: 14, last7: 100, last28: 100 });
  });

  it('takes the highest figure of a day, and does not look at the present one', async () => {
    await noteSizes(
      db.sql,
      series(20, (day) => 1e6 + 100 * day),
    );
    await db.sql`
      insert into nightshift.trend_points (kind, subject, at, bytes)
      select kind, subject, at + interval '3 hours', bytes / 2 from nightshift.trend_points
      union all
      select 'database', '', date_trunc('day', now(), 'UTC'), 9e9`;
    expect(await growth()).toMatchObject({ points: 20, last7: 100, last28: 100 });
  });

  it('is that of after a step', async () => {
    const stepped = (days: number, from: number) =>
      series(days, (day) => (day < from ? 1e6 + 9000 * day : 3e6 + 100 * day));
    await noteSizes(db.sql, stepped(28, 14));
    expect(await growth()).toMatchObject({ points: 14, stepped: true, last7: 100, last28: 100 });
    await db.sql`delete from nightshift.trend_points`;
    await noteSizes(db.sql, stepped(28, 15));
    expect(await growth()).toMatchObject({ points: 13, stepped: true, last7: null, last28: null });
  });

  it('of a week without figures is that of the four', async () => {
    const sizes = series(28, (day) => 1e6 + 100 * day);
    await noteSizes(
      db.sql,
      sizes.map((size, day) => (day > 23 ? undefined : size)),
    );
    expect(await growth()).toMatchObject({ points: 24, last7: null, last28: 100 });
  });

  it('of what a weekly purge brings back down is small over 28 days, whatever the last 7 say', async () => {
    for (let phase = 0; phase < 7; phase++) {
      await noteSizes(
        db.sql,
        series(28, (day) => 1e6 + 40_000 * ((day + phase) % 7)),
      );
      const found = await growth();
      expect(found?.stepped, `phase ${phase}`).toBe(false);
      expect(Math.abs(found?.last28), `phase ${phase}`).toBeLessThan(4000);
      await db.sql`delete from nightshift.trend_points`;
    }
  });
});
