import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobNames } from '../../functions/registry.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const maxZipBytes = 250 * 1024;

describe('npm run package, without AWS credentials', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nightshift-package-'));
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ...env } = process.env;
    await promisify(execFile)('npm', ['run', 'package', '--', '--package', directory], {
      cwd: root,
      env: { ...env, AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' },
    });
  }, 120_000);
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it.each(jobNames)(
    'makes one small zip of %s that loads and refuses an unknown event by name',
    async (name) => {
      const zip = join(directory, `${name}.zip`);
      expect((await stat(zip)).size).toBeLessThan(maxZipBytes);

      const files = unzipSync(await readFile(zip));
      expect(Object.keys(files)).toEqual([`functions/${name}/handler.mjs`]);
      const code = Buffer.from(files[`functions/${name}/handler.mjs`] ?? []).toString();
      expect(code).toContain('@aws-sdk/client-eventbridge');
      expect(code).not.toContain('AWSEvents.PutEvents');

      // Inside node_modules, where the bundle finds the SDK that the Lambda runtime has.
      const built = join(root, 'node_modules', '.cache', 'nightshift', `${name}.mjs`);
      await mkdir(dirname(built), { recursive: true });
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
