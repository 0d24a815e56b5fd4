/** Code of another role, hung where Postgres may run it while it plans, looks or writes. */
export interface Bait {
  name: string;
  /** Around which table it is hung. */
  table: string;
  /** By a superuser: what the application looks like for it. `<mallory>` stands for the role of low rights. */
  before?: string;
  /** By the role of low rights. */
  hang: string;
  /** By a superuser again. */
  after?: string;
  /**
   * By a superuser, to take it away. With it the bait is committed and met by another session; without it all is undone. What a
   * session has made itself it may know already worked out.
   */
  undo?: string;
  /** The versions of Postgres that it exists on. */
  from?: number;
  until?: number;
  /** Calls that would run it without the guard. */
  runsIn: string[];
  /** Why nothing runs it, with the guard or without. */
  never?: string;
  /** Calls among these that do their work all the same. */
  served?: string[];
}

const evil = 'mallory.evil(1)';
const both = (call: string) => [`${call} dry`, call];

/** What reads a table that refers to a partition before that is taken out. */
const retirement = [
  ...both('preview_retirement app.metrics'),
  'retire_partitions app.metrics',
  'begin_detach app.metrics',
];
/** What reads every purged table. */
const looks = ['list_retention_policies', 'get_health', 'check_health', 'set_health_threshold'];

const referringToMetrics = (bait: Omit<Bait, 'runsIn' | 'table'> & Partial<Bait>): Bait => ({
  table: 'app.metrics',
  runsIn: bait.never ? [] : retirement,
  ...bait,
  before: `grant references on app.metrics to <mallory>; ${bait.before ?? ''}`,
});
const referring =
  'create table mallory.bait (at timestamptz, foreign key (at) references app.metrics (at))';

