import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { newestRelease } from '../../cli/installation/release.ts';
import { setUpDatabase } from '../support/database.ts';
import { describeInstalled } from '../support/installed-schema.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

describe('what a release installs', () => {
  const db = setUpDatabase();

  it('is what the committed snapshot says (npx vitest run test/schema/snapshot.test.ts --update)', async () => {
    await expect(`${(await describeInstalled(db.sql)).join('\n')}\n`).toMatchFileSnapshot(
      'snapshot.txt',
    );
  });

  it('has bodies that Postgres accepts, once all functions are there', async () => {
    const { text } = await newestRelease();
    const checked = text.replace('set check_function_bodies = off;', '');
    expect(checked).not.toBe(text);
    const before = await describeInstalled(db.sql, { bodies: true });
    await db.sql.unsafe(checked);
    expect(await describeInstalled(db.sql, { bodies: true })).toEqual(before);
  });

  it.each(['gen-migration', 'gen-types'])(
    'is up to date: infra/local/%s.ts --check',
    async (name) => {
      await run(process.execPath, [`infra/local/${name}.ts`, '--check'], { cwd: root });
    },
  );
});
