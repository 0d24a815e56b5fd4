import { bytes, many } from './figures.ts';
import type { Forecast, Growth } from './trends.ts';

/** How much room there is for the database, and until when. */
export function roomInWords(forecast: Forecast): string {
  const { state, limitBytes, limitKind, usedPercent, earliestDays, latestDays } = forecast;
  if (limitKind === null) {
    return 'How much room there is, is not known: size_limit_bytes and size_limit_kind in nightshift.settings say it.';
  }
  const used = `${usedPercent}% of ${bytes(limitBytes ?? 0)} ${limits[limitKind]} are used`;
  switch (state) {
    case 'full':
      return `There is no room: ${used}.`;
    case 'room':
      return `${used}; nothing is foretold below 60%.`;
    case 'not growing':
      return `${used}, and for a year it does not get full.`;
    case 'growing':
      return `${used}; in a straight line, full ${daysInWords(earliestDays ?? 0, latestDays)}.`;
    default:
      return `${used}; nothing is foretold from fewer than 14 whole days.`;
  }
}

const limits = {
  database: 'for the database',
  disk: 'of the disk, the write-ahead log included,',
  plan: 'of the plan',
} as const;

function daysInWords(earliest: number, latest: number | null): string {
  if (latest === null) {
    return `in ${many(earliest, 'day')} at the faster pace of the last 7 and the last 28 days, and not within a year at the slower`;
  }
  return earliest === latest
    ? `in ${many(latest, 'day')}`
    : `in ${earliest} to ${many(latest, 'day')}`;
}

/** How fast the database or a table grows, and since when it has done so. */
export function growthInWords(growth: Growth): string {
  const { points, stepOn, stepBytes, bytesPerDay7, bytesPerDay28 } = growth;
  const step =
    stepOn !== null && stepBytes !== null
      ? `It went to another level on ${stepOn}: ${signedBytes(stepBytes)}. `
      : '';
  if (bytesPerDay28 === null) {
    return `${step}Growth is not known yet, after ${points} of the 14 whole days that it takes.`;
  }
  const windows = [
    [bytesPerDay7, 7],
    [bytesPerDay28, 28],
  ] as const;
  const known = windows.flatMap(([perDay, days]) =>
    perDay === null
      ? []
      : `${signedBytes(perDay)} a day (${signedBytes(perDay * 7)} a week) over the last ${days} days`,
  );
  return `${step}Growth: ${known.join(', ')}.`;
}

export function signedBytes(value: number): string {
  return `${value < 0 ? '−' : '+'}${bytes(Math.abs(value))}`;
}
