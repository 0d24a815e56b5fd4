import { styleText } from '../printable.ts';
import { heading, note, say, wrapped } from '../ui.ts';
import { onCommandLine } from '../words.ts';
import type { Kind, LeftOut, Proposal } from './proposal.ts';

const titles: Record<Kind, string> = {
  retention: 'Rows that may go',
  'soft-delete': 'Deletions that can be undone',
  refresh: 'Views to keep up to date',
  partitions: 'Partitions to make ahead',
  partitioning: 'Tables to partition',
};

/** Of tables without indexes for their foreign keys there are dozens. */
const shownSteps = 3;

/** Numbered, so that some can be left out. */
export function showProposals(proposals: readonly Proposal[]): void {
  let kind: Kind | undefined;
  for (const [n, proposal] of proposals.entries()) {
    if (proposal.kind !== kind) heading(titles[proposal.kind]);
    kind = proposal.kind;
    say(`${String(n + 1).padStart(3)}  ${styleText('cyan', proposal.relation)}`);
    for (const sentence of proposal.says) console.log(wrapped(sentence, '     '));
    for (const { statement, lock } of proposal.prepare.slice(0, shownSteps)) {
      console.log(wrapped(`First: ${styleText('yellow', statement)} Lock: ${lock}.`, '     '));
    }
    const more = proposal.prepare.length - shownSteps;
    if (more > 0) note(`     And ${more} more such statements, which are in the migration.`);
  }
}

export function showLeftOut(leftOut: readonly LeftOut[], title: string): void {
  if (leftOut.length === 0) return;
  heading(title);
  for (const { relation, why, fix } of leftOut) {
    console.log(wrapped(`${relation}: ${why}.`, '  '));
    if (fix) note(wrapped(`Fix: ${onCommandLine(fix)}`, '    '));
  }
}
