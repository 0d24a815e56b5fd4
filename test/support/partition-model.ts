import fc from 'fast-check';
import { systemClock } from '../../functions/_shared/clock.ts';

// biome-ignore lint/style/noRestrictedGlobals: for the calendar; it never says what time it is
const Calendar = Date;
const { UTC } = Calendar;
export const hour = 3_600_000;
const day = 24 * hour;
/** How far back a run looks, in intervals. */
const reach = 1_000;

/** odd: by how much a bound may lie off the grid. Times are milliseconds since 1970, with a fraction for microseconds. */
const every = (interval: string, months: number, ms: number, ...odd: number[]) => {
  return { interval, months, ms, odd };
};
type Every = ReturnType<typeof every>;
const weekly = every('1 week', 0, 7 * day, 5 * hour, 3 * day);
const lengths = [
  every('1 hour', 0, hour, hour / 3, 61_000),
  every('6 hours', 0, 6 * hour, 5 * hour, 61_000),
  every('1 day', 0, day, 5 * hour, 4 * hour),
  every('10 days', 0, 10 * day, 5 * hour, 2 * day),
  weekly,
  ...[1, 3, 12, 60].map((n) => every(`${n} months`, n, 0, 5 * hour, 9 * day)),
];
/** The smallest step of each kind of key. */
const steps = {
  date: day,
  timestamp: 1e-3,
  timestamptz: 1e-3,
  uuid: 1,
  seconds: 1e3,
  milliseconds: 1,
};
type Key = keyof typeof steps;
const keys = Object.keys(steps) as Key[];
export const isEpoch = (key: Key) => key === 'seconds' || key === 'milliseconds';

const moments = [
  '2026-03-08T07:00:00Z', // New York changes its clocks
  '2026-11-01T06:00:00Z',
  '2011-12-30T10:00:00Z', // Samoa has no such day
  '2024-02-29T12:34:56Z',
  '2028-03-31T00:00:00Z',
  '2026-12-31T23:59:59Z',
  '2027-01-01T04:30:00Z', // ISO week 53 of 2026
  '2024-12-30T00:00:00Z', // ISO week 1 of 2025
];

/** The start of the interval that holds a time, or of one so many intervals later. */
function startOf({ months, ms }: Every, time: number, later = 0): number {
  const origin = UTC(2001, 0);
  if (months === 0) return origin + (Math.floor((time - origin) / ms) + later) * ms;
  const date = new Calendar(Math.floor(time));
  const since = (date.getUTCFullYear() - 2001) * 12 + date.getUTCMonth();
  return UTC(2001, (Math.floor(since / months) + later) * months);
}

/** As a calendar counts back: a month before 31 March is the last day of February. */
function before(time: number, months: number, ms: number): number {
  const date = new Calendar(Math.floor(time));
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() - months];
  const last = new Calendar(UTC(year, month + 1, 0)).getUTCDate();
  return (
    UTC(year, month, Math.min(date.getUTCDate(), last)) + (time - Math.floor(time / day) * day) - ms
  );
}

/** As Postgres prints it in UTC. */
export function print(time: number): string {
  const whole = Math.floor(time);
  const micros = String(Math.round((time - whole) * 1_000)).padStart(3, '0');
  const text = new Calendar(whole).toISOString().replace('T', ' ').replace('Z', micros);
  return text.replace(/(\.\d*?)0+$/, (_, kept: string) => (kept === '.' ? '' : kept));
}

function literal(key: Key, time: number, tail = '0000-0000-000000000000'): string {
  if (!Number.isFinite(time)) return time < 0 ? 'MINVALUE' : 'MAXVALUE';
  if (isEpoch(key)) return `'${time / steps[key]}'`;
  const hex = time.toString(16).padStart(12, '0');
  if (key === 'uuid') return `'${hex.slice(0, 8)}-${hex.slice(8)}-${tail}'`;
  if (key === 'date') return `'${print(time).slice(0, 10)}'`;
  return `'${print(time)}${key === 'timestamptz' ? '+00' : ''}'`;
}

