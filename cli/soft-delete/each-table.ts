import { type NightshiftError, rethrowIfFatal } from '../../functions/_shared/errors.ts';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import { showError } from '../ui.ts';

export type Failed = { relation: string; error: ReturnType<NightshiftError['describe']> };

/** Does the same for each table. Of several, one that fails is shown and told among the answers, and keeps none of the others. */
export async function forEachTable<Document>(
  tables: readonly string[],
  act: (table: string) => Promise<Document>,
): Promise<(Document | Failed)[]> {
  const documents: (Document | Failed)[] = [];
  for (const relation of tables) {
    try {
      documents.push(await act(relation));
    } catch (thrown) {
      if (tables.length === 1) throw thrown;
      const error = rethrowIfFatal(thrown);
      documents.push({ relation, error: error.describe() });
      showError(error.describe(), `${relation}: `);
      // A failure weighs more than a name that was misspelt.
      if (process.exitCode !== exitCodes.failed) process.exitCode = exitCodeOf(error);
    }
  }
  return documents;
}
