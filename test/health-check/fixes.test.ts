import { beforeEach, describe, expect, it } from 'vitest';
import type { HealthFinding } from '../../functions/health-check/schema.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { readHealth } from '../support/health.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const run = (statements: string) => db.sql.unsafe(statements);

interface Finding extends HealthFinding {
  check: string;
}

/** Checks of the server and its sessions would end what other tests do. */
const ofTheDatabase =
  /index|sequences|views|partition|rls|exposed|policies|backlog|dead|soft|growth|size/;

/** What a report says of the tables here, at a time when statistics are old enough for all that it can say. */
async function report(): Promise<Finding[]> {
  const { checks } = await readHealth(db.sql, { ahead: '36 days' });
  return checks
    .filter(({ name }) => ofTheDatabase.test(name))
    .flatMap(({ name, findings }) => findings.map((finding) => ({ check: name, ...finding })))
    .filter(({ subject }) => subject?.includes('app.'));
}

const named = (findings: Finding[]) => findings.map(({ check, subject }) => `${check} ${subject}`);

/** Runs all fixes of one report, as someone would who pastes them, and returns what the next report says. */
async function pasteAll(): Promise<{ before: string[]; after: string[] }> {
  const findings = await report();
  for (const { fix } of findings) await run(fix ?? '');
  return { before: named(findings), after: named(await report()) };
}

const rows = (table: string) => `
  create table app.${table} as select n as id, n as a, n as b, n as c from generate_series(1, 60000) n;
  analyze app.${table};`;
const sparse = 'with (fillfactor = 10)';

describe('all fixes of a report, pasted at once', () => {
  it('leave one index where one is read and the longer one that answers for it is not', async () => {
    await run(`
      ${rows('jobs')}
      create index jobs_a on app.jobs (a) ${sparse};
      set enable_seqscan = off; select from app.jobs where a = 7; reset enable_seqscan;
      create index jobs_a_b on app.jobs (a, b) ${sparse};
      select pg_stat_force_next_flush();`);
    expect((await pasteAll()).before).toEqual(['duplicate_indexes app.jobs_a']);
    expect(await db.sql`select from pg_index where indrelid = 'app.jobs'::regclass`).toHaveLength(
      1,
    );
  });

  it('name an index once that is both unread and repeated, and never what stands in for it', async () => {
    await run(`
      ${rows('t')}
      create index t_a on app.t (a) ${sparse};
      create index t_a_b on app.t (a, b) ${sparse};
      create index t_a_b_c on app.t (a, b, c) ${sparse};
      alter table app.t add constraint t_later unique (id) deferrable;
      create index t_id on app.t (id) ${sparse};
      create unique index t_now on app.t (id);`);
    const findings = await report();
    expect(named(findings).sort()).toEqual([
      'duplicate_indexes app.t_a',
      'duplicate_indexes app.t_a_b',
      'duplicate_indexes app.t_id',
      'duplicate_indexes app.t_later',
    ]);
    const gone = findings.map(({ subject }) => subject);
    for (const { detail } of findings) {
      const [, other] = /; (\S+) (?:is the same|begins)/.exec(detail ?? '') ?? [];
      expect(gone).not.toContain(other);
    }
    await pasteAll();
    expect(await db.sql`select from pg_index where indrelid = 'app.t'::regclass`).toHaveLength(2);
  });

  it('build one index for a foreign key whose index was left half built', async () => {
    await run(`
      ${rows('parent')}
      alter table app.parent add primary key (id);
      ${rows('child')}
      alter table app.child add foreign key (a) references app.parent;`);
    await run('create index concurrently child_a on app.child (a)');
    await run(`update pg_index set indisvalid = false where indexrelid = 'app.child_a'::regclass`);
    expect(await pasteAll()).toEqual({ before: ['invalid_indexes app.child_a'], after: [] });
    expect(await db.sql`select from pg_index where indrelid = 'app.child'::regclass`).toHaveLength(
      1,
    );
  });

  it('keep the part that an invalid partitioned index is about to take', async () => {
    await run(`
      create table app.p (a integer, b integer) partition by range (a);
      create table app.p1 partition of app.p for values from (0) to (100000);
      insert into app.p select n, n from generate_series(1, 60000) n;
      create index p_a on only app.p (a);
      create index p1_a on app.p1 (a);
      create index p1_a_b on app.p1 (a, b) ${sparse};
      analyze app.p1;`);
    const { before, after } = await pasteAll();
    expect(before).toEqual(['invalid_indexes app.p_a', 'unused_indexes app.p1_a_b']);
    expect(after.filter((found) => !found.startsWith('unused'))).toEqual([]);
  });

  it('declare one policy for a table whose rows have no partition', async () => {
    await run(`
      create table app.log (at timestamptz not null) partition by range (at);
      create table app.log_old partition of app.log for values from ('2026-01-01') to ('2026-02-01');
      create table app.log_rest partition of app.log default;
      insert into app.log values (now());`);
    const { before, after } = await pasteAll();
    expect(before.sort()).toEqual(['default_partition_rows app.log', 'partition_horizon app.log']);
    expect(after).not.toContain('partition_horizon app.log');
    expect(await db.sql`select from nightshift.partition_policies`).toHaveLength(1);
  });
});
