import postgres, { type Sql } from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
import { expireLease, setUpDatabase, startAfresh } from '../support/database.ts';
import { withDirect } from '../support/direct.ts';
import { partitionsOf, runMaintenance, stepOf } from '../support/partitions.ts';
import { isNightly, sampleOf } from '../support/property.ts';
import { checksum } from '../support/rows.ts';
import { startTraffic } from '../support/traffic.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

/** Partitions of this month and the next, and of one long ago; what lies between is a gap, some of it in the default one. */
async function createEvents(): Promise<void> {
  await db.sql.unsafe(`
    create function app.month(n integer) returns timestamptz stable language sql
    return date_trunc('month', now(), 'UTC') + make_interval(months => n);
    create table app.events (id bigint not null, at timestamptz not null, primary key (id, at)) partition by range (at);
    create table app.rest partition of app.events default;
    do $$
    declare n integer;
    begin
      foreach n in array array[-4, 0, 1] loop
        execute format('create table app.%I partition of app.events for values from (%L) to (%L)',
          'events_m' || n, app.month(n), app.month(n + 1));
      end loop;
    end $$;
    insert into app.events select n, app.month(-1) + n * interval '1 minute' from generate_series(1, 2000) n;
    insert into app.events values (0, '2099-01-01');
    select nightshift.add_partition_policy('app.events', '1 month', premake => 3)`);
}

/** A run for which any default partition is too large to be read under a lock. */
const runBeside = (options: Parameters<typeof runMaintenance>[2] = {}) =>
  runMaintenance(
    db,
    {},
    {
      ...options,
      beforeCall: async (name, args) => {
        if (name === 'create_partitions') Object.assign(args, { max_lock_ms: 0 });
        await options.beforeCall?.(name, args);
      },
    },
  );

const beginRun = async () => {
  const [row] = await db.sql`select nightshift.begin_run('partition-maintenance', 'cli') as answer`;
  return row?.answer.run;
};
const call = async (name: string, run: { id: string; fence: number }, ...more: number[]) => {
  const [row] = await db.sql.unsafe(
    `select nightshift.${name}(${[`'${run.id}'`, run.fence, `'app.events'`, ...more]}) as answer`,
  );
  return row?.answer.outcome;
};
const monthOf = async (n: number) =>
  (
    await db.sql`select 'events_' || to_char(app.month(${n}) at time zone 'UTC', 'YYYY_MM') as name`
  )[0]?.name;
const refuses = async () =>
  (await db.sql`select from pg_constraint where conname = 'nightshift_room_ahead'`).length > 0;

describe('partitions beside a default partition', () => {
  it('are made for the future first, then the present, then gaps from new to old', async () => {
    await createEvents();
    await db.sql`drop table app.events_m0, app.events_m1`;
    const calls: string[][] = [];
    for (let isDone = false; !isDone; ) {
      const [{ made } = {}] =
        await db.sql`select nightshift.create_missing_partitions('app.events') as made`;
      calls.push(made.created.map(({ partition }: { partition: string }) => partition));
      isDone = made.done;
    }
    const named = async (months: number[]) =>
      (await Promise.all(months.map(monthOf))).map((name) => `app.${name}`);
    // Those with rows for themselves, since a row may have to stay.
    expect(calls).toEqual([await named([1, 2, 3, 0]), await named([-1]), await named([-2, -3])]);
  });
});

