import { type Command, Option } from 'commander';
import type * as z from 'zod';
import { NightshiftError, timedOut } from '../../functions/_shared/errors.ts';
import type { Functions, Rpc } from '../../functions/_shared/rpc.ts';
import { connect } from '../connect.ts';
import { exitCodes } from '../exit-codes.ts';
import { nightshift } from '../installation/origin.ts';
import { moment, uuid } from '../options.ts';
import { count, printJson } from '../ui.ts';
import { callFor } from './call.ts';
import { restorationPlan, restoredPage, restoredRows, restoredSincePage } from './documents.ts';
import { conflictsLeft, showPlan } from './show-plan.ts';
import { type Restored, showRestored } from './show-restored.ts';

interface Options {
  operation?: string;
  since?: string;
  onConflict?: string;
  by?: string;
  why?: string;
  dryRun?: true;
  json?: true;
}

export function addRestore(group: Command): void {
  group
    .command('restore [table] [key...]')
    .description(
      'bring deleted rows back: those of an operation, or of a table by their keys or since a moment',
    )
    .option(
      '--operation <id>',
      'all that one deletion took, children included: its deletion_id',
      uuid,
    )
    .option(
      '--since <time>',
      'all of the table that was deleted then or later: 2026-03-01T12:00:00Z',
      moment,
    )
    .addOption(
      new Option(
        '--on-conflict <way>',
        'what becomes of a row that something is in the way of: skip leaves it deleted (default), fail then restores none, restore_parents restores what it belongs to, replace deletes the active row that has its unique value',
      ).choices(['skip', 'fail', 'restore_parents', 'replace']),
    )
    .option('--by <who>', 'who restores, for the history (default: you)')
    .option('--why <text>', 'why, for the history')
    .option('--dry-run', 'only say what would come back, and what is in the way')
    .option('--json', 'print it as JSON')
    .action(restore);
}

async function restore(table: string | undefined, keys: string[], options: Options): Promise<void> {
  const { operation, since } = options;
  if ((operation === undefined) === (table === undefined)) throw whatToRestore();
  if (table === undefined ? since !== undefined : (keys.length === 0) === (since === undefined)) {
    throw whatToRestore();
  }
  const { rpc } = await connect();
  if (options.dryRun) {
    await plan(rpc, table, keys, options);
    return;
  }
  const restored = await (operation !== undefined
    ? restoreOperation(rpc, operation, options)
    : since !== undefined
      ? restoreSince(rpc, table ?? '', since, options)
      : restoreKeys(rpc, table ?? '', keys, options));
  if (options.json) printJson(restored);
  else showRestored(restored);
  if (restored.failed.length > 0) process.exitCode = exitCodes.failed;
}

function whatToRestore(): NightshiftError {
  return new NightshiftError('NS422', 'It takes an operation, or a table and keys or --since', {
    detail: 'Nothing was restored.',
    hint: `For example: ${nightshift} soft-delete restore public.orders 17 18, or --operation with the deletion_id of a row.`,
  });
}

async function plan(
  rpc: Rpc,
  table: string | undefined,
  keys: string[],
  { operation, since, onConflict, json }: Options,
): Promise<void> {
  const args: Functions['plan_restore']['Args'] = {
    ...(operation !== undefined && { operation }),
    ...(table !== undefined && { relation: table }),
    ...(table !== undefined && (since !== undefined ? { since } : { keys: keys.map(keyOf) })),
  };
  const subject = table ?? `operation ${operation}`;
  const planned = await callFor(rpc, 'plan_restore', subject, args, restorationPlan);
  if (json) printJson(planned);
  else showPlan(planned, onConflict);
  // As the restore itself, to which a single key that is not deleted or not there is an error.
  const nothingToDo = keys.length === 1 && planned.notDeleted + planned.notFound === 1;
  if (nothingToDo || conflictsLeft(planned, onConflict)) process.exitCode = exitCodes.failed;
}

