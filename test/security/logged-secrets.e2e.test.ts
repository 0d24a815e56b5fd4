import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const secret = 'sb_secret_0123456789abcdef';
const kept = 'postgres-password-0123';

/** Test files that pass, but for what they log. */
const files: Record<string, string> = {
  'log of a function': `createLog('job').info('Calling', { options: { key: process.env.SUPABASE_SECRET_KEY } });`,
  'error of a function': `createLog('job').error('Failed', { error: process.env.SUPABASE_SECRET_KEY + '!' });`,
  console: `console.warn('the key is', process.env.SUPABASE_SECRET_KEY);`,
  object: `console.warn({ key: process.env.SUPABASE_SECRET_KEY });`,
  stream: `process.stderr.write('as ${kept}'); keepSecret('${kept}');`,
  metrics: `const metrics = createMetrics('job'); metrics.add('RunFailed', 1); metrics.describe('url', '${kept}'); keepSecret('${kept}'); metrics.flush();`,
  'nothing secret': `createLog('job').info('Calling', { url: process.env.SUPABASE_URL }); createLog('job').warn('NIGHTSHIFT_HTTP_TOKEN is short');`,
};

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nightshift-logged-'));
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  const setUp = JSON.stringify(join(root, 'test/support/forbid-leaks.ts'));
  const recorder = JSON.stringify(join(root, 'test/support/record-output.ts'));
  await writeFile(
    join(directory, 'vitest.config.mjs'),
    `export default { test: { include: ['*.test.ts'], setupFiles: [${setUp}] } };`,
  );
  for (const [name, body] of Object.entries(files)) {
    await writeFile(
      join(directory, `${name}.test.ts`),
      `import { it, vi } from 'vitest';
      import { createLog } from '${root}functions/_shared/log.ts';
      import { createMetrics } from '${root}functions/_shared/metrics.ts';
      import { keepSecret } from ${recorder};
      it('passes', () => { vi.stubEnv('SUPABASE_SECRET_KEY', '${secret}'); ${body} vi.unstubAllEnvs(); });`,
    );
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('a test file fails whenever a secret was logged while it ran, and does not repeat it', async () => {
  const vitest = join(
    createRequire(import.meta.url).resolve('vitest/package.json'),
    '../vitest.mjs',
  );
  const report = join(directory, 'report.json');
  const args = ['run', '--reporter=json', `--outputFile=${report}`, '--root', directory];
  const env = { PATH: process.env.PATH, SUPABASE_URL: 'https://abcd.supabase.co' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [vitest, ...args], {
    cwd: directory,
    env,
  }).catch((failure: { stdout: string; stderr: string }) => failure);
  const { testResults } = createRequire(import.meta.url)(report) as {
    testResults: { name: string; status: string; message: string }[];
  };
  const outcomes = Object.fromEntries(
    testResults.map(({ name, status }) => [basename(name, '.test.ts'), status]),
  );
  const failed = Object.keys(files).map((name) => [name, 'failed']);
  expect(outcomes).toEqual({ ...Object.fromEntries(failed), 'nothing secret': 'passed' });
  for (const { status, message } of testResults) {
    if (status === 'failed') expect(message).toContain('Secrets were logged');
    expect(message).not.toMatch(`${secret}|${kept}`);
  }
  expect(stdout + stderr).not.toContain(secret);
});
