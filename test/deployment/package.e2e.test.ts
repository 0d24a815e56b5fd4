import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { beforeAll, describe, expect, it } from 'vitest';
import { jobNames } from '../../functions/registry.ts';
import { copyCheckout } from '../support/checkout.ts';
import { withoutCredentials } from '../support/packaging.ts';
import { packaged } from '../support/shared.ts';

const maxZipBytes = 250 * 1024;

describe('npm run package, without AWS credentials', () => {
  let made: string;
  beforeAll(async () => {
    made = await packaged('prod', 'table-vacuum=on');
  });

  it.each(jobNames)(
    'makes one small zip of %s that loads and refuses an unknown event by name',
    async (name) => {
      const zip = join(made, `${name}.zip`);
      expect((await stat(zip)).size).toBeLessThan(maxZipBytes);

      const files = unzipSync(await readFile(zip));
      expect(Object.keys(files)).toEqual([`functions/${name}/handler.mjs`]);
      const code = Buffer.from(files[`functions/${name}/handler.mjs`] ?? []).toString();
      expect(code).toContain('@aws-sdk/client-eventbridge');
      expect(code).not.toContain('AWSEvents.PutEvents');

      // Beside node_modules, where the bundle finds the SDK that the Lambda runtime has.
      const built = join(dirname(made), `${name}.mjs`);
      await writeFile(built, code);
      const { handler } = await import(/* @vite-ignore */ pathToFileURL(built).href);
      const context = { getRemainingTimeInMillis: () => 10_000 };
      await expect(
        handler({ Records: [{ eventSource: 'aws:s3' }] }, context),
      ).rejects.toMatchObject({
        code: 'NS400',
        message: 'Unknown event: an object with Records',
      });
    },
  );

  it('is osls, and refuses a switch that does not exist', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'nightshift-package-'));
    await copyCheckout(cwd);
    const args = ['run', 'package', '--', '--stage', 'prod', '--param', 'view-refresh=of'];
    const packaging = promisify(execFile)('npm', args, { cwd, env: withoutCredentials() });
    await expect(packaging).rejects.toMatchObject({
      stdout: expect.stringMatching(/> osls package --stage prod[\s\S]*Value not found/),
    });
    await rm(cwd, { recursive: true });
  });
});