describe('room ahead beside a default partition that is too large to be read under a lock', () => {
  it.each([
    ['the API', false],
    ['the direct connection', true],
  ])('is made over %s while nobody fails; what is left has its hint', async (_, overDirect) => {
    await createEvents();
    const before = await checksum(db.sql, 'app.events');
    const traffic = startTraffic(db, [
      'select count(*) from app.events',
      `insert into app.events select 10000 + coalesce(max(id), 0), now() from app.events where at between app.month(0) and app.month(1)`,
      `insert into app.events values (5000, app.month(-1)) on conflict (id, at) do nothing`,
      `update app.events set id = id where at < app.month(-1)`,
    ]);
    const calls: string[] = [];
    const run = (direct = {}) =>
      runBeside({
        ...direct,
        beforeCall: async (name) => {
          calls.push(name);
          await traffic.getThrough();
        },
      });
    const result = overDirect ? await withDirect(db.url, (direct) => run({ direct })) : await run();
    await traffic.stop();
    await db.sql`delete from app.events where id >= 5000`;

    expect(result.run.status).toBe('partial');
    const step = stepOf(result, 'app.events');
    expect(step.created.map(({ partition }) => partition)).toEqual([
      `app.${await monthOf(2)}`,
      `app.${await monthOf(3)}`,
    ]);
    expect(step).toMatchObject({
      missing: 3,
      error: {
        code: 'NS423',
        message: expect.stringContaining('app.rest is so large'),
        hint: expect.stringContaining(`create_missing_partitions('app.events', max_rows`),
      },
    });
    expect(calls.includes('validate_default')).toBe(!overDirect);
    // Asked once before, once for each that is made, and once for what is left: nothing is tried again.
    expect(calls.filter((name) => name === 'create_partitions')).toHaveLength(4);
    expect(await refuses()).toBe(false);
    expect(await checksum(db.sql, 'app.events')).toBe(before);

    // What is left is no room ahead, and needs a person.
    const next = stepOf(await runBeside(), 'app.events');
    expect(next).toMatchObject({ status: 'failed', created: [], error: { code: 'NS423' } });
    expect(await refuses()).toBe(false);
    const byHand = /select nightshift[^;]*/.exec(next.error?.hint ?? '')?.[0] ?? '';
    for (let isDone = false; !isDone; )
      isDone = (await db.sql.unsafe(`${byHand} as made`))[0]?.made.done;
    expect(stepOf(await runBeside(), 'app.events')).toMatchObject({
      status: 'succeeded',
      missing: 0,
    });
    expect(await checksum(db.sql, 'app.events')).toBe(before);
  });

  it('is made without reading it under the lock', async () => {
    await createEvents();
    const run = await beginRun();
    expect(await call('exclude_from_default', run, 8_000)).toBe('excluded');
    expect(await call('validate_default', run)).toBe('validated');
    const said: (string | undefined)[] = [];
    const session = postgres(db.url, { max: 1, onnotice: ({ message }) => said.push(message) });
    await session`set client_min_messages = debug1`;
    for (let call = 0; call < 2; call++) {
      await session`select nightshift.create_missing_partitions('app.events', max_lock => '0')`;
    }
    await session.end();
    const [two, three] = await Promise.all([monthOf(2), monthOf(3)]);
    expect(Object.keys(await partitionsOf(db.sql, 'app.events'))).toEqual(
      expect.arrayContaining([two, three]),
    );
    const isProof = /default partition "rest" is implied by existing constraints/;
    expect(said.filter((message) => isProof.test(message ?? ''))).toHaveLength(2);
    expect(said).not.toContain('verifying table "rest"');
    expect(await refuses()).toBe(false);
  });

  it('is proven again by Postgres when its constraint is not what is written down', async () => {
    await createEvents();
    const run = await beginRun();
    await call('exclude_from_default', run, 8_000);
    await db.sql.unsafe(`
      alter table app.rest drop constraint nightshift_room_ahead;
      alter table app.rest add constraint nightshift_room_ahead check (id >= 0);
      insert into app.events values (1, app.month(2))`);
    await expect(
      db.sql`select nightshift.create_missing_partitions('app.events', max_lock => '0')`,
    ).rejects.toMatchObject({ code: '23514' });
    expect(await partitionsOf(db.sql, 'app.events')).not.toHaveProperty(await monthOf(2));
  });

  it.each([
    ['a partition ahead has a row', 'insert into app.events values (1, app.month(1))'],
    ['the default partition has one', 'insert into app.events values (1, app.month(2))'],
  ])('is not made where the application writes ahead: %s', async (_, insert) => {
    await createEvents();
    await db.sql.unsafe(insert);
    const outcomes: string[] = [];
    const result = await runBeside({ beforeCall: (name) => void outcomes.push(name) });
    expect(outcomes).toContain('exclude_from_default');
    expect(outcomes).not.toContain('validate_default');
    expect(stepOf(result, 'app.events')).toMatchObject({
      status: 'failed',
      created: [],
      error: { code: 'NS423' },
    });
    expect(await refuses()).toBe(false);
  });

  it('is not made for a time that begins before the next run', async () => {
    await createEvents();
    await db.sql`drop table app.events_m0, app.events_m1`;
    // As if a run came every 40 days.
    await db.sql`
      insert into nightshift.runs (job, trigger, status, started_at, finished_at, request_id, input)
      select 'partition-maintenance', 'schedule', 'succeeded', at, at, gen_random_uuid(), '{}'
      from generate_series(1, 2) n, lateral (select now() - n * interval '40 days') l(at)`;
    const result = await runBeside();
    await db.sql`delete from nightshift.runs where trigger = 'schedule'`;
    const made = stepOf(result, 'app.events').created.map(({ partition }) => partition);
    expect(made).not.toContain(`app.${await monthOf(1)}`);
    expect(made).toContain(`app.${await monthOf(3)}`);
  });
});

