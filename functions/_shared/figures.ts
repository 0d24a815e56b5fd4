const number = new Intl.NumberFormat('en');

export function count(value: number, exact = true): string {
  return `${exact ? '' : '~'}${number.format(value)}`;
}

/** One policy, two policies. */
export function many(value: number, one: string, more = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : more}`;
}

const byteUnits = ['B', 'KB', 'MB', 'GB', 'TB'];

export function bytes(value: number): string {
  const unit = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), byteUnits.length - 1);
  return `${(value / 1024 ** unit).toFixed(unit > 1 ? 1 : 0)} ${byteUnits[unit]}`;
}

/** Seconds as the largest unit and the next one: 3d 4h, 12m 5s. */
export function age(seconds: number): string {
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ];
  const whole = Math.max(Math.round(seconds), 0);
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return '0s';
  let rest = whole;
  const parts = units.slice(first, first + 2).map(([unit, size]) => {
    const amount = Math.floor(rest / size);
    rest %= size;
    return amount > 0 ? `${amount}${unit}` : '';
  });
  return parts.filter(Boolean).join(' ');
}

/** In milliseconds while that is readable. */
export function duration(ms: number): string {
  return ms < 10_000 ? `${count(Math.round(ms))} ms` : age(ms / 1000);
}

/** To the second, as in 2026-01-01 02:00:00. */
export function utc(ms: number): string {
  return new Intl.DateTimeFormat('sv', {
    dateStyle: 'short',
    timeStyle: 'medium',
    timeZone: 'UTC',
  }).format(ms);
}
