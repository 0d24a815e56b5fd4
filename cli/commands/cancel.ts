import type { Command } from 'commander';
import { runDocument } from '../../functions/_shared/ledger.ts';
import { progressInWords } from '../../functions/_shared/progress.ts';
import { connect } from '../connect.ts';
import { exitCodes } from '../exit-codes.ts';
import { nightshift } from '../installation/origin.ts';
import { coloured, note, say, shortId } from '../ui.ts';
import { findRun } from './runs.ts';

export function addCancel(program: Command): void {
  program
    .command('cancel <run>')
    .description('end a run after the batch, view or partition under way; what it did stays')
    .action(cancel);
}

async function cancel(id: string): Promise<void> {
  const { rpc } = await connect();
  const found = await findRun(rpc, id);
  const args = { run_id: found.id, requested_by: process.env.USER ?? 'cli' };
  const run = await rpc.call('cancel_run', args, runDocument);
  const short = shortId(run);
  if (run.status === 'running') {
    say(`Run ${short} of ${run.job} was asked to end: ${progressInWords(run.progress)}.`);
    note(
      `It does so after what is under way, or is found lost when nobody works on it any more. See: ${nightshift} runs ` +
        short,
    );
    return;
  }
  // It may have ended between a call that was carried out and the repeated one that brought the answer.
  const isOurs = run.cancelRequestedAt !== found.cancelRequestedAt;
  const cancelled = run.status === 'interrupted' && isOurs;
  const what = found.status === 'continued' ? 'is not continued' : 'has ended as it was asked to';
  say(`Run ${short} of ${run.job} ${cancelled ? what : 'had ended'}: ${coloured(run.status)}`);
  if (!cancelled) process.exitCode = exitCodes.notRun;
}
