import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { decode, verify } from 'hono/jwt';
import { beforeAll, describe, expect, it } from 'vitest';
import { mintToken } from '../../cli/commands/token.ts';
import { systemClock } from '../../functions/_shared/clock.ts';
import { jobNames } from '../../functions/registry.ts';
import { bareEnvironment } from '../support/bare-environment.ts';
import { nightshift } from '../support/command-line.ts';
import { setUpDatabase } from '../support/database.ts';
import { setUpHandler } from '../support/handler.ts';
import { asRunner } from '../support/runner.ts';
import { halves, packageTemplate, resourcesOf, withoutJobs } from '../support/template.ts';

const commandLine = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const day = 24 * 3_600_000;

async function run(args: string[], env: Record<string, string>) {
  const options = { env: { ...bareEnvironment, ...env } };
  return promisify(execFile)(process.execPath, [commandLine, ...args], options).then(
    (output) => ({ ...output, code: 0 }),
    ({ stdout, stderr, code }: { stdout: string; stderr: string; code: number }) => ({
      stdout,
      stderr,
      code,
    }),
  );
}

describe('nightshift token', () => {
  it('prints a token for nightshift_runner and nothing else, and never the secret', async () => {
    const env = { SUPABASE_JWT_SECRET: 'a-secret-of-enough-characters-0123' };
    const { stdout, stderr } = await run(['token', '--days', '30'], env);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const { iat, ...claims } = await verify(stdout.trim(), env.SUPABASE_JWT_SECRET, 'HS256');
    expect(claims).toEqual({ role: 'nightshift_runner', exp: Number(iat) + (30 * day) / 1_000 });
    expect(stderr).toMatch(/^For the role nightshift_runner, good until .* UTC\.\n$/);
    expect(stdout + stderr).not.toContain(env.SUPABASE_JWT_SECRET);
  });

  it('takes the secret from the environment only, and days from 1 to 365', async () => {
    const without = await nightshift(['token'], {});
    expect(without).toMatchObject({ code: 2, stdout: '' });
    expect(without.stderr).toMatch(/Not set: SUPABASE_JWT_SECRET/);
    for (const days of ['0', '366', 'x']) {
      const refused = await nightshift(['token', '--days', days], { SUPABASE_JWT_SECRET: 'x' });
      expect(refused).toMatchObject({ code: 2, stdout: '' });
    }
  });

  it('signs with an imported signing key as well, and names it', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', kid: 'key-1' };
    const environment = { SUPABASE_JWT_SECRET: JSON.stringify(key) };
    const { token } = await mintToken(environment, 1, systemClock);
    expect(decode(token).header).toMatchObject({ alg: 'ES256', kid: 'key-1' });
    const jwk = publicKey.export({ format: 'jwk' }) as JsonWebKey;
    expect(await verify(token, jwk, 'ES256')).toMatchObject({ role: 'nightshift_runner' });
    await expect(
      mintToken({ SUPABASE_JWT_SECRET: '{"kty": "EC"}' }, 1, systemClock),
    ).rejects.toMatchObject({ code: 'NS422' });
  });
});

describe('the command line with a token', () => {
  const db = setUpDatabase();
  let tokenFor: (days: number, ageDays?: number) => Promise<Record<string, string>>;
  beforeAll(async () => {
    const { url, publishableKey, jwtSecret } = await db.gateway();
    tokenFor = async (days, ageDays = 0) => {
      const clock = { nowMs: () => systemClock.nowMs() - ageDays * day };
      const { token } = await mintToken({ SUPABASE_JWT_SECRET: jwtSecret }, days, clock);
      return {
        SUPABASE_URL: url,
        SUPABASE_PUBLISHABLE_KEY: publishableKey,
        NIGHTSHIFT_RUNNER_TOKEN: token,
      };
    };
  });

  it('runs jobs and shows what there is', async () => {
    const env = await tokenFor(90);
    for (const args of [
      ['run', 'retention-purge'],
      ['run', 'partition-maintenance', '--dry-run'],
      ['plan', 'view-refresh'],
      ['policies'],
      ['status'],
    ]) {
      expect(await nightshift(args, env)).toMatchObject({ code: 0 });
    }
    const doctor = await nightshift(['doctor'], env);
    expect(doctor.stdout).toMatch(/ok +key +A runner token, good until /);
    expect(doctor.stdout).toMatch(/authenticator has a statement timeout of 8s/);
    expect(doctor.stdout + doctor.stderr).not.toContain(env.NIGHTSHIFT_RUNNER_TOKEN);
  });

  it('is told two weeks before the token expires, and afterwards that it has', async () => {
    const late = await nightshift(['doctor'], await tokenFor(13));
    expect(late).toMatchObject({ code: 0 });
    expect(late.stdout).toMatch(/warning +key .*[\s\S]*Fix: Make a new one/);
    const expired = await nightshift(['status'], await tokenFor(1, 2));
    expect(expired).toMatchObject({ code: 2 });
    expect(expired.stderr).toMatch(/NIGHTSHIFT_RUNNER_TOKEN: it has expired/);
  });
});

describe('a function with a token', () => {
  const tools = setUpHandler();
  const { call, coldStart } = tools;

  it('works, and says in its log that the token is no good', async () => {
    const { publishableKey, runnerToken } = await asRunner(tools.gateway);
    const settings = { SUPABASE_SECRET_KEY: undefined, SUPABASE_PUBLISHABLE_KEY: publishableKey };
    await coldStart({ ...settings, NIGHTSHIFT_RUNNER_TOKEN: runnerToken });
    expect(await call()).toMatchObject({ statusCode: 200, body: { status: 'succeeded' } });

    const forged = await mintToken(
      { SUPABASE_JWT_SECRET: 'another-secret-of-enough-characters' },
      1,
      systemClock,
    );
    await coldStart({ ...settings, NIGHTSHIFT_RUNNER_TOKEN: forged.token });
    expect(await call()).toMatchObject({
      statusCode: 500,
      body: { code: 'PGRST301', hint: expect.stringContaining('NIGHTSHIFT_RUNNER_TOKEN') },
    });
  });
});

it('is what the functions get with key=runner, and then no secret key', async () => {
  const reference = (name: string) =>
    `{{resolve:secretsmanager:nightshift/prod:SecretString:${name}::5e3b0c1a-0000-4000-8000-000000000001}}`;
  const templates = await Promise.all(halves.map((half) => packageTemplate(...withoutJobs(half))));
  const functions = templates.flatMap((each) => resourcesOf(each, 'AWS::Lambda::Function'));
  expect(functions).toHaveLength(jobNames.length);
  for (const { Properties } of functions) {
    expect(Properties.Environment.Variables).toMatchObject({
      SUPABASE_SECRET_KEY: '',
      SUPABASE_PUBLISHABLE_KEY: reference('SUPABASE_PUBLISHABLE_KEY'),
      NIGHTSHIFT_RUNNER_TOKEN: reference('NIGHTSHIFT_RUNNER_TOKEN'),
    });
  }
});