/** The documented pattern of names. */
export function nameFor(table: string, { months, ms }: Every, time: number, nth = ''): string {
  const [year = '', month = '', dayOfMonth = '', hours = '', ...rest] = print(time).split(/[- :.]/);
  let parts = [year, month, dayOfMonth];
  const thursday = time + 3 * day;
  const isoYear = new Calendar(thursday).getUTCFullYear();
  const week = Math.floor((thursday - UTC(isoYear, 0)) / (7 * day)) + 1;
  if (rest[0] !== '00' || rest[1] !== '00') parts.push(`${hours}${rest[0]}${rest[1]}`);
  else if (hours !== '00' || ms % day !== 0) parts.push(hours);
  else if (ms > 0 && ms % (7 * day) === 0 && new Calendar(time).getUTCDay() === 1)
    parts = [String(isoYear), `w${String(week).padStart(2, '0')}`];
  else if (months % 12 === 0 && months > 0 && dayOfMonth + month === '0101') parts = [year];
  else if (months === 3 && dayOfMonth === '01' && Number(month) % 3 === 1)
    parts = [year, `q${(Number(month) + 2) / 3}`];
  else if (months > 0 && dayOfMonth === '01') parts = [year, month];
  const ending = `_${parts.join('_')}${nth}`;
  let base = table;
  while (Buffer.byteLength(base + ending) > 63) base = base.slice(0, -1);
  return base + ending;
}

const often = <T>(usual: T, ...others: T[]) => fc.constantFrom(usual, usual, usual, ...others);
export const seeds = fc
  .record({
    key: fc.constantFrom(...keys),
    length: fc.constantFrom(...lengths),
    premake: fc.integer({ min: 1, max: 6 }),
    moment: fc.oneof(
      fc.constantFrom(...moments).map(Calendar.parse),
      fc.integer({ min: UTC(2005, 0), max: UTC(2060, 0) }),
    ),
    aim: fc.constantFrom('as it is', 'on a bound', 'a microsecond before it'),
    /** Of the first bound, in intervals from now. */
    start: fc.integer({ min: -9, max: 2 }),
    /** What follows a bound. */
    cuts: fc.array(
      fc.record({
        intervals: fc.integer({ min: 1, max: 3 }),
        odd: often(-1, 0, 1),
        held: often(true, false),
      }),
      { maxLength: 6 },
    ),
    ends: often('bounds', 'MINVALUE', 'MAXVALUE'),
    farBack: often(0, 20, 1_300),
    hasDefault: fc.boolean(),
    rows: fc.array(
      fc.record({
        interval: fc.oneof(fc.integer({ min: -12, max: 8 }), fc.constantFrom(-40, -reach - 1, 400)),
        place: fc.oneof(
          fc.constantFrom('first', 'last before', 'null'),
          fc.double({ min: 0, max: 0.99, noNaN: true }),
        ),
      }),
      { maxLength: 14 },
    ),
    taken: fc.boolean(),
    table: fc.constantFrom('events', `Été "x" ${'é'.repeat(24)}`),
    session: fc.nat({ max: 2 }),
    retention: fc.option(
      fc.record({
        intervals: fc.integer({ min: 1, max: 4 }),
        ms: fc.constantFrom(0, 5 * hour, 3 * day),
      }),
    ),
  })
  .map(({ aim, ...seed }) => {
    // A date has no hours.
    const length = seed.key === 'date' && seed.length.ms % day !== 0 ? weekly : seed.length;
    const bound = startOf(length, seed.moment);
    const now = aim === 'as it is' ? seed.moment : bound - (aim === 'on a bound' ? 0 : 1e-3);
    return { ...seed, length, now, at: (interval: number) => startOf(length, now, interval) };
  });
export type Seed = typeof seeds extends fc.Arbitrary<infer T> ? T : never;
type Part = { name: string; from: number; to: number };
/** at: null for a key that is no time. */
export type Row = { id: number; at: number | null; value: string };
export const holderOf = (parts: Part[], time: number) =>
  parts.find(({ from, to }) => from <= time && time < to);

