import { describe, expect, it } from 'vitest';
import { NightshiftError, toNightshiftError } from '../../functions/_shared/errors.ts';
import { redact } from '../../functions/_shared/redact.ts';

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl';

describe('what is stored of an error', () => {
  it.each([
    ['connect postgres://me:s3cret@db.example:5432/postgres', 's3cret'],
    ['connect postgresql+ssl://me:s3@cret@db.example/postgres', 'cret'],
    ['mysql://s3cret@host', 's3cret'],
    [`_${'x'.repeat(99)}postgres://s3cret@host`, 's3cret'],
    ['host=db password=s3cret user=me', 's3cret'],
    [`host=db password='s3 cret' user=me`, 'cret'],
    ['PGPASSWORD=s3cret psql', 's3cret'],
    ['Password: s3cret', 's3cret'],
    ['the answer was {"password": "s3cret"}', 's3cret'],
    [String.raw`{"user":"me","access_token":"a\"s3cret","n":1}`, 's3cret'],
    ['https://example.com/?a=1&access_token=s3cret&b=2', 's3cret'],
    [`the token ${jwt} has expired`, jwt.slice(10, 40)],
    ['the key sb_secret_abc123DEF_456 is wrong', 'abc123'],
    ['Authorization: Bearer s3cret-s3cret', 's3cret'],
    ['Key (email, name)=(ada@example.com, Ada (L.)) already exists.', 'ada@example.com'],
    ['Failing row contains (7, ada@example.com, (x)).', 'ada@example.com'],
  ])('has no secret: %s', (text, secret) => {
    expect(redact(text)).toContain('[redacted]');
    expect(redact(text)).not.toContain(secret);
  });

  it.each([
    'Send the header Authorization: Bearer <NIGHTSHIFT_HTTP_TOKEN>.',
    'a secret key of the project (sb_secret_...)',
    'like postgres://postgres.abcd:...@aws-0-eu-central-1.pooler.supabase.com:5432/postgres',
    'NIGHTSHIFT_HTTP_TOKEN: the bearer token that HTTP calls must carry',
    'Look at https://supabase.com/docs and write to night@example.com.',
    'the primary key (id) of public.orders',
  ])('keeps what is none: %s', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('is redacted in each of its texts, wherever the error came from', () => {
    const url = 'postgres://me:s3cret@db';
    const ours = new NightshiftError('NS502', url, { detail: url, hint: url }).describe();
    const others = toNightshiftError(new Error(`connect ${url}`)).describe();
    expect(JSON.stringify([ours, others])).not.toContain('s3cret');
  });
});
