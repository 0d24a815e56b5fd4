import { beforeAll, describe, expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';
import { runVacuum } from '../support/vacuum.ts';

const db = setUpDatabase();

interface Estimate {
  kind: string;
  size: number;
  bloat: number;
}

const none: Estimate = { kind: 'none', size: 1, bloat: 0 };

/** By name; from one megabyte on, for a test that need not fill a disk. */
async function estimate(floorBytes = 1_048_576): Promise<Record<string, Estimate>> {
  const rows = await db.sql<(Estimate & { name: string })[]>`
    select relation::regclass::text as name, kind, size_bytes::float as size, bloat_bytes::float as bloat
    from nightshift.estimate_bloat(null, ${floorBytes}) order by 1`;
  return Object.fromEntries(rows.map((row) => [row.name, row]));
}

beforeAll(async () => {
  await db.sql.unsafe(`
    create schema app;
    create table app."the ""full""" (id integer primary key, note text not null, at timestamptz) with (autovacuum_enabled = false);
    insert into app."the ""full""" select n, repeat('x', n % 90), now() from generate_series(1, 100000) n;
    create table app.hollow (id integer primary key, note text, at timestamptz) with (autovacuum_enabled = false);
    insert into app.hollow select n, md5(n::text), now() from generate_series(1, 100000) n;
    create index on app.hollow (upper(note));
    create index on app.hollow (at) where id > 50000;
    create table app.loose (id integer, note text) with (autovacuum_enabled = false, fillfactor = 40);
    insert into app.loose select n, md5(n::text) from generate_series(1, 100000) n;
    create table app.unknown (id integer, note text) with (autovacuum_enabled = false);
    insert into app.unknown select n, md5(n::text) from generate_series(1, 100000) n;
    delete from app.hollow where id % 10 > 0;
    delete from app.unknown;
  `);
  for (const table of ['"the ""full"""', 'hollow', 'loose']) {
    await db.sql.unsafe(`vacuum (analyze, truncate false) app.${table}`);
  }
  await db.sql.unsafe('vacuum (truncate false) app.unknown');
});

describe('an estimate of bloat', () => {
  it('finds what is nine tenths empty, and its indexes, and nothing else', async () => {
    const found = await estimate();
    expect(Object.keys(found)).toEqual(['app.hollow', 'app.hollow_pkey', 'app.hollow_upper_idx']);
    for (const { size, bloat } of Object.values(found)) expect(bloat / size).toBeCloseTo(0.9, 1);
  });

  it('leaves out what is less than the floor, however much of it is empty', async () => {
    const { 'app.hollow': hollow = none } = await estimate();
    expect(await estimate(hollow.bloat)).toMatchObject({ 'app.hollow': { kind: 'table' } });
    expect(await estimate(hollow.bloat + 1)).toEqual({});
  });

  it('looks at the columns of what is large, and not at all that there are for each', async () => {
    const read = await db.sql.begin(async (sql) => {
      const rows = async () => {
        const [row] = await sql<{ read: number }[]>`
          select pg_stat_get_xact_tuples_returned('pg_attribute'::regclass)::integer as read`;
        return row?.read ?? 0;
      };
      const before = await rows();
      await sql`select * from nightshift.estimate_bloat(null, 1048576)`;
      return (await rows()) - before;
    });
    const [all] = await db.sql`select count(*)::integer as n from pg_attribute`;
    expect(read).toBeLessThan(all?.n);
  });

  it('is within a tenth of what pgstattuple measures', async () => {
    await db.sql`create extension pgstattuple`;
    const { 'app.hollow': hollow = none } = await estimate();
    const [measured] = await db.sql<{ free: number }[]>`
      select free_space::float as free from pgstattuple('app.hollow'::regclass)`;
    await db.sql`drop extension pgstattuple`;
    const ratio = hollow.bloat / (measured?.free ?? 1);
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
  });
});

describe('the report of a run', () => {
  const bloatOf = async (input: object) => (await runVacuum(db, input)).report.bloat;

  it('has nothing to say of trifles', async () => {
    expect(await bloatOf({})).toEqual([]);
    expect(await bloatOf({ only: ['app.hollow'] })).toEqual([]);
  });

  it('has what was measured of the one table it is asked for, where pgstattuple is there', async () => {
    await db.sql.unsafe('create extension pgstattuple schema extensions');
    expect(await bloatOf({ only: ['app.hollow'] })).toEqual([
      {
        relation: 'app.hollow',
        table: 'app.hollow',
        kind: 'table',
        method: 'pgstattuple_approx',
        sizeBytes: expect.any(Number),
        bloatBytes: expect.any(Number),
      },
    ]);
    expect(await bloatOf({ only: ['app.hollow', 'app.loose'] })).toEqual([]);
    expect(await bloatOf({ dryRun: true })).toEqual([]);
  });

  it('goes by the estimate when someone has the table locked', async () => {
    const other = db.connect();
    await other`begin`;
    await other`lock table app.hollow`;
    const { run, report } = await runVacuum(db, { only: ['app.hollow'] });
    await other`commit`;
    expect(run.status).toBe('failed');
    expect(report.bloat).toEqual([]);
  });

  it('says that it does not know when nobody answered', async () => {
    const before = {
      report_bloat: () => {
        throw new Error('no answer');
      },
    };
    const { run, report } = await runVacuum(db, { dryRun: true }, { before });
    expect(run.status).toBe('succeeded');
    expect(report.bloat).toBeNull();
  });
});
