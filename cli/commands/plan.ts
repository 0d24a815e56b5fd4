import type { Command } from 'commander';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { loadPresenter } from '../../functions/registry.ts';
import { connect } from '../connect.ts';
import { nightshift } from '../installation/origin.ts';
import { printJson } from '../ui.ts';

export function addPlan(program: Command): void {
  program
    .command('plan <job>')
    .description(
      'show what a run would do and why, without one: who refers to due rows, a tree of the views, a time line of the partitions',
    )
    .option('--json', 'print it as JSON')
    .action(plan);
}

async function plan(name: string, options: { json?: true }): Promise<void> {
  const presenter = await loadPresenter(name);
  if (!presenter.plan) {
    throw new NightshiftError('NS404', `${name} has no plan of its own`, {
      hint: `See what it would do with: ${nightshift} run ${name} --dry-run`,
    });
  }
  const { document, show } = await presenter.plan((await connect()).rpc);
  if (options.json) printJson(document);
  else show();
}