const onReferringTables: Bait[] = [
  referringToMetrics({
    name: 'the predicate of an index of a referring table',
    hang: `${referring}; create index on mallory.bait (at) where ${evil}`,
  }),
  referringToMetrics({
    name: 'the expression of an index of a referring table',
    hang: `${referring}; create index on mallory.bait ((${evil}))`,
    undo: 'drop table mallory.bait; revoke references on app.metrics from <mallory>',
  }),
  referringToMetrics({
    name: 'the expression of extended statistics of a referring table',
    hang: `${referring}; create statistics mallory.counts on (${evil}), at from mallory.bait`,
  }),
  referringToMetrics({
    name: 'a check of a referring table',
    hang: `${referring}; alter table mallory.bait add check (${evil})`,
    runsIn: ['retire_partitions app.metrics'],
  }),
  referringToMetrics({
    name: 'a constant in the partition key of a referring table',
    hang: 'alter table mallory.keyed add foreign key (at) references app.metrics (at)',
    undo: 'alter table mallory.keyed drop constraint keyed_at_fkey; revoke references on app.metrics from <mallory>',
  }),
  referringToMetrics({
    name: 'a partition of a referring table that is not its own',
    before: `
      create table app.marks (at timestamptz references app.metrics (at)) partition by range (at);
      alter table app.marks owner to <owner>`,
    hang: `create table mallory.bait (at timestamptz); create index on mallory.bait (at) where ${evil}`,
    after: `
      alter table app.marks attach partition mallory.bait for values from (minvalue) to (maxvalue)`,
  }),
  referringToMetrics({
    name: 'a referring table whose key is not enforced',
    from: 18,
    hang: `
      create table mallory.bait (at timestamptz, foreign key (at) references app.metrics (at) not enforced);
      create index on mallory.bait (at) where ${evil}`,
  }),
  referringToMetrics({
    name: 'a cast that a foreign key needs',
    hang: `
      create type mallory.word as enum ('a');
      create function mallory.time_of(mallory.word) returns timestamptz language plpgsql immutable as $$
      begin perform mallory.mark(); return '2023-02-01'; end $$;
      create cast (mallory.word as timestamptz) with function mallory.time_of as implicit;
      create table mallory.bait (at mallory.word references app.metrics (at));
      insert into mallory.bait values ('a')`,
  }),
  referringToMetrics({
    name: 'row level security of a referring table',
    hang: `
      ${referring}; alter table mallory.bait enable row level security; alter table mallory.bait force row level security;
      create policy bait on mallory.bait using (${evil})`,
    never: 'The owner bypasses it, and with row_security = off one who may not gets an error.',
  }),
  referringToMetrics({
    name: 'a default and a stored generated column of a referring table',
    hang: `
      create table mallory.bait (
        at timestamptz, is_set boolean default ${evil}, is_made boolean generated always as (${evil}) stored,
        foreign key (at) references app.metrics (at)
      )`,
    never: 'They are worked out when a row is written, and Nightshift writes none there.',
  }),
  referringToMetrics({
    name: 'a virtual generated column of a referring table',
    from: 18,
    hang: `
      create table mallory.bait (
        at timestamptz, is_made boolean generated always as (at is not null) virtual, foreign key (at) references app.metrics (at)
      )`,
    never: 'Only functions of Postgres may be in it, and only columns of the key are read.',
  }),
  referringToMetrics({
    name: 'the check of a domain that a foreign key is of',
    hang: `
      create domain mallory.moment as timestamptz check (${evil});
      create table mallory.bait (at mallory.moment references app.metrics (at))`,
    never: 'Values are compared as what the domain is made of.',
  }),
  referringToMetrics({
    name: 'a rule of a referring table',
    hang: `
      ${referring}; create table mallory.seen (yes boolean);
      create rule bait as on delete to mallory.bait do also insert into mallory.seen select ${evil}`,
    never: 'Rules are for those who write, and Nightshift reads.',
  }),
  referringToMetrics({
    name: "an operator of one's own for the type of a key",
    hang: `
      ${referring};
      create function mallory.same(timestamptz, timestamptz) returns boolean language plpgsql immutable as 'begin return mallory.mark(); end';
      create operator mallory.= (leftarg = timestamptz, rightarg = timestamptz, function = mallory.same)`,
    never: 'Operators are named with their schema.',
  }),
  {
    name: 'a table that refers to a purged one',
    table: 'app.orders',
    before: 'grant references on app.orders to <mallory>',
    hang: `
      create table mallory.bait (id integer references app.orders on delete cascade);
      create index on mallory.bait (id) where ${evil}`,
    runsIn: both('purge_batch app.orders'),
  },
  {
    name: "an operator beside that of a foreign key, in a schema of one's own",
    table: 'app.orders',
    before: `
      create extension citext schema mallory;
      delete from nightshift.retention_policies where relation in ('app.orders'::regclass, 'app.lines'::regclass);
      drop table app.lines, app.orders;
      create domain app.code as mallory.citext;
      create table app.orders (id mallory.citext primary key, deleted_at timestamptz);
      create table app.lines (id integer primary key, order_id app.code references app.orders, deleted_at timestamptz);
      create index on app.lines (order_id);
      insert into app.orders select n, now() - interval '40 days' from generate_series(1, 20) n;
      insert into app.lines select n, n from generate_series(1, 5) n;
      alter table app.orders owner to <owner>; alter table app.lines owner to <owner>;
      set local role <owner>;
      select nightshift.add_retention_policy('app.orders', '30 days');
      reset role`,
    hang: `
      create function mallory.same(mallory.citext, app.code) returns boolean language plpgsql immutable as 'begin return mallory.mark(); end';
      create operator mallory.= (leftarg = mallory.citext, rightarg = app.code, function = mallory.same)`,
    runsIn: both('purge_batch app.orders'),
  },
];

