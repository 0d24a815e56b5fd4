import { timeMs } from '../functions/_shared/clock.ts';
import type { HeadlineLevel, Status, StatusPolicy } from '../functions/status/schema.ts';
import { nightshift } from './installation/origin.ts';
import { styleText } from './printable.ts';
import { table } from './table.ts';
import { age, count, heading, note, say, utc } from './ui.ts';

const headlineColours = {
  ok: 'green',
  warning: 'yellow',
  critical: 'red',
} as const satisfies Record<HeadlineLevel, string>;

const verdictColours = {
  kept: 'green',
  held: 'yellow',
  behind: 'yellow',
  unknown: 'yellow',
  stalled: 'red',
  off: 'dim',
} as const satisfies Record<StatusPolicy['verdict'], string>;

/** What the last health check found of the whole, and whether what each retention policy promises is kept. */
export function showSnapshot(status: Status | undefined): void {
  heading('As the last health check found it');
  if (!status) {
    note(`None has run yet: ${nightshift} run health-check`);
    return;
  }
  const { headline, takenAt, ageSeconds, retention } = status;
  const since = headline.since ? `Since ${utc(timeMs(headline.since))} UTC: ` : '';
  say(styleText(headlineColours[headline.level], `${since}${headline.text}`));
  note(`It was at ${utc(timeMs(takenAt))} UTC, ${age(ageSeconds)} ago. More: ${nightshift} health`);
  if (retention.problem) say(styleText('yellow', `Retention: ${retention.problem}`));
  if (retention.items.length === 0) return;
  console.log(
    table(
      ['table', 'verdict', 'since (UTC)', 'rows left', 'in words'],
      retention.items.map(rowOf),
      [3],
      ['since (UTC)', 'rows left'],
    ),
  );
  const more = (retention.total ?? 0) - retention.items.length;
  if (more > 0) note(`And ${count(more)} tables more, none of them worse.`);
}

function rowOf(policy: StatusPolicy): string[] {
  const { verdict, since, residue, estimated, sentence } = policy;
  return [
    policy.table,
    styleText(verdictColours[verdict], verdict),
    since ? utc(timeMs(since)) : '-',
    residue === null ? 'not counted' : count(residue, !estimated),
    sentence,
  ];
}
