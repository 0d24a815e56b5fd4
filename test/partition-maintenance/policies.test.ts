import { createClient } from '@supabase/supabase-js';
import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    create table app.plain (at timestamptz);
    create table app.days (day date not null) partition by range (day);
    create table app.times (at timestamptz not null, id bigint) partition by range (at);
    create table app.numbers (ms bigint not null) partition by range (ms);
    create table app.random (id uuid default gen_random_uuid()) partition by range (id);
    create table app.millis (ms bigint not null) partition by range (ms);
    create table app.millis_1 partition of app.millis for values from (1767225600000) to (1767312000000);
    create table app.texts (t text) partition by range (t);
    create table app.two (a date, b date) partition by range (a, b);
    create table app.expression (at timestamptz) partition by range (date(at at time zone 'UTC'));
    create table app.listed (at date) partition by list (at);
    create table app.outer (at date) partition by range (at);
    create table app.inner partition of app.outer for values from ('2026-01-01') to ('2027-01-01')
      partition by range (at)`);
});

const add = (args: string) => db.sql.unsafe(`select nightshift.add_partition_policy(${args}) as p`);
const state = async (args: string) => (await add(args))[0]?.p;

describe('adding a policy', () => {
  it.each([
    ['a plain table', `'app.plain', '1 day'`, 'NS422', /app.plain is not a partitioned table/],
    ['a key of text', `'app.texts', '1 day'`, 'NS422', /t of app.texts is of type text/],
    ['two keys', `'app.two', '1 day'`, 'NS422', /not partitioned by range of a single column/],
    ['an expression', `'app.expression', '1 day'`, 'NS422', /not partitioned by range of a single/],
    ['a list', `'app.listed', '1 day'`, 'NS422', /not partitioned by range of a single/],
    [
      'partitions of partitions',
      `'app.outer', '1 day'`,
      'NS422',
      /app."inner" .*partitioned itself/,
    ],
    ['no interval', `'app.days', null`, 'NS422', /every must be a positive interval, not null/],
    ['a negative one', `'app.days', '-1 day'`, 'NS422', /every must be a positive interval/],
    ['a mixed one', `'app.times', '1 month 1 day'`, 'NS422', /hours that divide a day, whole days/],
    ['half an hour', `'app.times', '90 minutes'`, 'NS422', /hours that divide a day, whole days/],
    [
      'hours of a date',
      `'app.days', '6 hours'`,
      'NS422',
      /partitioned by a date, which has no hours/,
    ],
    ['no premake', `'app.days', '1 day', premake => 0`, 'NS422', /premake must be from 1 to 100/],
    [
      'a short retention',
      `'app.days', '1 month', retention => '3 days'`,
      'NS422',
      /retention \(3 days\) is shorter than a partition/,
    ],
    [
      'a retention of mixed signs',
      `'app.days', '1 day', retention => '1 month -20 days'`,
      'NS422',
      /retention must be a positive interval/,
    ],
    [
      'another end',
      `'app.days', '1 day', retire => 'delete'`,
      'NS422',
      /detach or drop, not delete/,
    ],
    ['no grace', `'app.days', '1 day', grace => '1 hour'`, 'NS422', /grace is only 01:00:00/],
    ['no brake', `'app.days', '1 day', max_fraction => 0`, 'NS422', /max_fraction must be over 0/],
    ['five hours', `'app.times', '5 hours'`, 'NS422', /hours that divide a day, whole days/],
    ['five months', `'app.times', '5 months'`, 'NS422', /months that divide a year, not 5 mons/],
    [
      'random uuids',
      `'app.random', '1 day'`,
      'NS422',
      /id of app.random is by default a random uuid/,
    ],
    [
      'another unit',
      `'app.millis', '1 day', epoch => 'seconds'`,
      'NS422',
      /do not look like seconds/,
    ],
    ['no unit of a number', `'app.numbers', '1 day'`, 'NS422', /epoch does not fit the key ms/],
    ['an unknown unit', `'app.numbers', '1 day', epoch => 'days'`, 'NS422', /epoch does not fit/],
    ['a unit of a date', `'app.days', '1 day', epoch => 'seconds'`, 'NS422', /epoch does not fit/],
    [
      'no such schema',
      `'app.days', '1 day', partition_schema => 'x y'`,
      'NS404',
      /no schema "x y"/,
    ],
  ])('refuses %s, and says the fix', async (_, args, code, message) => {
    const failure = await add(args).catch((thrown) => thrown);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(failure.hint).toBeTruthy();
    expect(await db.sql`select from nightshift.partition_policies`).toEqual([]);
  });

  it('refuses a second one, and one by whoever does not own the table', async () => {
    await add(`'app.days', '1 month'`);
    await expect(add(`'app.days', '1 month'`)).rejects.toMatchObject({
      code: 'NS422',
      hint: expect.stringContaining('alter_partition_policy'),
    });
    const { url, secretKey } = await db.gateway();
    const api = createClient(url, secretKey, { auth: { persistSession: false } });
    await db.sql`grant usage on schema app to service_role`;
    const { error } = await api
      .schema('nightshift')
      .rpc('add_partition_policy', { parent: 'app.times', every: '1 day' });
    expect(error).toMatchObject({
      code: 'NS422',
      message: 'app.times belongs to postgres, and service_role may not change its partitions',
    });
  });

  it('makes nothing by itself, and says what a run will make', async () => {
    const policy = await state(`'app.times', '24 hours', premake => 2`);
    expect(policy).toMatchObject({
      table: 'app.times',
      every: '1 day',
      premake: 2,
      retention: null,
      retire: 'detach',
      partitions: 0,
      horizon: null,
      horizonDays: 0,
      warnings: [],
    });
    expect(policy.missing).toHaveLength(3);
    expect(await db.sql`select from pg_inherits where inhparent = 'app.times'::regclass`).toEqual(
      [],
    );
  });

  it('adopts what is there, odd bounds and gaps, and reports them', async () => {
    await db.sql.unsafe(`
      create table app.odd partition of app.times for values from ('2026-01-10 05:00+00') to ('2026-02-01 00:00+00');
      create table app.february partition of app.times for values from ('2026-02-01 00:00+00') to ('2026-03-01 00:00+00');
      create table app.april partition of app.times for values from ('2026-04-01 00:00+00') to ('2026-05-01 00:00+00')`);
    const [row] = await db.sql
      .unsafe(`
      select nightshift.add_partition_policy('app.times', '1 month', premake => 1);
      select document from nightshift.describe_partition_sets(array['app.times'::regclass::oid], '2026-04-10')`)
      .then((results) => results.at(-1) as unknown as { document: object }[]);
    expect(row?.document).toMatchObject({
      partitions: 3,
      horizon: '2026-05-01T00:00:00+00:00',
      horizonDays: 21,
      missing: [
        { from: '2026-03-01T00:00:00+00:00', to: '2026-04-01T00:00:00+00:00' },
        { from: '2026-05-01T00:00:00+00:00', to: '2026-06-01T00:00:00+00:00' },
      ],
      warnings: [
        'app.odd: not one interval of 1 mon in UTC from bound to bound; new partitions are fitted around.',
      ],
    });
  });

  it('warns when a night is longer than the room it makes', async () => {
    const short = await state(`'app.times', '1 hour'`);
    expect(short.warnings).toEqual([
      expect.stringMatching(
        /^There is room for 04:00:00 .* the next run may be 1 day away.*premake => 24/,
      ),
    ]);
    const times = [4, 3, 2].map((hours) => `now() - interval '${hours} hours'`);
    for (const at of times) {
      await db.sql.unsafe(`
        insert into nightshift.runs (job, trigger, request_id, status, started_at, finished_at)
        values ('partition-maintenance', 'schedule', gen_random_uuid(), 'succeeded', ${at}, ${at})`);
    }
    const [row] = await db.sql`select nightshift.list_partition_policies() as list`;
    expect(row?.list[0].warnings).toEqual([]);
    await db.sql`delete from nightshift.runs`;
  });

  it('warns of a partition without an end, of gaps too far back, and of half detached ones', async () => {
    await db.sql.unsafe(`
      create table app.old partition of app.days for values from ('1900-01-01') to ('1900-02-01');
      create table app.rest partition of app.days for values from ('1930-01-01') to (maxvalue)`);
    const { warnings, horizonDays, missing } = await state(`'app.days', '1 month'`);
    expect({ horizonDays, missing }).toEqual({ horizonDays: null, missing: [] });
    expect(warnings).toEqual([
      expect.stringMatching(/^app.rest takes all rows from 1930-01-01 .* on/),
      expect.stringMatching(/no partition from 1900-02-01 .* more than 1,000 intervals ago/),
      expect.stringMatching(/^app.rest: not one interval of 1 mon/),
    ]);
  });
});

describe('a policy', () => {
  it('is altered setting by setting, validated again, and removed', async () => {
    await add(`'app.days', '1 month'`);
    const alter = (args: string) =>
      db.sql.unsafe(`select nightshift.alter_partition_policy('app.days', ${args}) as p`);
    const [altered] = await alter(`premake => 6, retention => '2 years', retire => 'drop'`);
    expect(altered?.p).toMatchObject({
      premake: 6,
      retention: '2 years',
      retire: 'drop',
      every: '1 mon',
    });
    await expect(alter(`retention => '1 day'`)).rejects.toMatchObject({ code: 'NS422' });
    expect(await db.sql`select retention::text from nightshift.partition_policies`).toEqual([
      { retention: '2 years' },
    ]);
    await db.sql`select nightshift.remove_partition_policy('app.days')`;
    expect(await db.sql`select from nightshift.partition_policies`).toEqual([]);
    for (const gone of [
      alter('premake => 2'),
      db.sql`select nightshift.remove_partition_policy('app.days')`,
    ]) {
      await expect(gone).rejects.toMatchObject({ code: 'NS404' });
    }
  });

  it('is listed with the rows that a run would move out of the default partition', async () => {
    await add(`'app.days', '1 month'`);
    const listed = async () => {
      const [row] = await db.sql`select nightshift.list_partition_policies() as list`;
      return row?.list[0].movableRows;
    };
    expect(await listed()).toBeNull();
    await db.sql.unsafe('create table app.rest partition of app.days default');
    expect(await listed()).toBe(0);
    await db.sql.unsafe(
      "insert into app.days select now() from generate_series(1, 7) union all select now() + interval '9 years'",
    );
    expect(await listed()).toBe(7);
    await db.sql.unsafe('insert into app.days select now() from generate_series(1, 300000)');
    expect(await listed()).toBeNull();
  });

  it('says so when its table is gone, or is something else by now', async () => {
    await add(`'app.days', '1 month'`);
    await add(`'app.times', '1 month'`);
    await db.sql.unsafe(`
      drop table app.days; drop table app.times; create table app.times (at timestamptz)`);
    const [row] = await db.sql`select nightshift.list_partition_policies() as list`;
    expect(row?.list.map(({ problem }: { problem: string }) => problem)).toEqual([
      'Its table app.days is gone',
      'Its table app.times is gone',
    ]);
  });
});

describe('check_partition_sizes', () => {
  it('tells the size, rows, bounds and safety of each partition, and which are too large', async () => {
    await db.sql.unsafe(`
      grant usage on schema app to anon;
      create table app.january partition of app.days for values from ('2026-01-01') to ('2026-02-01');
      create table app.rest partition of app.days default;
      grant select on app.january to anon;
      insert into app.days select '2026-01-05' from generate_series(1, 1000);
      analyze app.january;
      update nightshift.settings set partition_alert_bytes = 8192;
      select nightshift.add_partition_policy('app.days', '1 month')`);
    const [row] = await db.sql`select nightshift.check_partition_sizes('app.days') as sizes`;
    expect(row?.sizes).toEqual([
      {
        table: 'app.days',
        partition: 'app.january',
        isDefault: false,
        from: '2026-01-01T00:00:00+00:00',
        to: '2026-02-01T00:00:00+00:00',
        sizeBytes: expect.any(Number),
        oversized: true,
        rows: 1000,
        deadRows: expect.any(Number),
        rowLevelSecurity: false,
        exposed: true,
      },
      expect.objectContaining({ partition: 'app.rest', isDefault: true, oversized: false }),
    ]);
    const [listed] = await db.sql`select nightshift.list_partition_policies() as list`;
    expect(listed?.list[0]).toMatchObject({ oversized: 1 });
    expect(listed?.list[0].warnings).toEqual([
      `anon can reach app.january, but not what it holds through app.days. Fix: select nightshift.secure_partitions('app.days');`,
      expect.stringMatching(/^app.january: larger than 8192 bytes/),
    ]);
    const [mended] = await db.sql`select nightshift.secure_partitions('app.days') as mended`;
    expect(mended?.mended).toEqual(['app.january']);
    const [after] = await db.sql`select nightshift.check_partition_sizes('app.days') as sizes`;
    expect(after?.sizes[0]).toMatchObject({ exposed: false, rowLevelSecurity: true });
    await db.sql`update nightshift.settings set partition_alert_bytes = default`;
    await expect(
      db.sql`select nightshift.check_partition_sizes('app.times')`,
    ).rejects.toMatchObject({ code: 'NS404' });
  });
});
