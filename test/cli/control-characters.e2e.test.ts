import { beforeAll, describe, expect, it } from 'vitest';
import { nightshift, run, startNightshift } from '../support/command-line.ts';
import { setUpDatabase } from '../support/database.ts';

/** Sets the title of a window, clears the screen by C1, goes back, turns the text around, and speaks of styles. */
const hostile = 'a\u001b]0;x\u0007\u009b2J\r\b\u202egnp\u2066 \u001b[31m\u001b[8m\u007f';
const visible =
  'a\\u001b]0;x\\u0007\\u009b2J\\u000d\\u0008\\u202egnp\\u2066 \\u001b[31m\\u001b[8m\\u007f';
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const ownStyles = /\u001b\[(1|2|22|3[1236]|39)m/g;
const obeyed = /(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

describe('what a terminal would obey', () => {
  const db = setUpDatabase();
  let env: Record<string, string>;
  beforeAll(async () => {
    const { sql } = db;
    await sql`create table ${sql(hostile)} (id integer primary key, deleted_at timestamptz)`;
    await sql`create index on ${sql(hostile)} (deleted_at)`;
    await sql`insert into ${sql(hostile)} select i, now() - interval '40 days' from generate_series(1, 5) i`;
    await sql`create table ${sql(`${hostile}2`)} (id integer primary key, deleted_at timestamptz)`;
    await sql`insert into ${sql(`${hostile}2`)} select i, now() - interval '400 days' from generate_series(1, 5000) i`;
    await sql`create table ${sql(`${hostile}\nb`)} (id integer references ${sql(hostile)} on delete cascade)`;
    await sql`create materialized view ${sql(`${hostile}v`)} as select count(*) from ${sql(hostile)}`;
    const name = `"${hostile}"`;
    await sql`select nightshift.add_retention_policy(${name}::regclass, '30 days', max_fraction => 1)`;
    await sql`select nightshift.add_refresh_policy(${`"${hostile}v"`}::regclass, allow_blocking => true)`;
    await sql`
      create function no() returns trigger language plpgsql as
      ${sql.unsafe(`$$ begin raise exception using message = E'no: ${'\\u001b]0;message\\u0007'}'; end $$`)}`;
    await sql`create trigger no before delete on ${sql(hostile)} for each row execute function no()`;
    const { url, secretKey } = await db.gateway();
    env = { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey };
    await nightshift(['run', 'health-check'], env);
  });

  const argumentsOf = (call: string) =>
    call.split(' ').map((word) => word.replace('TABLE', `public."${hostile}"`));

  it.each([
    'policies',
    'plan retention-purge',
    'run retention-purge --dry-run',
    'run retention-purge',
    'run view-refresh',
    'status',
    'health',
    'trends',
    'trends --table TABLE',
    'trends --table noTABLE',
    'soft-delete inspect TABLE',
  ])('is shown and does nothing: %s', async (call) => {
    const { stdout, stderr } = await nightshift(argumentsOf(call), env);
    expect(stdout + stderr).toContain(visible);
    expect((stdout + stderr).match(obeyed) ?? []).toEqual([]);
  });

  it.each(['policies', 'status'])('is told from the styles of ours: %s', async (call) => {
    const colours = { NO_COLOR: '', FORCE_COLOR: '1' };
    const { stdout } = await startNightshift(argumentsOf(call), { ...env, ...colours });
    const plain = stdout.replace(ownStyles, '');
    expect(plain).not.toBe(stdout);
    expect(plain).toContain(visible);
    expect(plain.match(obeyed) ?? []).toEqual([]);
  });

  it.each(['plan retention-purge', 'trends'])('is in --json as it is: %s', async (call) => {
    const { stdout } = await nightshift([...argumentsOf(call), '--json'], env);
    expect(stdout.match(obeyed) ?? []).toEqual([]);
    const found: string[] = [];
    JSON.parse(stdout, (_, value) => {
      if (typeof value === 'string' && value.includes(hostile)) found.push(value);
      return value;
    });
    expect(found).not.toEqual([]);
  });
});

describe('the styles of ours', () => {
  it.each(['infra/local/demo.ts', 'infra/local/start.ts'])(
    'are such as a terminal knows: %s',
    async (script) => {
      const colours = { NO_COLOR: '', FORCE_COLOR: '1' };
      const { stderr } = await run(script, ['--nonsense'], colours);
      const plain = stderr.replace(ownStyles, '');
      expect(plain).not.toBe(stderr);
      expect(plain.match(obeyed) ?? []).toEqual([]);
    },
  );
});
