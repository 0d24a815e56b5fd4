import { expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';
import { withDirect } from '../support/direct.ts';

const db = setUpDatabase();

it('a run that has no time left has no unlimited statement', async () => {
  await withDirect(db.url, async (direct) => {
    await expect(
      direct.execute('select pg_sleep(30)', { timeoutMs: 0, lockTimeoutMs: 1_000 }),
    ).rejects.toMatchObject({ code: '57014' });
  });
});