export function scenarioOf({
  key,
  length,
  at,
  cuts,
  start,
  ends,
  farBack,
  rows: places,
  hasDefault,
}: Seed) {
  /** Bounds that are not the smallest uuid of their millisecond. */
  const tails = new Map<number, string>();
  const unit = Math.max(steps[key], 1_000);
  /** No uuid tells of a time before 1970. */
  const oldest = UTC(key === 'uuid' ? 1970 : 1000, 0);
  let interval = start;
  const bounds = cuts.map(({ intervals, odd }) => {
    const cut = Math.floor((at(interval) + (length.odd[odd] ?? 0)) / unit) * unit;
    const bound = Math.max(cut, oldest);
    if (odd === 1) tails.set(bound, '7000-8000-000000000000');
    interval += intervals;
    return bound;
  });
  const parts = bounds.slice(1).flatMap((to, n): Part[] => {
    const from = bounds[n] ?? to;
    return cuts[n]?.held && from < to ? [{ name: `old_${n}`, from, to }] : [];
  });
  const [first, last] = [parts[0], parts.at(-1)];
  if (last && ends === 'MAXVALUE') last.to = Infinity;
  if (first && ends === 'MINVALUE') first.from = -Infinity;
  else if (first && farBack && at(-farBack) > oldest) {
    if (farBack > reach)
      parts.unshift({ name: 'wide', from: at(2 - farBack), to: Math.min(at(-12), first.from) });
    parts.unshift({ name: 'far', from: at(-farBack), to: at(1 - farBack) });
  }

  const times = [
    ...places.map(({ interval, place }) => {
      if (place === 'null') return null;
      if (place === 'last before') return at(interval) - steps[key];
      return at(interval) + (Number(place) || 0) * (at(interval + 1) - at(interval));
    }),
    ...parts.flatMap(({ from, to }) => [from, to - steps[key]]).filter(Number.isFinite),
    UTC(9000, 0),
  ];
  const rows = times.flatMap((time, id): Row[] => {
    const value = time === null ? null : Math.floor(time / steps[key]) * steps[key];
    if (value !== null && value < oldest) return [];
    if (!hasDefault && (value === null || !holderOf(parts, value))) return [];
    if (value !== null)
      return [{ id, at: value, value: literal(key, value, '7abc-8def-0123456789ab') }];
    const endless = id % 2 && ends !== 'MAXVALUE' && /^(date|timestamp)/.test(key);
    return [{ id, at: null, value: endless ? `'infinity'` : 'null' }];
  });
  const boundsOf = ({ from, to }: Part) =>
    `FROM (${literal(key, from, tails.get(from))}) TO (${literal(key, to, tails.get(to))})`;
  return { parts, rows, boundsOf };
}
export type Scenario = ReturnType<typeof scenarioOf>;

/** What there ought to be after a run. */
export function expected(
  { length, premake, retention, table, taken, now, at }: Seed,
  { parts, rows }: Scenario,
) {
  const horizon = at(premake + 1);
  const kept = retention ?? { intervals: 0, ms: Infinity };
  const cutoff = before(
    Math.min(now, systemClock.nowMs()),
    length.months * kept.intervals,
    length.ms * kept.intervals + kept.ms,
  );
  const drained = rows.flatMap(({ at: time }) =>
    time !== null && at(-reach) <= time && time < horizon && !holderOf(parts, time)
      ? [startOf(length, time)]
      : [],
  );
  const ends = parts.map(({ from, to }) => (Number.isFinite(from) ? from : to));
  const oldest = Math.min(at(0), ...ends, ...drained);
  const from = Math.max(oldest, at(-reach), retention ? startOf(length, cutoff) : oldest);

  const made: Part[] = [];
  for (
    let start = startOf(length, Math.min(from, ...drained));
    start < horizon;
    start = startOf(length, start, 1)
  ) {
    const isFilled = drained.includes(start);
    const next = startOf(length, start, 1);
    for (
      let lower = isFilled ? start : Math.max(start, from), upper: number;
      lower < next;
      lower = upper
    ) {
      const holder = holderOf(parts, lower);
      upper = holder?.to ?? Math.min(next, ...ends.filter((end) => end > lower));
      // What would be due at once is made for rows only.
      if (holder || (!isFilled && upper <= cutoff)) continue;
      const name = nameFor(table, length, lower, taken && lower === at(0) ? '_2' : '');
      made.push({ name, from: lower, to: upper });
    }
  }
  const all = [...parts, ...made].sort((a, b) => a.from - b.from);
  const retired = all.slice(0, -1).filter(({ to }) => to <= cutoff);
  return { from, horizon, made, all, retired };
}
