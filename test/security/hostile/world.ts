import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { migrate } from '../../../cli/installation/migrate.ts';
import { bootstrap } from '../../../infra/local/postgres.ts';
import { sharedServer } from '../../support/shared.ts';

/** Who owns Nightshift's functions and the application. */
export type Owner = 'a superuser' | "Supabase's postgres";

/** An application with policies of each kind, and a role of low rights beside it that wants to have code run as the owner. */
export interface World {
  /** Connects as a superuser, to hang baits. */
  admin: postgres.Sql;
  /** A connection of the owner. */
  connect(): postgres.Sql;
  adminUrl: string;
  version: number;
  ownerName: string;
  /** Puts the names of the roles in the place of <owner> and <mallory>. */
  nameRoles(text: string): string;
  /** Whether this version of Postgres knows what a bait is made of. */
  has(bait: { from?: number; until?: number }): boolean;
  /** The role of low rights. */
  mallory: string;
  /** How often code of another role ran as the owner since it was last asked. */
  timesRun(): Promise<number>;
  drop(): Promise<void>;
}

export async function createWorld(kind: Owner): Promise<World> {
  const serverUrl = await sharedServer();
  const suffix = randomBytes(4).toString('hex');
  const name = `hostile_${suffix}`;
  const mallory = `mallory_${suffix}`;
  const server = postgres(serverUrl, { max: 1, onnotice: () => {} });
  const { username, password } = new URL(serverUrl);
  const ownerName = kind === 'a superuser' ? username : `hosted_${suffix}`;
  if (kind !== 'a superuser') {
    await server.unsafe(`
      create role ${ownerName} login createrole bypassrls password '${password}'
      in role pg_monitor, pg_read_all_data, pg_signal_backend`);
  }
  await server.unsafe(`create role ${mallory}`);
  // As Supabase's guides have it for the role of an application; with it the owner may do what a superuser may.
  if (kind !== 'a superuser') await server.unsafe(`grant ${mallory} to ${ownerName}`);
  await server.unsafe(`create database ${name} owner ${ownerName}`);
  const url = new URL(serverUrl);
  url.pathname = name;
  const adminUrl = url.href;
  url.username = ownerName;
  await bootstrap(adminUrl);
  await migrate(url.href);
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} });
  const connect = () => postgres(url.href, { max: 1, onnotice: () => {} });

  const [server_version] =
    await admin`select current_setting('server_version_num')::integer / 10000 as version`;
  const version: number = server_version?.version;
  let seen = 0;
  const world: World = {
    admin,
    connect,
    adminUrl,
    ownerName,
    nameRoles: (text) => text.replaceAll('<mallory>', mallory).replaceAll('<owner>', ownerName),
    has: ({ from = 0, until = Number.POSITIVE_INFINITY }) => version >= from && version <= until,
    version,
    mallory,
    timesRun: async () => {
      const [row] = await admin<{ ran: string }[]>`
        select case when is_called then last_value else 0 end as ran from watch.marks`;
      const ran = Number(row?.ran) - seen;
      seen += ran;
      return ran;
    },
    drop: async () => {
      await admin.end();
      await server.unsafe(`drop database ${name} with (force)`);
      await server.unsafe(`drop role ${mallory}`);
      if (kind !== 'a superuser')
        await server.unsafe(`drop owned by ${ownerName}; drop role ${ownerName}`);
      await server.end();
    },
  };
  await admin.unsafe(marks(ownerName, mallory));
  const owner = connect();
  await owner.unsafe(application(mallory));
  await retirePartitions(owner);
  await owner.end();
  return world;
}

