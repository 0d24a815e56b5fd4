import { describe, expect, it } from 'vitest';
import { type Clock, timeMs } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { readSettings } from '../../functions/_shared/settings.ts';

const secret = 'sesame-7f3a';
const valid = {
  SUPABASE_URL: 'https://abcd.supabase.co',
  SUPABASE_SECRET_KEY: `sb_secret_${secret}`,
};

function refusalOf(
  environment: Record<string, string | undefined>,
  clock?: Clock,
): NightshiftError {
  try {
    readSettings(environment, clock);
  } catch (error) {
    if (error instanceof NightshiftError) return error;
  }
  throw new Error('The environment was not refused.');
}

describe('the settings', () => {
  it('need the URL and the key of the project, and have a default for the rest', () => {
    expect(readSettings(valid)).toEqual({
      supabase: { url: 'https://abcd.supabase.co', secretKey: `sb_secret_${secret}` },
      httpToken: undefined,
      schedules: [],
      eventBus: undefined,
      httpBudgetMs: 25_000,
    });
  });

  it('take the rest from the environment', () => {
    const environment = {
      ...valid,
      NIGHTSHIFT_HTTP_TOKEN: secret,
      NIGHTSHIFT_EVENT_BUS: 'nightshift-dev',
      NIGHTSHIFT_HTTP_BUDGET_MS: '3000',
    };
    expect(readSettings(environment)).toMatchObject({
      httpToken: secret,
      eventBus: 'nightshift-dev',
      httpBudgetMs: 3_000,
    });
  });

  it.each(['', ' \n'])('take %j, as a template without a value sets it, for no value', (none) => {
    const environment = {
      ...valid,
      NIGHTSHIFT_HTTP_TOKEN: none,
      NIGHTSHIFT_EVENT_BUS: none,
      NIGHTSHIFT_HTTP_BUDGET_MS: none,
      NIGHTSHIFT_OF_OLD: none,
    };
    expect(readSettings(environment)).toEqual(readSettings(valid));
  });

  it('trim white space, which came along when a value was copied', () => {
    const environment = {
      ...valid,
      NIGHTSHIFT_HTTP_TOKEN: secret,
      NIGHTSHIFT_EVENT_BUS: 'nightshift-dev',
      NIGHTSHIFT_HTTP_BUDGET_MS: '29000',
    };
    const copied = Object.entries(environment).map(([name, value]) => [name, ` ${value}\n`]);
    expect(readSettings(Object.fromEntries(copied))).toEqual(readSettings(environment));
  });

  it('leave alone what belongs to others', () => {
    const others = { PATH: '/bin', AWS_REGION: 'eu-central-1', SUPABASE_ANON_KEY: 'x' };
    expect(readSettings({ ...valid, ...others })).toEqual(readSettings(valid));
  });

  it.each([
    ['SUPABASE_URL', undefined, 'https://abcd.supabase.co'],
    ['SUPABASE_URL', ' ', 'https://abcd.supabase.co'],
    ['SUPABASE_URL', `${secret}.supabase.co`, 'https://abcd.supabase.co'],
    ['SUPABASE_URL', `postgres://postgres:${secret}@db/postgres`, 'the URL of the project'],
    ['SUPABASE_URL', `https://me:${secret}@abcd.supabase.co`, 'the URL of the project'],
    ['SUPABASE_URL', 'https://abcd.supabase.co/rest/v1/', 'it is https://abcd.supabase.co'],
    ['SUPABASE_URL', 'https://abcd.supabase.co/dashboard', 'it has a path'],
    ['SUPABASE_URL', `postgresql://postgres:${secret}@db/postgres`, 'NIGHTSHIFT_DATABASE_URL'],
    ['SUPABASE_SECRET_KEY', '', 'sb_secret_'],
    ['NIGHTSHIFT_HTTP_BUDGET_MS', secret, '3000 to 29000'],
    ['NIGHTSHIFT_HTTP_BUDGET_MS', '2999', '3000 to 29000'],
    ['NIGHTSHIFT_HTTP_BUDGET_MS', '29001', '3000 to 29000'],
    ['NIGHTSHIFT_HTTP_BUDGET_MS', '3000.5', 'in ms'],
    ['NIGHTSHIFT_HTTP_BUDGET_MS', 'Infinity', 'in ms'],
  ])('refuse %s=%s, and say what it should look like', (name, value, shape) => {
    const error = refusalOf({ ...valid, [name]: value });
    expect(error.code).toBe('NS422');
    expect(error.message).toBe(`The environment is not valid: ${name}`);
    expect(error.hint).toMatch(new RegExp(`^${name}: `));
    expect(error.hint).toContain(shape);
    expect(JSON.stringify(error.describe())).not.toContain(secret);
  });

  it('refuse a variable of ours that nobody reads, and name those that are read', () => {
    const error = refusalOf({ ...valid, NIGHTSHIFT_HTTP_TOKNE: secret });
    expect(error.message).toBe('The environment is not valid: NIGHTSHIFT_HTTP_TOKNE');
    expect(error.hint).toMatch(/NIGHTSHIFT_HTTP_TOKNE: unknown; known are .*NIGHTSHIFT_HTTP_TOKEN/);
    expect(JSON.stringify(error.describe())).not.toContain(secret);
  });

  it('say all that is wrong at once', () => {
    const error = refusalOf({ NIGHTSHIFT_HTTP_BUDGET_MS: '1', NIGHTSHIFT_BUS: 'x' });
    for (const name of [
      'SUPABASE_URL',
      'SUPABASE_SECRET_KEY',
      'NIGHTSHIFT_HTTP_BUDGET_MS',
      'NIGHTSHIFT_BUS',
    ]) {
      expect(error.message).toContain(name);
      expect(error.hint).toContain(`${name}: `);
    }
  });

  describe('name one way into the project', () => {
    const clock = { nowMs: () => timeMs('2026-11-21T00:00:00Z') };
    const tokenWith = (claims: object) =>
      `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${secret}`;
    const exp = clock.nowMs() / 1_000 + 60;
    const runner = {
      SUPABASE_URL: valid.SUPABASE_URL,
      SUPABASE_PUBLISHABLE_KEY: 'sb_publishable_1',
      NIGHTSHIFT_RUNNER_TOKEN: tokenWith({ role: 'nightshift_runner', exp }),
    };

    it('the secret key, also where the publishable key is set', () => {
      const environment = { ...valid, SUPABASE_PUBLISHABLE_KEY: 'sb_publishable_1' };
      expect(readSettings(environment)).toEqual(readSettings(valid));
    });

    it('or the publishable key with a runner token', () => {
      const padded = { ...runner, NIGHTSHIFT_RUNNER_TOKEN: `${runner.NIGHTSHIFT_RUNNER_TOKEN}\n` };
      expect(readSettings(padded, clock).supabase).toEqual({
        url: valid.SUPABASE_URL,
        publishableKey: 'sb_publishable_1',
        runnerToken: runner.NIGHTSHIFT_RUNNER_TOKEN,
      });
    });

    it.each<[string, Record<string, string | undefined>, string, RegExp]>([
      [
        'both',
        { SUPABASE_SECRET_KEY: secret },
        'SUPABASE_SECRET_KEY, NIGHTSHIFT_RUNNER_TOKEN',
        /not both/,
      ],
      [
        'neither',
        { NIGHTSHIFT_RUNNER_TOKEN: '' },
        'SUPABASE_SECRET_KEY',
        /instead of it, SUPABASE_PUBLISHABLE_KEY and NIGHTSHIFT_RUNNER_TOKEN/,
      ],
      [
        'a token by itself',
        { SUPABASE_PUBLISHABLE_KEY: ' ' },
        'SUPABASE_PUBLISHABLE_KEY',
        /sb_publishable_/,
      ],
      [
        'a token that has expired',
        {
          NIGHTSHIFT_RUNNER_TOKEN: tokenWith({
            role: 'nightshift_runner',
            exp: clock.nowMs() / 1_000,
          }),
        },
        'NIGHTSHIFT_RUNNER_TOKEN',
        /expired; make a new one with: npm run nightshift -- token/,
      ],
      [
        'a token that never expires',
        { NIGHTSHIFT_RUNNER_TOKEN: tokenWith({ role: 'nightshift_runner' }) },
        'NIGHTSHIFT_RUNNER_TOKEN',
        /a token for the role nightshift_runner/,
      ],
      [
        'a token of a role that may do more',
        { NIGHTSHIFT_RUNNER_TOKEN: tokenWith({ role: 'service_role', exp }) },
        'NIGHTSHIFT_RUNNER_TOKEN',
        /a token for the role nightshift_runner/,
      ],
      [
        'what is no token',
        { NIGHTSHIFT_RUNNER_TOKEN: secret },
        'NIGHTSHIFT_RUNNER_TOKEN',
        /a token for the role nightshift_runner/,
      ],
    ])('and are refused with %s', (_, overrides, names, hint) => {
      const error = refusalOf({ ...runner, ...overrides }, clock);
      expect(error.message).toBe(`The environment is not valid: ${names}`);
      expect(error.hint).toMatch(hint);
      expect(JSON.stringify(error.describe())).not.toContain(secret);
    });
  });
});