const onTheTableItself: Bait[] = [
  {
    name: 'a purged table that was given away',
    table: 'app.orders',
    before: 'alter table app.orders owner to <mallory>',
    hang: `create index on app.orders (note) where ${evil}`,
    runsIn: [
      'add_retention_policy app.orders',
      'alter_retention_policy app.orders',
      'settle_reference app.orders',
      ...both('measure_retention_backlog app.orders'),
      ...both('measure_retention_backlogs app.orders'),
      ...both('purge_batch app.orders'),
      'deletion_stats app.orders',
      'disable_soft_delete app.orders',
      ...looks,
    ],
    served: ['set_health_threshold'],
  },
  {
    name: 'a partition of a purged table that was given away',
    table: 'app.messages',
    before: 'alter table app.messages_1 owner to <mallory>; alter schema app owner to <owner>',
    hang: `create index on app.messages_1 (room) where ${evil}`,
    runsIn: [
      'add_retention_policy app.messages',
      'alter_retention_policy app.messages',
      'settle_reference app.messages',
      ...both('measure_retention_backlog app.messages'),
      ...both('measure_retention_backlogs app.messages'),
      ...both('purge_batch app.messages'),
      ...looks,
    ],
    served: ['set_health_threshold'],
  },
  {
    name: 'a partition of a purged table that is a foreign table',
    table: 'app.messages',
    before: `
      create extension file_fdw; create server files foreign data wrapper file_fdw;
      create foreign table app.far (id integer not null, room integer not null, deleted_at timestamptz) server files options (filename '/dev/null');
      alter table app.messages drop constraint messages_pkey; alter table app.messages attach partition app.far for values in (3);
      alter foreign table app.far owner to <mallory>`,
    hang: `alter foreign table app.far add check (${evil})`,
    // The others say before they look that rows are elsewhere.
    runsIn: looks.filter((look) => look !== 'list_retention_policies'),
    served: ['set_health_threshold'],
  },
  {
    name: 'a table that a purged one is a partition of',
    table: 'app.orders',
    before: `
      create table mallory.everything (id integer not null, deleted_at timestamptz, note text) partition by range (id);
      alter table mallory.everything attach partition app.orders for values from (minvalue) to (maxvalue);
      alter table mallory.everything owner to <mallory>; grant create on schema app to <mallory>`,
    hang: `create index on mallory.everything (note) where ${evil}`,
    runsIn: [
      'add_retention_policy app.orders',
      'alter_retention_policy app.orders',
      'settle_reference app.orders',
      ...both('measure_retention_backlog app.orders'),
      ...both('measure_retention_backlogs app.orders'),
      ...both('purge_batch app.orders'),
      ...looks,
    ],
    served: ['set_health_threshold'],
  },
  {
    name: 'a table that inherits from a purged one',
    table: 'app.orders',
    before: `
      create table mallory.bait () inherits (app.orders); alter table mallory.bait owner to <mallory>`,
    hang: `create index on mallory.bait (note) where ${evil}`,
    runsIn: [],
    never: 'Tables that only inherit are left out.',
  },
  {
    name: "a default that reads a table of one's own",
    table: 'app.orders',
    before: 'alter table app.orders owner to <mallory>',
    hang: `
      create table mallory.bait (n integer); create index on mallory.bait (n) where ${evil};
      alter table app.orders alter deleted_at set default
        ('2020-01-01 00:00+00'::timestamptz + length(table_to_xml('mallory.bait', true, true, '')::text) * interval '0')`,
    runsIn: [
      'add_retention_policy app.orders',
      'alter_retention_policy app.orders',
      'settle_reference app.orders',
      ...both('measure_retention_backlog app.orders'),
      ...both('measure_retention_backlogs app.orders'),
    ],
  },
  {
    name: 'a default partition that was given away',
    table: 'app.events',
    before: 'alter table app.events_default owner to <mallory>',
    hang: `create index on app.events_default (kind) where ${evil}; alter table app.events_default add check (${evil})`,
    runsIn: [
      'create_missing_partitions app.events',
      ...both('measure_default_partition app.events'),
      'create_partitions app.events',
      'get_health',
      'check_health',
    ],
  },
  {
    name: 'a partition of a default partition',
    table: 'app.events',
    before: `
      alter table app.events detach partition app.events_default;
      alter table app.events drop constraint events_pkey;
      create table app.events_rest partition of app.events default partition by list (kind);
      create table mallory.bait (at timestamptz not null, kind integer)`,
    hang: 'select 1',
    after: `
      alter table mallory.bait owner to <mallory>; set local role <mallory>; create index on mallory.bait (kind) where ${evil}; reset role;
      alter table app.events_rest attach partition mallory.bait default`,
    runsIn: ['get_health', 'check_health'],
  },
  {
    name: 'a due partition that was given away',
    table: 'app.metrics',
    before: `
      create table app.marks (at timestamptz references app.metrics (at)); alter table app.marks owner to <owner>;
      alter table app.metrics_2023 owner to <mallory>`,
    hang: `create index on app.metrics_2023 (kind) where ${evil}`,
    runsIn: retirement,
  },
  {
    name: 'a retired partition that was given away',
    table: 'app.metrics',
    before: 'alter table app.metrics_2021 owner to <mallory>',
    hang: `alter table app.metrics_2021 add check (${evil}); create index on app.metrics_2021 (kind) where ${evil}`,
    runsIn: ['reattach_partition app.metrics'],
  },
  {
    name: 'a view that was given away',
    table: 'app.totals',
    before:
      'alter materialized view app.totals owner to <mallory>; grant select on app.sales to <mallory>',
    hang: `create index on app.totals (id) where ${evil}`,
    runsIn: ['refresh_view app.totals'],
    served: ['refresh_view app.totals'],
  },
  {
    name: 'a domain that a primary key is of',
    table: 'app.orders',
    before: `grant references on app.orders to <mallory>`,
    hang: `create domain mallory.number_of_order as integer check (${evil}); grant usage on type mallory.number_of_order to public`,
    after:
      'alter table app.lines drop constraint lines_order_id_fkey; alter table app.orders alter id type mallory.number_of_order',
    runsIn: [],
    never: 'Values are compared as what the domain is made of.',
  },
];

