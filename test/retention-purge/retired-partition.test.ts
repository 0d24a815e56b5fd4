import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, startAfresh, type TestDatabase } from '../support/database.ts';
import { runMaintenance } from '../support/partitions.ts';
import { runPurge, stepOf } from '../support/purge.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
beforeEach(() => startAfresh(db.sql));
afterAll(() => db.drop());

describe('rows that a retired partition still refers to', () => {
  it.each([
    ['', 'kept until someone drops it'],
    [", retire => 'drop'", 'to be dropped after '],
  ])(
    'are said to be held by that, with until when, and go once it is dropped%s',
    async (given, words) => {
      await db.sql.unsafe(`
      create table app.customers (id bigint primary key, deleted_at timestamptz); create index on app.customers (deleted_at);
      create table app.events (id bigint, customer_id bigint references app.customers, at timestamptz not null, primary key (id, at))
        partition by range (at);
      do $$ begin for i in 0..23 loop
        execute format('create table app.events_%s partition of app.events for values from (%L) to (%L)',
          to_char(date_trunc('month', now()) - i * interval '1 month', 'YYYY_MM'),
          date_trunc('month', now()) - i * interval '1 month', date_trunc('month', now()) - (i - 1) * interval '1 month');
      end loop; end $$;
      insert into app.customers select g, case when g <= 10 then now() - interval '200 days' end from generate_series(1, 100) g;
      insert into app.events select g, 1 + g % 10, now() - interval '20 months' from generate_series(1, 1000) g;
      create index on app.events (customer_id);
      select nightshift.add_partition_policy('app.events', '1 month', retention => '12 months'${given});
      select nightshift.add_retention_policy('app.customers', '90 days');
    `);
      await runMaintenance(db);
      const [retired] = await db.sql`
      select partition::text as name, to_char(drop_after at time zone 'UTC', 'YYYY-MM-DD') as until
      from nightshift.retired_partitions
      where partition_name like '%' || to_char(now() - interval '20 months', 'YYYY_MM')`;
      // Nightshift takes the keys off what it retires; where one was retired before it did, or got one anew, it holds rows.
      await db.sql.unsafe(
        `alter table ${retired?.name} add constraint events_customer_id_fkey foreign key (customer_id) references app.customers`,
      );
      const held = await runPurge(db);
      expect(stepOf(held, 'app.customers')).toMatchObject({
        rowsPurged: 0,
        blockedBy: {
          [`events_customer_id_fkey on ${retired?.name} (a retired partition, ${words}${retired?.until ?? ''})`]: 10,
        },
        fixes: [{ fix: expect.stringContaining(`or wait until ${retired?.name} is dropped`) }],
      });
      await db.sql.unsafe(`drop table ${retired?.name}`);
      expect((await runPurge(db)).report.rowsPurged).toBe(10);
    },
  );
});
