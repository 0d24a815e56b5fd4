import { SoftDeleteError } from './errors.ts';
import type { Keys } from './types.ts';

/** A call takes 10,000 keys at most. With a tenth of them a batch stays well within the 8 s that the API gives a statement. */
export const maxBatch = 1_000;

/** The statement took longer than its role may. The same would again, and half of it may not. */
export const tookTooLong = (error: unknown): boolean =>
  error instanceof SoftDeleteError && error.code === '57014';

/** A string is one key, although it could be iterated over. */
export function isSingle<Key>(keys: Keys<Key>): keys is Key {
  return (
    typeof keys !== 'object' ||
    keys === null ||
    !(Symbol.iterator in keys || Symbol.asyncIterator in keys)
  );
}

/**
 * Runs one batch after the other and yields what each answers. No key is taken before the batch ahead of it is done with. A
 * batch that the database has no time for is halved, and those after it are as small.
 */
export async function* inBatches<Key, Answer>(
  keys: Keys<Key>,
  signal: AbortSignal | undefined,
  run: (batch: Key[]) => Promise<Answer>,
): AsyncGenerator<Answer> {
  let rows = maxBatch;
  for await (const batch of batchesOf(keys, () => rows)) {
    const parts = [batch];
    for (let part = parts.shift(); part; part = parts.shift()) {
      signal?.throwIfAborted();
      const answer = await run(part).catch((error: unknown) => {
        if (part.length > 1 && tookTooLong(error)) return undefined;
        throw error;
      });
      if (answer !== undefined) {
        yield answer;
        continue;
      }
      const half = Math.ceil(part.length / 2);
      rows = Math.min(rows, half);
      parts.unshift(part.slice(0, half), part.slice(half));
    }
  }
}

async function* batchesOf<Key>(keys: Keys<Key>, rows: () => number): AsyncGenerator<Key[]> {
  if (isSingle(keys)) {
    yield [keys];
    return;
  }
  let batch: Key[] = [];
  for await (const key of keys) {
    batch.push(key);
    if (batch.length < rows()) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/**
 * Runs one page after the other, each from where the one before ended, and yields what each answers. A page that the database
 * has no time for is halved, and those after it are as small.
 */
export async function* inPages<Answer extends { after: object | null }>(
  signal: AbortSignal | undefined,
  run: (page: { max_rows: number; after: object | null }) => Promise<Answer>,
): AsyncGenerator<Answer> {
  let rows = maxBatch;
  let after: object | null = null;
  for (;;) {
    signal?.throwIfAborted();
    const answer: Answer | undefined = await run({ max_rows: rows, after }).catch(
      (error: unknown) => {
        if (rows > 1 && tookTooLong(error)) return undefined;
        throw error;
      },
    );
    if (answer === undefined) {
      rows = Math.ceil(rows / 2);
      continue;
    }
    yield answer;
    after = answer.after;
    if (after === null) return;
  }
}
