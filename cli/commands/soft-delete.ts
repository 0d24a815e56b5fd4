import type { Command } from 'commander';
import { addDisable } from '../soft-delete/disable.ts';
import { addEnable } from '../soft-delete/enable.ts';
import { addInspect } from '../soft-delete/inspect.ts';
import { addRestore } from '../soft-delete/restore.ts';
import { addStats } from '../soft-delete/stats.ts';

export function addSoftDelete(program: Command): void {
  const group = program
    .command('soft-delete')
    .description('let rows be marked as deleted and come back, instead of being gone')
    .addHelpText(
      'afterAll',
      `
Exit codes: 0 done, 1 failed (of inspect: something is missing; of restore: rows stayed deleted, or would),
2 wrong usage, or a name that is not there (nothing was changed).`,
    );
  addEnable(group);
  addInspect(group);
  addDisable(group);
  addStats(group);
  addRestore(group);
}