describe('a default partition that refuses rows of partitions being made', () => {
  it('says why, and takes those of any other time', async () => {
    await createEvents();
    await call('exclude_from_default', await beginRun(), 8_000);
    await expect(db.sql`insert into app.events values (1, app.month(2))`).rejects.toMatchObject({
      code: '23514',
      constraint_name: 'nightshift_room_ahead',
    });
    await db.sql`insert into app.events values (1, app.month(-2)), (2, app.month(1)), (3, '2099-02-02')`;
  });

  it('after a run that died is named in a warning, and mended by the next run', async () => {
    await createEvents();
    await call('exclude_from_default', await beginRun(), 8_000);
    await expireLease(db.sql);
    const [{ list } = {}] = await db.sql`select nightshift.list_partition_policies() as list`;
    expect(list[0].warnings).toContainEqual(
      expect.stringMatching(
        /^app.rest refuses rows from .*drop constraint nightshift_room_ahead;$/,
      ),
    );
    const calls: string[] = [];
    const result = await runBeside({
      beforeCall: async (name) => {
        calls.push(name);
        if (name === 'create_partitions' && calls.length < 5) expect(await refuses()).toBe(false);
      },
    });
    expect(calls.slice(0, 3)).toEqual([
      'begin_run',
      'plan_partition_maintenance',
      'release_default',
    ]);
    expect(result.report.partitionsCreated).toBe(2);
    expect(stepOf(result, 'app.events').warnings).not.toContainEqual(
      expect.stringContaining('refuses rows'),
    );
    expect(await refuses()).toBe(false);
  });

  it('at whichever call a run dies, takes them again after the next one, which loses nothing', async () => {
    // By day at every third, others in each run.
    const [first = 2] = sampleOf([2, 3, 4], 1);
    for (let nth = first, isThrough = false; !isThrough; nth += isNightly ? 1 : 3) {
      await startAfresh(db.sql);
      await createEvents();
      const before = await checksum(db.sql, 'app.events');
      const died = new Error('The process died.');
      let calls = 0;
      isThrough = await runBeside({
        beforeCall: () => {
          if (++calls > nth) throw died;
        },
      }).then(
        () => true,
        () => false,
      );
      await expireLease(db.sql);
      await runBeside();
      expect(await refuses()).toBe(false);
      expect(await partitionsOf(db.sql, 'app.events')).toMatchObject({
        [await monthOf(2)]: expect.anything(),
        [await monthOf(3)]: expect.anything(),
      });
      expect(await checksum(db.sql, 'app.events')).toBe(before);
    }
  });

  it.each([
    ['validate_default', 'the run is cancelled', (sql: Sql) => cancel(sql)],
    ['create_partitions', 'the run is cancelled', (sql: Sql) => cancel(sql)],
    [
      'validate_default',
      'the constraint is dropped by hand',
      (sql: Sql) => sql`alter table app.rest drop constraint nightshift_room_ahead`,
    ],
    [
      'validate_default',
      'the policy is removed',
      (sql: Sql) => sql`select nightshift.remove_partition_policy('app.events')`,
    ],
    [
      'validate_default',
      'the policy is switched off',
      (sql: Sql) => sql`select nightshift.alter_partition_policy('app.events', enabled => false)`,
    ],
  ])('takes them again when, before %s, %s', async (when, _, happens) => {
    await createEvents();
    let isExcluded = false;
    await runBeside({
      beforeCall: async (name) => {
        if (name !== when || !(await refuses())) return;
        isExcluded = true;
        await happens(db.sql);
      },
    });
    expect(isExcluded).toBe(true);
    expect(await refuses()).toBe(false);
    expect(await db.sql`select from nightshift.default_exclusions`).toEqual([]);
  });
});

async function cancel(sql: Sql): Promise<void> {
  await sql`select nightshift.cancel_run(id, 'test') from nightshift.runs where status = 'running'`;
}
