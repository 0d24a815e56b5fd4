import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobNames } from '../../functions/registry.ts';
import { copyCheckout } from '../support/checkout.ts';

const maxZipBytes = 250 * 1024;

describe('npm run package, without AWS credentials', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nightshift-package-'));
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ...env } = process.env;
    await copyCheckout(directory);
    await promisify(execFile)('npm', ['run', 'package', '--', '--param', 'table-vacuum=on'], {
      cwd: directory,
      env: { ...env, AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' },
    });
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it.each(jobNames)(
    'makes one small zip of %s that loads and refuses an unknown event by name',
    async (name) => {
      const zip = join(directory, '.serverless', `${name}.zip`);
      expect((await stat(zip)).size).toBeLessThan(maxZipBytes);

      const files = unzipSync(await readFile(zip));
      expect(Object.keys(files)).toEqual([`functions/${name}/handler.mjs`]);
      const code = Buffer.from(files[`functions/${name}/handler.mjs`] ?? []).toString();
      expect(code).toContain('@aws-sdk/client-eventbridge');
      expect(code).not.toContain('AWSEvents.PutEvents');

      // Beside node_modules, where the bundle finds the SDK that the Lambda runtime has.
      const built = join(directory, `${name}.mjs`);
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
});
