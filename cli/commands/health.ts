import type { Command } from 'commander';
import { worstOf } from '../../functions/health-check/rules.ts';
import { connect } from '../connect.ts';
import { exitCodes } from '../exit-codes.ts';
import { names } from '../options.ts';
import { lookAtHealth, showHealth } from '../present/health-check.ts';
import { printJson } from '../ui.ts';

export function addHealth(program: Command): void {
  program
    .command('health')
    .argument('[check...]', '', names)
    .description(
      'look at the database and the night shift now, worst first, with the SQL that mends it',
    )
    .option('--all', 'also list what is well')
    .option('--json', 'print it as JSON')
    .action(health);
}

const exitCodeOfLevel = {
  ok: exitCodes.ok,
  info: exitCodes.ok,
  unknown: exitCodes.warning,
  warning: exitCodes.warning,
  critical: exitCodes.critical,
} as const;

async function health(checks: string[], options: { all?: true; json?: true }): Promise<void> {
  const document = await lookAtHealth(
    (await connect()).rpc,
    checks.length > 0 ? checks : undefined,
  );
  const level = worstOf(document.checks.map((check) => check.level));
  if (options.json) printJson({ level, ...document });
  else showHealth(document, { all: options.all ?? checks.length > 0 });
  process.exitCode = exitCodeOfLevel[level];
}
