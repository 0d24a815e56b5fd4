import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { isolateMsLeft } from '../../functions/_shared/budget.ts';
import { limitCalls } from '../../functions/_shared/call-limit.ts';
import { readEdgeSettings } from '../../functions/_shared/edge-settings.ts';

const provided = {
  SUPABASE_URL: 'https://abcd.supabase.co',
  SUPABASE_SECRET_KEYS: '{"default": "sb_secret_d", "other": "sb_secret_o"}',
  SUPABASE_SERVICE_ROLE_KEY: 'legacy',
  SUPABASE_PUBLISHABLE_KEYS: '{"default": "sb_publishable_d"}',
};

describe('the secrets of an Edge Function', () => {
  it.each([
    ['the default secret key', {}, { secretKey: 'sb_secret_d' }],
    [
      'the secret key named nightshift, where there is one',
      { SUPABASE_SECRET_KEYS: '{"default": "sb_secret_d", "nightshift": "sb_secret_n"}' },
      { secretKey: 'sb_secret_n' },
    ],
    [
      'the legacy key, where there is no other',
      { SUPABASE_SECRET_KEYS: undefined },
      { secretKey: 'legacy' },
    ],
    [
      'the legacy key, where the others cannot be read',
      { SUPABASE_SECRET_KEYS: 'x' },
      { secretKey: 'legacy' },
    ],
  ])('open the project with %s', (_, environment, access) => {
    const { supabase } = readEdgeSettings({ ...provided, ...environment });
    expect(supabase).toEqual({ url: 'https://abcd.supabase.co', ...access });
  });

  it('open it with a runner token before any key', () => {
    const payload = btoa(JSON.stringify({ role: 'nightshift_runner', exp: 99_999_999_999 }));
    const token = `e30.${payload.replaceAll('=', '')}.c2ln`;
    const { supabase } = readEdgeSettings({ ...provided, NIGHTSHIFT_RUNNER_TOKEN: token });
    expect(supabase).toMatchObject({ publishableKey: 'sb_publishable_d', runnerToken: token });
  });

  it.each([
    ['NIGHTSHIFT_DATABASE_URL', 'postgres://localhost/x', 'over the Data API alone'],
    ['NIGHTSHIFT_EVENT_BUS', 'bus', 'unset it here'],
    ['NIGHTSHIFT_HTP_TOKEN', 'x', 'unknown; known are'],
  ])('refuse %s = %s and say why', (name, value, why) => {
    expect(() => readEdgeSettings({ ...provided, [name]: value })).toThrow(
      expect.objectContaining({ code: 'NS422', hint: expect.stringContaining(`${name}: `) }),
    );
    expect(() => readEdgeSettings({ ...provided, [name]: value })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining(why) }),
    );
  });
});

describe('an isolate', () => {
  it.each([
    [0, 150_000],
    [60_000, 90_000],
    [75_000, 75_000],
    // It would have no request any more on the free plan.
    [100_000, 100_000],
    [199_000, 150_000],
  ])('that gets a request at an age of %i ms lives for %i ms more', (ageMs, leftMs) => {
    expect(isolateMsLeft(ageMs)).toBe(leftMs);
  });
});

describe('a run', () => {
  it('has no time left after so many calls, which are made all the same', async () => {
    const asked: unknown[] = [];
    const rpc = { call: async (...request: unknown[]) => void asked.push(request) as never };
    const limited = limitCalls(rpc, { remainingMs: () => 7_000 }, 2);
    await limited.rpc.call('list_runs', {}, z.unknown());
    expect(limited.deadline.remainingMs()).toBe(7_000);
    await limited.rpc.call('list_runs', {}, z.unknown());
    expect(limited.deadline.remainingMs()).toBe(0);
    await limited.rpc.call('list_runs', { job: 'x' }, z.unknown());
    expect(asked.at(-1)).toEqual(['list_runs', { job: 'x' }, expect.anything()]);
  });
});