/** A sequence keeps what it has counted when a transaction is undone. */
const marks = (owner: string, mallory: string) => `
  create schema watch;
  grant usage on schema watch to public;
  create sequence watch.marks;
  grant usage on sequence watch.marks to public;
  create schema mallory authorization ${mallory};
  grant usage on schema mallory to public;
  set role ${mallory};
  create function mallory.mark() returns boolean language plpgsql as $$
  begin
    if current_user = '${owner}' then perform nextval('watch.marks'); end if;
    return true;
  end $$;
  -- With an argument, it is no constant; without one that matters, it is worked out while a query is planned.
  create function mallory.evil(anyelement) returns boolean language plpgsql immutable as 'begin return mallory.mark(); end';
  create function mallory.number(anyelement) returns integer language plpgsql immutable as 'begin return mallory.mark()::integer; end';
  create function mallory.fire() returns trigger language plpgsql as 'begin perform mallory.mark(); return coalesce(new, old); end';
  create function mallory.later(timestamptz, integer) returns timestamptz language sql immutable as 'select $1';
  create table mallory.keyed (at timestamptz) partition by range (mallory.later(at, mallory.number(1)));
  create table mallory.keyed_rest partition of mallory.keyed default;
  reset role;
`;

const application = (mallory: string) => `
  create schema app;
  grant usage, create on schema app to ${mallory};

  create table app.orders (id integer primary key, deleted_at timestamptz, note text);
  create index on app.orders (deleted_at);
  insert into app.orders select n, case when n <= 20 then now() - interval '40 days' end from generate_series(1, 100) n;
  create table app.lines (id integer primary key, order_id integer references app.orders on delete cascade, deleted_at timestamptz);
  create index on app.lines (order_id);
  create index on app.lines (deleted_at);
  insert into app.lines select n, n, case when n <= 10 then now() - interval '40 days' end from generate_series(1, 15) n;

  create table app.messages (id integer, room integer, deleted_at timestamptz, primary key (id, room)) partition by list (room);
  create table app.messages_1 partition of app.messages for values in (1);
  create table app.messages_2 partition of app.messages for values in (2);
  create index on app.messages (deleted_at);
  insert into app.messages select n, 1 + n % 2, case when n <= 10 then now() - interval '40 days' end from generate_series(1, 100) n;

  create table app.kinds (id integer primary key);
  create table app.events (at timestamptz primary key, kind integer references app.kinds) partition by range (at);
  create table app.events_old partition of app.events for values from ('2023-01-01') to ('2024-01-01');
  create table app.events_default partition of app.events default;
  insert into app.events values ('2023-02-01'), (now() - interval '1 month');

  create table app.metrics (at timestamptz primary key, kind integer references app.kinds) partition by range (at);
  create table app.metrics_2021 partition of app.metrics for values from ('2021-01-01') to ('2022-01-01');
  create table app.metrics_2022 partition of app.metrics for values from ('2022-01-01') to ('2023-01-01');
  create table app.metrics_2023 partition of app.metrics for values from ('2023-01-01') to ('2024-01-01');
  create table app.metrics_2024 partition of app.metrics for values from ('2024-01-01') to ('2025-01-01');
  insert into app.metrics values ('2021-02-01'), ('2022-02-01'), ('2023-02-01'), ('2024-02-01');

  create table app.sales (id integer primary key);
  insert into app.sales select generate_series(1, 10);
  create materialized view app.totals as select id from app.sales;
  create unique index on app.totals (id);

  select nightshift.add_retention_policy(t::regclass, '30 days')
  from unnest(array['app.orders', 'app.lines', 'app.messages']) t;
  select nightshift.add_partition_policy(t::regclass, '1 year', premake => 1, retention => '1 year', retire => 'drop', max_fraction => 1)
  from unnest(array['app.events', 'app.metrics']) t;
  select nightshift.add_refresh_policy('app.totals');
`;

/** One partition past its grace, and one that was detached over the direct connection and not yet stamped. */
async function retirePartitions(sql: postgres.Sql): Promise<void> {
  const [begun] =
    await sql`select nightshift.begin_run('partition-maintenance', 'cli') -> 'run' as run`;
  const { id, fence } = begun?.run ?? {};
  for (const year of [2021, 2022]) {
    await sql`select nightshift.begin_detach(${id}, ${fence}, 'app.metrics')`;
    await sql.unsafe(`alter table app.metrics detach partition app.metrics_${year} concurrently`);
    if (year === 2021)
      await sql`select nightshift.finish_detach(${id}, ${fence}, 'app.metrics_2021')`;
  }
  await sql`
    update nightshift.retired_partitions
    set retired_at = retired_at - interval '30 days', drop_after = drop_after - interval '30 days' where status = 'detached'`;
  await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
}