/** What all ways of restoring take. */
function commonArguments({ onConflict, by, why }: Options) {
  return {
    restored_by: by ?? process.env.USER ?? 'cli',
    ...(onConflict && { on_conflict: onConflict }),
    ...(why && { reason: why }),
  };
}

async function restoreKeys(
  rpc: Rpc,
  relation: string,
  keys: string[],
  options: Options,
): Promise<Restored> {
  const args = { relation, keys: keys.map(keyOf), ...commonArguments(options) };
  const { restored, failed, ...rest } = await callFor(rpc, 'restore', relation, args, restoredRows);
  return {
    restored: { [relation]: restored },
    failed: failed.map((row) => ({ relation, ...row })),
    ...rest,
  };
}

/** Postgres reads the text of a value of any type; a key of several columns is an object. */
function keyOf(text: string): z.output<ReturnType<typeof z.json>> {
  if (!text.startsWith('{')) return text;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NightshiftError('NS422', `${text} is no JSON`, {
      detail: 'Nothing was restored.',
      hint: `A key of several columns is an object: '{"tenant_id": 1, "id": 7}'.`,
      cause,
    });
  }
}

async function restoreOperation(rpc: Rpc, operation: string, options: Options): Promise<Restored> {
  const args = { operation, ...commonArguments(options) };
  return restorePages(`operation ${operation}`, (page) =>
    callFor(rpc, 'restore_operation', `operation ${operation}`, { ...args, ...page }, restoredPage),
  );
}

async function restoreSince(
  rpc: Rpc,
  relation: string,
  since: string,
  options: Options,
): Promise<Restored> {
  const args = { relation, since, ...commonArguments(options) };
  return restorePages(relation, async (page) => {
    const answer = await callFor(
      rpc,
      'restore_since',
      relation,
      { ...args, ...page },
      restoredSincePage,
    );
    return {
      ...answer,
      restored: { [relation]: answer.restored },
      failed: answer.failed.map((row) => ({ relation, ...row })),
    };
  });
}

type Page = Pick<Functions['restore_operation']['Args'], 'after' | 'max_rows'>;

const largestPageRows = 10_000;
const smallestPageRows = 100;

/** Page by page, each a transaction; where triggers make a page take too long, the pages get smaller. */
async function restorePages(
  what: string,
  restorePage: (page: Page) => Promise<z.output<typeof restoredPage>>,
): Promise<Restored> {
  const sum: Restored = { restored: {}, failed: [], parents: 0, replaced: 0 };
  let rowsDone = 0;
  let page: Page = { max_rows: largestPageRows };
  do {
    const { max_rows: pageRows = largestPageRows } = page;
    const answer = await restorePage(page).catch((thrown: unknown) => {
      if (!(thrown instanceof NightshiftError)) throw thrown;
      if (thrown.code === timedOut && pageRows > smallestPageRows) return undefined;
      throw rowsDone === 0 ? thrown : afterOthers(thrown, rowsDone);
    });
    if (answer === undefined) {
      page = { ...page, max_rows: Math.max(Math.floor(pageRows / 4), smallestPageRows) };
      continue;
    }
    for (const [relation, rows] of Object.entries(answer.restored)) {
      sum.restored[relation] = (sum.restored[relation] ?? 0) + rows;
      rowsDone += rows;
    }
    sum.failed.push(...answer.failed);
    sum.parents += answer.parents;
    sum.replaced += answer.replaced;
    page = { after: answer.after, max_rows: pageRows };
    if (answer.after !== null) console.error(`${what}: ${count(rowsDone)} rows are back so far`);
  } while (page.after !== null);
  return sum;
}

/** Each page is committed by itself. */
function afterOthers(error: NightshiftError, rowsDone: number): NightshiftError {
  const { code, message, detail, hint, retryable, cause } = error;
  const stays = `${count(rowsDone)} rows had come back before, and stay; the same command goes on from there.`;
  return new NightshiftError(code, message, {
    detail: [detail, stays].filter(Boolean).join(' '),
    hint,
    retryable,
    cause,
  });
}