const onReferencedTables: Bait[] = [
  {
    name: 'a table that new partitions refer to',
    table: 'app.events',
    hang: `
      create table mallory.kinds (id integer primary key); create index on mallory.kinds (id) where ${evil};
      grant references on mallory.kinds to public`,
    after: `
      alter table app.events add foreign key (kind) references mallory.kinds`,
    runsIn: ['create_missing_partitions app.events', 'create_partitions app.events'],
    served: ['create_missing_partitions app.events', 'create_partitions app.events'],
  },
  {
    name: 'a table that the partitioned one refers to since a partition was retired',
    table: 'app.metrics',
    hang: `
      create table mallory.kinds (id integer primary key); create index on mallory.kinds (id) where ${evil};
      grant references on mallory.kinds to public`,
    after: `
      alter table app.metrics add foreign key (kind) references mallory.kinds`,
    runsIn: [
      'create_missing_partitions app.metrics',
      'create_partitions app.metrics',
      'reattach_partition app.metrics',
    ],
    served: ['create_missing_partitions app.metrics', 'create_partitions app.metrics'],
  },
];

const triggers: Bait[] = [
  {
    name: 'a trigger on a purged table, by who was granted that',
    table: 'app.orders',
    before: 'grant trigger on app.orders to <mallory>',
    hang: 'create trigger bait before delete or update on app.orders for each row execute function mallory.fire()',
    runsIn: ['purge_batch app.orders'],
  },
  ...[
    ['the condition of a trigger whose function is of Postgres', 'mallory.evil(old.id)'],
    [
      'the condition of a trigger that has Postgres run a text',
      `query_to_xml('select ${evil}', true, true, '') is not null`,
    ],
    [
      'the condition of a trigger that is of a domain',
      'old.id::mallory.checked is not null',
      `create domain mallory.checked as integer check (mallory.evil(value));`,
    ],
  ].map(
    ([name = '', condition, first = '']): Bait => ({
      name,
      table: 'app.orders',
      before: 'grant trigger on app.orders to <mallory>',
      hang: `
        ${first}
        create trigger "bait of <mallory>" before delete or update on app.orders for each row when (${condition})
        execute function suppress_redundant_updates_trigger()`,
      runsIn: ['purge_batch app.orders'],
    }),
  ),
  {
    name: 'a trigger on a table that is cascaded to',
    table: 'app.orders',
    before: 'grant trigger on app.lines to <mallory>',
    hang: 'create trigger bait after delete on app.lines for each statement execute function mallory.fire()',
    runsIn: ['purge_batch app.orders'],
  },
  {
    name: 'a trigger on a partition, by who was granted that',
    table: 'app.messages',
    before:
      'grant trigger on app.messages to <mallory>; grant trigger on app.messages_1, app.messages_2 to <mallory>',
    hang: 'create trigger bait before delete on app.messages for each row execute function mallory.fire()',
    runsIn: ['purge_batch app.messages'],
  },
];

export const baits: Bait[] = [
  ...onReferringTables,
  ...onTheTableItself,
  ...onReferencedTables,
  ...triggers,
];
