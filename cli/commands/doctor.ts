import type { Command } from 'commander';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { configure } from '../connect.ts';
import { doctor, showDiagnosis } from '../doctor/index.ts';
import { exitCodes } from '../exit-codes.ts';
import { printJson } from '../ui.ts';

/** A doctor who waits for a database that does not answer is no help. */
const budgetMs = 10_000;

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'find out why a deployment does not work: keys, schema, versions, timeouts, connections',
    )
    .option('--url <url>', 'where the functions are deployed, to ask them as well: https://<api>')
    .option('--json', 'print it as JSON')
    .action(examine);
}

async function examine(options: { url?: string; json?: true }): Promise<void> {
  const { rpc, databaseUrl } = configure(deadlineIn(systemClock, budgetMs));
  const findings = await doctor({
    rpc,
    databaseUrl,
    functionsUrl: options.url,
    clock: systemClock,
    environment: process.env,
  });
  if (options.json) printJson(findings);
  else showDiagnosis(findings);
  process.exitCode = findings.some(({ level }) => level === 'failed')
    ? exitCodes.failed
    : exitCodes.ok;
}
