import type { Command } from 'commander';
import { addDisable } from '../soft-delete/disable.ts';
import { addEnable } from '../soft-delete/enable.ts';
import { addInspect } from '../soft-delete/inspect.ts';
import { addRestore } from '../soft-delete/restore.ts';

export function addSoftDelete(program: Command): void {
  const group = program
    .command('soft-delete')
    .description('let rows be marked as deleted and come back, instead of being gone');
  addEnable(group);
  addInspect(group);
  addDisable(group);
  addRestore(group);
}
