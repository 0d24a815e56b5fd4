import type { Command } from 'commander';
import { registry } from '../../functions/registry.ts';
import { connect } from '../connect.ts';
import { heading, printJson } from '../ui.ts';

export function addPolicies(program: Command): void {
  program
    .command('policies')
    .description('show all policies: the backlog of tables, the age of views, the partitions')
    .option('--json', 'print them as JSON')
    .action(policies);
}

async function policies(options: { json?: true }): Promise<void> {
  const { rpc } = await connect();
  const documents: Record<string, unknown> = {};
  for (const { name, loadPresenter } of registry) {
    const { presenter } = await loadPresenter();
    if (!presenter.policies) continue;
    const { document, show } = await presenter.policies(rpc);
    documents[name] = document;
    if (options.json) continue;
    heading(presenter.title);
    show();
  }
  if (options.json) printJson(documents);
}
