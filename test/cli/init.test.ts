import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Found } from '../../cli/init/find.ts';
import type { Proposal } from '../../cli/init/proposal.ts';
import { migrate } from '../../cli/installation/migrate.ts';
import { uninstall } from '../../cli/installation/uninstall.ts';
import { exampleSeeds } from '../../infra/local/examples.ts';
import { loadSeed } from '../../infra/local/seeds.ts';
import { nightshift, startNightshift } from '../support/command-line.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type HostedPostgres, type HostedProject, startHostedPostgres } from '../support/hosted.ts';
import { supabase } from '../support/supabase-cli.ts';

type Document = Omit<Found, 'proposals'> & {
  proposals: (Proposal & { known: boolean })[];
  written: string[];
  next: string[];
  answers: { home: string | null; proposals: Record<string, boolean> };
};

let db: TestDatabase;
let folder: string;
async function setUp() {
  db = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), 'nightshift-init-'));
}
async function tearDown() {
  await db.drop();
  await rm(folder, { recursive: true });
}

const init = (...options: string[]) =>
  nightshift(['init', '--database-url', db.url, '--to', folder, ...options]);
async function look(...options: string[]): Promise<Document> {
  const { stdout, stderr, code } = await init('--json', ...options);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return JSON.parse(stdout);
}
const migrations = async () =>
  (await readdir(join(folder, 'supabase/migrations')).catch(() => [])).sort();
const policiesFile = async (index = -1) => {
  const files = (await migrations()).filter((file) => file.endsWith('_nightshift_policies.sql'));
  return readFile(join(folder, 'supabase/migrations', files.at(index) ?? ''), 'utf8');
};
const isInstalled = async () => {
  const [row] = await db.sql`select to_regnamespace('nightshift') is not null as yes`;
  return row?.yes;
};
async function dryRun(job: string) {
  const { url, secretKey } = await db.gateway();
  const { stdout } = await nightshift(['run', job, '--dry-run', '--json'], {
    SUPABASE_URL: url,
    SUPABASE_SECRET_KEY: secretKey,
  });
  return JSON.parse(stdout).report;
}
const armed = async (sql: postgres.Sql = db.sql) => {
  const [row] = await sql`
    select (select count(*) from nightshift.retention_policies where enabled)::integer as retention,
      (select count(*) from nightshift.refresh_policies where enabled)::integer as refresh,
      (select count(*) from nightshift.partition_policies where enabled)::integer as partition,
      (select count(*) from nightshift.soft_delete_tables)::integer as "softDelete"`;
  return row;
};
const none = { retention: 0, refresh: 0, partition: 0, softDelete: 0 };

/** What whoever reads the migration may do with it: build, declare what was a comment, and arm. */
async function arm(sql: postgres.Sql, proposals: readonly Proposal[]) {
  for (const { prepare, statement, commented, arm } of proposals) {
    for (const step of prepare) await sql.unsafe(step.statement);
    if (commented && statement) await sql.unsafe(statement);
    if (arm) await sql.unsafe(arm);
  }
}

/** In their order, in one database: to fill it takes longer than most of them. */
describe('init on the examples', () => {
  beforeAll(async () => {
    await setUp();
    for (const seed of exampleSeeds) await loadSeed(db.url, seed);
    await db.sql`select nightshift_example.fill_coaching(200, 300, 5000)`;
    await db.sql`select nightshift_example.fill_catalog(1000)`;
    await db.sql`analyze`;
    await uninstall(db.url, { confirmed: true });
  });
  afterAll(tearDown);

  it('proposes what the examples declare themselves, and leaves nothing in a database without Nightshift', async () => {
    const roles = () => db.sql`select rolname from pg_roles order by 1`;
    const before = await roles();
    const { proposals, leftOut, drift } = await look();
    expect(proposals.map(({ id }) => id)).toEqual([
      'retention public."Asset"',
      'retention public."Product"',
      'retention public.coach_clients',
      'retention public.coach_plans',
      'retention public.professional_package_subscriptions',
      'retention public.professional_packages',
      'retention public.user_targets',
      'retention public.user_workouts',
      'retention public.activity_logs',
      ...['"Asset"', '"Product"', 'coach_clients', 'coach_plans'].map(
        (name) => `soft-delete public.${name}`,
      ),
      ...[
        'professional_package_subscriptions',
        'professional_packages',
        'user_targets',
        'user_workouts',
      ].map((name) => `soft-delete public.${name}`),
      ...['coach_leaderboard', 'coach_performance_stats', 'package_performance_stats'].map(
        (name) => `refresh public.mv_${name}`,
      ),
      ...['user_health_metrics_summary', 'user_target_achievement'].map(
        (name) => `refresh public.mv_${name}`,
      ),
      'partitions public.audit_logs',
      'partitions public.daily_metrics',
    ]);
    expect({ leftOut, drift }).toEqual({ leftOut: [], drift: [] });
    const statementOf = (id: string) => proposals.find((proposal) => proposal.id === id)?.statement;
    expect(statementOf('retention public."Product"')).toBe(
      `select nightshift.add_retention_policy('public."Product"', '90 days', marker_column => 'deletedAt', flag_column => 'isDeleted', with_children => array['public."ProductAsset"("productId")', 'public."ProductAttribute"("productId")'], enabled => false);`,
    );
    expect(statementOf('retention public.coach_plans')).toContain(
      `release => array['public.user_workouts(plan_id)']`,
    );
    expect(statementOf('retention public.professional_package_subscriptions')).not.toContain(
      'payments',
    );
    expect(await isInstalled()).toBe(false);
    expect(await roles()).toEqual(before);
    expect(await migrations()).toEqual([]);
  });

  it('writes what the functions accept, in which nothing is armed, and whose figures a dry run has, too', async () => {
    const { proposals, written } = await look('--yes');
    expect(written).toEqual([
      expect.stringMatching(/\d{14}_nightshift_0_1_0\.sql$/),
      expect.stringMatching(/\d{14}_nightshift_policies\.sql$/),
    ]);
    await migrate(db.url);
    await db.sql.unsafe(await policiesFile());
    expect(await armed()).toEqual(none);
    expect(await dryRun('retention-purge')).toMatchObject({ steps: [] });
    expect(await dryRun('view-refresh')).toMatchObject({ steps: [] });
    expect(await dryRun('partition-maintenance')).toMatchObject({ steps: [] });

    await arm(db.sql, proposals);
    expect(await armed()).toEqual({ retention: 9, refresh: 5, partition: 3, softDelete: 8 });
    const { steps } = await dryRun('retention-purge');
    const goes = (rows: [string, number | null][]) => Object.fromEntries(rows);
    const exact = proposals.filter(
      ({ kind, rowsTonightExact }) => kind === 'retention' && rowsTonightExact,
    );
    expect(exact.length).toBeGreaterThanOrEqual(6);
    const purged = goes(
      steps.map((step: { relation: string; rowsPurged: number }) => [
        step.relation,
        step.rowsPurged,
      ]),
    );
    expect(purged).toMatchObject(
      goes(exact.map(({ relation, rowsTonight }) => [relation, rowsTonight])),
    );
    for (const { relation, rowsTonight, rowsTonightExact } of proposals.filter(
      ({ kind }) => kind === 'retention',
    )) {
      if (!rowsTonightExact) expect(purged[relation] ?? 0).toBeCloseTo(rowsTonight ?? 0, -2);
    }
    expect(
      (await dryRun('view-refresh')).steps.map(({ status }: { status: string }) => status),
    ).toEqual(Array(5).fill('due'));
    expect((await dryRun('partition-maintenance')).steps).toMatchObject([{}, {}, {}]);
  });
});

/** In their order as well: the second goes on with what the first has written. */
describe('init on the examples', () => {
  beforeAll(async () => {
    await setUp();
    for (const seed of exampleSeeds) await loadSeed(db.url, seed);
  });
  afterAll(tearDown);

  it('proposes again what was lost with its file, and by a later file what is new', async () => {
    await look('--yes');
    expect(await migrations()).toHaveLength(2);
    const [, file = ''] = await migrations();
    await rm(join(folder, 'supabase/migrations', file));
    expect((await init('--check')).code).toBe(1);
    await look('--yes');
    await db.sql.unsafe(
      `create table public.login_log (id integer primary key, created_at timestamptz not null default now())`,
    );
    const check = await init('--check', '--json');
    expect(check.code).toBe(1);
    expect(JSON.parse(check.stdout)).toMatchObject({ written: [], drift: [] });
    const [, before] = await migrations();
    const { written } = await look('--yes');
    expect(written).toHaveLength(1);
    const text = await policiesFile();
    expect(text.match(/^-- nightshift init: .*$/gm)).toEqual([
      '-- nightshift init: retention public.login_log',
    ]);
    expect((await migrations()).at(-1)).not.toBe(before);
  });

  it('adds nothing when it is called again, before and after the migration was applied', async () => {
    const files = await migrations();
    const again = await look('--yes');
    expect(again.written).toEqual([]);
    expect(again.proposals.every(({ known }) => known)).toBe(true);
    expect(await migrations()).toEqual(files);
    const { stdout, code } = await init('--check');
    expect(stdout).toMatch(/Nothing new: all 25 proposals are in the migrations of this folder\./);
    expect(code).toBe(0);

    await db.sql.unsafe((await policiesFile(0)) + (await policiesFile()));
    const after = await look('--yes');
    expect(after.written).toEqual([]);
    expect(after.proposals.map(({ kind }) => kind)).toEqual(Array(8).fill('soft-delete'));
    expect((await init('--check')).code).toBe(0);
  });
});

describe('init', () => {
  it.each<[string, string[], RegExp]>([
    ['no connection string', ['init'], /There is no connection string/],
    ['none that can be read', ['init', '--database-url', 'postgre://x'], /not valid/],
    [
      'a host that is not there',
      ['init', '--database-url', 'postgres://u:p@nowhere.invalid/db'],
      /nowhere\.invalid/,
    ],
    ['an unknown home', ['init', '--on', 'azure'], /Allowed choices are aws, edge, cron/],
    ['--check, which writes nothing, with --yes', ['init', '--check', '--yes'], /cannot be used/],
  ])('exits with 2 for %s', async (_, args, message) => {
    // With a project, so that no npm start in this checkout is meant.
    const { stderr, code } = await nightshift([...args, '--to', tmpdir()], {
      SUPABASE_URL: 'https://abcd.supabase.co',
    });
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('init', () => {
  beforeEach(setUp);
  afterEach(tearDown);

  it('says that there is nothing to do in an empty database, and writes nothing', async () => {
    await uninstall(db.url, { confirmed: true });
    const { stdout, code } = await init('--yes');
    expect(stdout).toMatch(/Nothing to do: no table here/);
    expect(code).toBe(0);
    expect(await migrations()).toEqual([]);
    expect(await isInstalled()).toBe(false);
    expect((await init('--check')).code).toBe(0);
  });

  it('leaves to their tools what belongs to tools, and to people what only looks alike', async () => {
    await db.sql.unsafe(`
      create table public.blog_catalog (id integer primary key, created_at timestamptz not null default now());
      create table public.schema_migrations (version text, deleted_at timestamptz);
      create table public.databasechangelog (id text, created_at timestamptz not null default now());
      create table public.good_job_batches (id uuid primary key, created_at timestamptz not null default now(), discarded_at timestamptz);
      create table public.good_job_executions (id uuid primary key, created_at timestamptz not null default now(), error text);
      create table public.solid_queue_failed_executions (id bigint primary key, created_at timestamptz not null default now(), discarded_at timestamptz);
      create table public.oban_jobs (id bigint primary key, inserted_at timestamp not null default now(), discarded_at timestamp);
      create schema pgboss;
      create table pgboss.job_log (id integer, created_at timestamptz not null default now());
      create table public.events (id integer primary key, title text, starts_at timestamptz, created_at timestamptz not null default now());
      create table public.payment_events (id integer primary key, created_at timestamptz not null default now());
      create table public.consent_log (id integer primary key, created_at timestamptz not null default now());
      create table public.api_tokens (id integer primary key, expires_at timestamptz);
      create table public.api_keys (id integer primary key, expires_at timestamptz);
      create table public.subscriptions (id integer primary key, expires_at timestamptz);
      create table public.received_activity (ap_id text primary key, published_at timestamptz not null default now());
      create table public.sent_activity (ap_id text primary key, published_at timestamptz);
      create table public.invites (id integer primary key, expires_at timestamptz, created_at timestamptz not null default now());
      create table public.users (id integer primary key, invite_id integer references public.invites on delete set null);
      create table public.projects (id integer primary key, archived_at timestamptz, delete_after timestamptz, undeleted_at timestamptz);
      create table public.tickets (id integer primary key, deleted_at timestamptz not null default '1970-01-01');
      create table public.error_logs (id integer primary key, message text, updated_at timestamptz not null default now());
      create table public.audit_log (id integer primary key, created_at timestamptz not null default now());
      create table public.audit_notes (id integer primary key, audit_id integer not null references public.audit_log);
      create temporary table temp_logs (created_at timestamptz not null default now());
      create table public.parent_logs (created_at timestamptz not null default now());
      create table public.child_logs () inherits (public.parent_logs);
      create extension hstore schema extensions;
      create table public.hstore_log (created_at timestamptz not null default now());
      create schema queue;
      create table queue.archive_log (created_at timestamptz not null default now());
      alter extension hstore add table public.hstore_log;
      alter extension hstore add schema queue;
    `);
    const { proposals, leftOut } = await look();
    expect(proposals).toEqual([]);
    // What is not even a log by its name, or is of a tool, is not told of.
    expect(
      leftOut.map(({ relation, why }) => [relation, why.replace(/^By its .*?, but /, '')]),
    ).toEqual([
      ['public.api_keys', expect.stringMatching(/^Its rows expire \(expires_at\), but/)],
      ['public.api_tokens', expect.stringMatching(/may be wanted again/)],
      [
        'public.audit_log',
        'other rows refer to them: audit_notes_audit_id_fkey on public.audit_notes',
      ],
      ['public.consent_log', expect.stringMatching(/kept by law/)],
      ['public.error_logs', expect.stringMatching(/^none of its times \(updated_at\)/)],
      ['public.events', 'a table with title, starts_at has more than that, or rows that change'],
      ['public.invites', 'other rows refer to them: users_invite_id_fkey on public.users'],
      ['public.payment_events', expect.stringMatching(/kept by law/)],
      [
        'public.received_activity',
        'a table with published_at has more than that, or rows that change',
      ],
      ['public.sent_activity', expect.stringMatching(/^none of its times \(published_at\)/)],
    ]);
    expect(leftOut.find(({ relation }) => relation === 'public.invites')?.fix).toMatch(
      /select nightshift\.add_retention_policy\('public\.invites', '7 days', marker_column => 'expires_at', enabled => false\);$/,
    );
    expect((await init('--check')).stdout).toMatch(/Nothing to propose but what is above/);
  });

  it('lets a history say who changed what, and goes by when the rows of a queue were processed', async () => {
    await db.sql.unsafe(`
      create table public.price_history (id integer primary key, changed_by uuid, created_at timestamptz not null default now());
      create table public.events (
        id integer primary key,
        created_at timestamptz not null default now(),
        processed_at timestamptz
      );
      insert into public.events
      select n, now() - interval '100 days', case when n > 3 then now() - interval '99 days' end from generate_series(1, 10) n;
    `);
    const { proposals } = await look('--yes');
    expect(
      proposals.map(({ id, statement }) => [
        id,
        /marker_column => '(\w+)'/.exec(statement ?? '')?.[1],
      ]),
    ).toEqual([
      ['retention public.events', 'processed_at'],
      ['retention public.price_history', 'created_at'],
    ]);
    await db.sql.unsafe(await policiesFile());
    await arm(db.sql, proposals);
    const { steps } = await dryRun('retention-purge');
    expect(
      steps.find(({ relation }: { relation: string }) => relation === 'public.events'),
    ).toMatchObject({ rowsPurged: 7 });
  });

  it('knows what passes by its name in the singular, too', async () => {
    const at = '"createdAt" timestamp not null default now()';
    await db.sql.unsafe(`
      create table public."WebhookCall" (id integer primary key, ${at});
      create table public."EmailDelivery" (id integer primary key, ${at});
      create table public."Invitation" (id integer primary key, expires timestamp not null);
      create table public."RefundRequest" (id integer primary key, ${at});
      create table public."FeatureRequest" (id integer primary key, title text, ${at});
      create table public."Webhook" (id integer primary key, ${at});
      create table public.notification_settings (id integer primary key, ${at});
    `);
    const { proposals } = await look();
    expect(proposals.map(({ id }) => id)).toEqual([
      'retention public."EmailDelivery"',
      'retention public."Invitation"',
      'retention public."WebhookCall"',
    ]);
  });

  it('does not say of a view that it would be refreshed where that would be refused', async () => {
    await db.sql.unsafe(`
      create materialized view public.of_no_use as select 1 as one;
      create materialized view public.of_use as select 1 as one;
      create unique index on public.of_use (one);
    `);
    const { proposals } = await look();
    expect(proposals.map(({ says }) => says[1])).toEqual([
      'Tonight: it would not be refreshed, for the reason below.',
      'Tonight: it would be refreshed, as Nightshift has never done it.',
    ]);
  });

  it('says of a window that it deletes nothing, of what is due how much, and of which the brake would stop', async () => {
    await db.sql.unsafe(`
      create table public.young (id integer primary key, deleted_at timestamptz);
      insert into public.young values (1, now() - interval '24 days'), (2, null);
      create table public.untouched (id integer primary key, deleted_at timestamptz);
      create table public.request_logs (id integer, at timestamp not null default now());
      insert into public.request_logs select n, now() - (n + 0.5) * interval '1 hour' from generate_series(0, 4999) n;
      create table public."userSessions" ("sessionToken" text primary key, "expires" timestamp not null);
      insert into public."userSessions" values ('a', now() - interval '8 days'), ('b', now() - interval '6 days'), ('c', now() + interval '1 day');
      create table public.members (id integer primary key, removed_at timestamptz);
      insert into public.members values (1, '1970-01-01'), (2, null);
      analyze;
    `);
    const { proposals, leftOut } = await look();
    expect(leftOut).toMatchObject([
      {
        relation: 'public.members',
        why: expect.stringContaining('stands for "no time"'),
        fix: expect.stringContaining('removed_at_or_null'),
      },
    ]);
    const of = (id: string) => proposals.find((proposal) => proposal.id === id);
    expect(of('retention public.young')).toMatchObject({ rowsTonight: 0, rowsTonightExact: true });
    expect(of('retention public.young')?.says[1]).toMatch(
      /^Tonight: no rows .* The oldest was deleted on \d{4}-\d\d-\d\d: the window deletes nothing yet\.$/,
    );
    expect(of('retention public.untouched')?.says[1]).toMatch(/No row is deleted\.$/);
    expect(of('retention public.request_logs')).toMatchObject({
      rowsTonight: 5000 - 90 * 24,
      rowsTonightExact: true,
      evidence: { rows: 5000, rowsPerDay: 24, index: null },
      arm: "select nightshift.alter_retention_policy('public.request_logs', enabled => true, first_purge => 'all');",
    });
    expect(of('retention public."userSessions"')).toMatchObject({
      rowsTonight: 1,
      statement: `select nightshift.add_retention_policy('public."userSessions"', '7 days', marker_column => 'expires', enabled => false);`,
    });
  });

  it('writes as a comment what waits for an index, and does not read a large table for it', async () => {
    await db.sql.unsafe(`
      create table public.hits (id bigint generated always as identity primary key, created_at timestamptz not null default now(), path text);
      insert into public.hits (created_at, path) select now() - (n - 0.5) * interval '5 minutes', repeat('x', 200) from generate_series(1, 50000) n;
      create table public.orders (id integer primary key, deleted_at timestamptz, note text);
      insert into public.orders select n, case when n % 10 = 0 then now() - interval '100 days' end, repeat('x', 200) from generate_series(1, 50000) n;
      create table public.order_items (id integer primary key, order_id integer not null references public.orders on delete cascade, note text);
      insert into public.order_items select n, n, repeat('x', 200) from generate_series(1, 50000) n;
      create table public.sessions (token text primary key, expires_at timestamptz not null, data text);
      insert into public.sessions select n, now() - case when n % 10 = 0 then interval '1 day' else interval '10 days' end, repeat('x', 200) from generate_series(1, 50000) n;
    `);
    await db.sql`vacuum analyze`;
    const scans = async () => {
      await db.sql`select pg_stat_force_next_flush()`;
      return db.sql`select relname, seq_scan from pg_stat_user_tables where schemaname = 'public' order by 1`;
    };
    const before = await scans();
    const { proposals } = await look('--yes');
    expect(await scans()).toEqual(before);
    expect(proposals.filter(({ kind }) => kind === 'retention')).toMatchObject([
      {
        relation: 'public.orders',
        commented: true,
        rowsTonightExact: false,
        prepare: [
          {
            statement:
              'create index concurrently on public.orders (deleted_at) where deleted_at is not null;',
            lock: 'none that readers or writers wait for',
          },
          { statement: 'create index concurrently on public.order_items (order_id);' },
        ],
        statement: expect.stringContaining(
          "with_children => array['public.order_items(order_id)']",
        ),
      },
      { relation: 'public.hits', commented: true, rowsTonightExact: false },
      {
        relation: 'public.sessions',
        commented: true,
        says: expect.arrayContaining([expect.stringMatching(/^That is more than half of a table/)]),
        arm: "select nightshift.alter_retention_policy('public.sessions', enabled => true, first_purge => 'all');",
      },
    ]);
    for (const [relation, rows] of [
      ['public.orders', 5000],
      ['public.hits', 24080],
      ['public.sessions', 45000],
    ] as const) {
      const { rowsTonight } = proposals.find((each) => each.relation === relation) ?? {};
      expect(Math.abs((rowsTonight ?? 0) / rows - 1)).toBeLessThan(0.1);
    }
    await db.sql.unsafe(await policiesFile());
    expect(await armed()).toEqual(none);
    expect(await db.sql`select from nightshift.retention_policies`).toHaveLength(0);
    await arm(db.sql, proposals);
    const { steps } = await dryRun('retention-purge');
    expect(steps).toMatchObject([
      { relation: 'public.hits', rowsPurged: 24080 },
      { relation: 'public.orders', rowsPurged: 5000, children: { 'public.order_items': 5000 } },
      { relation: 'public.sessions', rowsPurged: 45000 },
    ]);
  });

  it('arms with its first purge what loses most of a table that is reached by two keys, by neither of them most', async () => {
    await db.sql.unsafe(`
      create table public.orders (id integer primary key, deleted_at timestamptz);
      create table public.boxes (id integer primary key, order_id integer not null references public.orders on delete cascade);
      create table public.items (
        id integer primary key,
        order_id integer not null references public.orders on delete cascade,
        box_id integer not null references public.boxes on delete cascade
      );
      insert into public.orders select n, case when n % 3 = 0 then now() - interval '100 days' end from generate_series(1, 3000) n;
      insert into public.boxes select n, n from generate_series(1, 3000) n;
      insert into public.items select n, n, 1 + n % 3000 from generate_series(1, 3000) n;
      create index on public.orders (deleted_at); create index on public.boxes (order_id);
      create index on public.items (order_id); create index on public.items (box_id);
      analyze;
    `);
    const { proposals } = await look('--yes');
    expect(proposals.find(({ id }) => id === 'retention public.orders')).toMatchObject({
      rowsTonight: 1000,
      says: expect.arrayContaining([expect.stringMatching(/^That is more than half of a table/)]),
      arm: "select nightshift.alter_retention_policy('public.orders', enabled => true, first_purge => 'all');",
    });
  });

  it('settles what the foreign keys say themselves, and leaves the rest to people', async () => {
    await db.sql.unsafe(`
      create table public.posts (id integer primary key, deleted_at timestamptz);
      create table public.tags (id integer primary key);
      create table public.post_tags (post_id integer references public.posts, tag_id integer references public.tags, primary key (post_id, tag_id));
      create table public.comments (id integer primary key, post_id integer not null references public.posts on delete cascade, deleted_at timestamptz);
      create table public.likes (id integer primary key, comment_id integer not null references public.comments on delete cascade, who text);
      create table public.images (id integer primary key, post_id integer references public.posts on delete set null, path text);
      create table public.image_tags (image_id integer not null references public.images on delete cascade, tag text, primary key (image_id, tag));
      create table public.revisions (id integer primary key, post_id integer not null references public.posts on delete cascade, body text);
      create table public.revision_notes (id integer primary key, revision_id integer not null references public.revisions on delete cascade, body text);
      create table public.royalties (id integer primary key, post_id integer not null references public.posts, cents integer);
      create table public.author_credits (id integer primary key, post_id integer not null references public.posts on delete cascade, cents integer);
      create table public.replies (id integer primary key, parent integer references public.replies, author integer, deleted_at timestamptz);
      create table public.messages (id integer primary key, quotes integer references public.messages on delete set null, deleted_at timestamptz);
      create index on public.post_tags (tag_id);
      insert into public.posts select n, case when n <= 4 then now() - interval '100 days' end from generate_series(1, 9) n;
      insert into public.revisions values (1, 1, 'a'), (2, 2, 'b');
      insert into public.revision_notes values (1, 1, 'a');
      insert into public.comments values (1, 1, null), (2, 2, now() - interval '100 days');
      insert into public.likes values (1, 2, 'me');
      insert into public.royalties values (1, 3, 100);
      insert into public.author_credits values (1, 3, 100);
      insert into public.images values (1, 2, 'a');
      insert into public.messages values (1, null, now() - interval '100 days'), (2, 1, null);
      insert into public.replies values (1, null, 1, now() - interval '100 days'), (2, 1, 1, null);
      analyze;
    `);
    const { proposals } = await look('--yes');
    const posts = proposals.find(({ id }) => id === 'retention public.posts');
    expect(posts).toMatchObject({
      statement: `select nightshift.add_retention_policy('public.posts', '90 days', with_children => array['public.post_tags(post_id)', 'public.revisions(post_id)', 'public.revision_notes(revision_id)'], release => array['public.images(post_id)'], enabled => false);`,
      rowsTonight: 2,
      says: expect.arrayContaining([
        expect.stringMatching(
          /^public\.royalties\(post_id\): holds 1, until you say what becomes of them\.$/,
        ),
        expect.stringMatching(
          /^public\.author_credits\(post_id\): holds 1, until you say what becomes of them\.$/,
        ),
        expect.stringMatching(/^public\.comments\(post_id\): holds ~1, until due itself\.$/),
      ]),
    });
    expect(posts?.prepare.map(({ statement }) => statement)).toContain(
      'create index concurrently on public.revisions (post_id);',
    );
    expect(proposals.find(({ id }) => id === 'retention public.comments')?.statement).toContain(
      "array['public.likes(comment_id)']",
    );
    expect(proposals.find(({ id }) => id === 'retention public.messages')).toMatchObject({
      statement: `select nightshift.add_retention_policy('public.messages', '90 days', release => array['public.messages(quotes)'], enabled => false);`,
      rowsTonight: 1,
    });
    expect(proposals.find(({ id }) => id === 'retention public.replies')).toMatchObject({
      statement: `select nightshift.add_retention_policy('public.replies', '90 days', enabled => false);`,
      rowsTonight: 0,
    });
    await db.sql.unsafe(await policiesFile());
    await arm(db.sql, proposals);
    const { steps } = await dryRun('retention-purge');
    expect(
      steps.find(({ relation }: { relation: string }) => relation === 'public.comments'),
    ).toMatchObject({
      rowsPurged: 1,
      children: { 'public.likes': 1 },
    });
    expect(
      steps.find(({ relation }: { relation: string }) => relation === 'public.posts'),
    ).toMatchObject({
      rowsPurged: 2,
      rowsBlocked: 2,
      children: { 'public.revisions': 1 },
    });
    expect(
      steps.find(({ relation }: { relation: string }) => relation === 'public.messages'),
    ).toMatchObject({ rowsPurged: 1, rowsBlocked: 0, released: { 'public.messages': 1 } });
  });

  it('takes names as they are, and lets none of them out of its comment', async () => {
    const named = (last: string) => `"We ""quote"" it's; 100%\ndrop table public.kept; --${last}"`;
    await db.sql.unsafe(`
      create table public.kept (id integer);
      create table public.${named('')} (id integer primary key, "deleted.At" integer, "deletedAt" timestamptz, "isDeleted" boolean);
      create materialized view public.${named('v')} as select 1 as one;
      create table public.${named('p')} ("at.\n;" timestamptz not null) partition by range ("at.\n;");
      create table public.${named('c')} (a integer not null references public.${named('')} on delete cascade);
    `);
    const { proposals, leftOut } = await look('--yes');
    expect(proposals.map(({ kind }) => kind)).toEqual([
      'retention',
      'soft-delete',
      'refresh',
      'partitions',
    ]);
    expect(leftOut).toEqual([]);
    await db.sql.unsafe(await policiesFile());
    expect(await armed()).toEqual(none);
    expect((await look('--yes')).written).toEqual([]);
    await arm(db.sql, proposals);
    expect(await armed()).toEqual({ retention: 1, refresh: 1, partition: 2, softDelete: 1 });
    expect(await db.sql`select from public.kept`).toHaveLength(0);
  });

  it('proposes partitions ahead by what there are, and none where somebody else makes them or no time says which', async () => {
    await db.sql.unsafe(`
      create table public.by_day (at timestamp not null) partition by range (at);
      create table public.by_day_1 partition of public.by_day for values from ('2026-01-01') to ('2026-01-02');
      create table public.by_region (region text) partition by list (region);
      create table public.by_number (n integer) partition by range (n);
      create table public.nested (day date not null, region text) partition by range (day);
      create table public.nested_1 partition of public.nested for values from ('2026-01-01') to ('2026-02-01') partition by list (region);
      create table public.no_partitions_yet (day date not null) partition by range (day);
      create table public.declared (day date not null) partition by range (day);
      select nightshift.add_partition_policy('public.declared', '1 month');
    `);
    const { proposals, leftOut } = await look();
    expect(proposals.map(({ statement }) => statement)).toEqual([
      `select nightshift.add_partition_policy('public.by_day', '1 day', enabled => false);`,
      `select nightshift.add_partition_policy('public.no_partitions_yet', '1 month', enabled => false);`,
    ]);
    expect(leftOut).toMatchObject([
      { relation: 'public.nested', why: expect.stringContaining('nested_1') },
    ]);
  });

  it('advises to partition what has grown too large, by the statistics', async () => {
    await db.sql.unsafe(`
      create table public.readings (id bigint, recorded_at timestamptz not null default now());
      update pg_class set reltuples = 2e8 where oid = 'public.readings'::regclass;
    `);
    const { proposals } = await look('--yes');
    expect(proposals.find(({ kind }) => kind === 'partitioning')).toMatchObject({
      id: 'partitioning public.readings',
      statement: null,
      evidence: { rows: 2e8 },
    });
    expect(await policiesFile()).toMatch(
      /^-- nightshift init: partitioning public\.readings\n(-- .*\n)+$/m,
    );
  });

  it('finds what was declared and does not fit any more', async () => {
    await db.sql.unsafe(`
      create table public.old_orders (id integer primary key, deleted_at timestamptz);
      create table public.soft (id integer primary key);
      create materialized view public.gone as select 1 as one;
      select nightshift.add_retention_policy('public.old_orders', '30 days');
      select nightshift.add_refresh_policy('public.gone', allow_blocking => true);
      select nightshift.enable_soft_delete('public.soft');
      alter table public.old_orders drop column deleted_at;
      drop materialized view public.gone;
      drop view public.active_soft;
      alter table public.soft add column deleted_on date;
    `);
    const { stdout, code } = await init('--check', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout).drift).toMatchObject([
      { relation: 'public.old_orders', why: expect.stringContaining('deleted_at') },
      { relation: 'public.gone', fix: "select nightshift.remove_refresh_policy('public.gone');" },
      { relation: 'public.soft', fix: expect.stringContaining('active_soft') },
      { relation: 'public.soft', fix: expect.stringContaining('deleted_soft') },
    ]);
    const inWords = await init('--check');
    expect(inWords.code).toBe(1);
    expect(inWords.stdout).toMatch(/Declared, and no longer as the tables are/);
  });

  describe('choosing', () => {
    beforeEach(async () => {
      await db.sql.unsafe(`
        create table public.a (id integer primary key, deleted_at timestamptz);
        create table public.audit_log (id integer primary key, created_at timestamptz not null default now());
      `);
    });
    const answer = async (answers: unknown) => {
      const file = join(folder, 'answers.json');
      await writeFile(file, typeof answers === 'string' ? answers : JSON.stringify(answers));
      return file;
    };

    it('asks nothing without a terminal, and writes nothing until it is told to', async () => {
      const { stdout, code } = await startNightshift([
        'init',
        '--database-url',
        db.url,
        '--to',
        folder,
      ]);
      expect(stdout).toMatch(
        /Nothing was written\. To take all of it: --yes\. To choose: --answers <file>/,
      );
      expect(code).toBe(0);
      expect(await migrations()).toEqual([]);
    });

    it('takes what a file answers, notes what it declines, and leaves open what it does not name', async () => {
      const { answers } = await look();
      expect(answers).toEqual({
        home: null,
        proposals: {
          'retention public.a': true,
          'retention public.audit_log': true,
          'soft-delete public.a': true,
        },
      });
      const file = await answer({
        proposals: { 'retention public.a': true, 'soft-delete public.a': false },
      });
      await look('--answers', file);
      const text = await policiesFile();
      expect(text.match(/^-- nightshift init.*: .*$/gm)).toEqual([
        '-- nightshift init: retention public.a',
        '-- nightshift init, declined: soft-delete public.a',
      ]);
      const left = await look();
      expect(left.proposals.filter(({ known }) => !known).map(({ id }) => id)).toEqual([
        'retention public.audit_log',
      ]);
      expect(left.answers.proposals).toEqual({ 'retention public.audit_log': true });
    });

    it.each([
      ['no JSON', '{', 'NS422'],
      ['another form', { take: ['retention public.a'] }, 'NS422'],
      ['a home that there is not', { home: 'azure' }, 'NS422'],
      ['what is not proposed', { proposals: { 'retention public.b': true } }, 'NS404'],
    ])('refuses %s, and writes nothing', async (_, answers, errorCode) => {
      const { stdout, code } = await init('--json', '--answers', await answer(answers));
      expect(JSON.parse(stdout).error).toMatchObject({ code: errorCode, hint: expect.any(String) });
      expect(code).toBe(2);
      expect(await migrations()).toEqual([]);
    });

    it('writes the files of a home once, and never over those of the application', async () => {
      const edge = await look('--yes', '--on', 'edge');
      expect(edge.next.join('\n')).toMatch(
        /There is no .*config\.toml: call supabase init[\s\S]*\[functions\.nightshift-retention-purge\]\nverify_jwt = false/,
      );
      expect(edge.next.join('\n')).toContain('select nightshift.schedule_with_cron(');
      const functions = await readdir(join(folder, 'supabase/functions'));
      expect(functions).toContain('nightshift-retention-purge');
      const config = join(folder, 'supabase/config.toml');
      await writeFile(
        config,
        'project_id = "app" # mine\n[functions.nightshift-view-refresh]\nverify_jwt = false',
      );
      await look('--yes', '--on', 'edge');
      const text = await readFile(config, 'utf8');
      expect(text).toMatch(/^project_id = "app" # mine\n/);
      expect(text.match(/^\[functions\..*\]$/gm)?.sort()).toEqual(
        functions.map((name) => `[functions.${name}]`).sort(),
      );
      await look('--yes', '--on', 'edge');
      expect(await readFile(config, 'utf8')).toBe(text);

      const { written } = await look('--yes', '--on', 'cron');
      expect(written).toEqual([join(folder, '.github/workflows/nightshift.yml')]);
      const workflow = written[0] ?? '';
      expect(await readFile(workflow, 'utf8')).toMatch(/npx nightshift run retention-purge/);
      await writeFile(workflow, '# mine\n');
      expect(await look('--yes', '--on', 'cron')).toMatchObject({ written: [] });
      expect(await readFile(workflow, 'utf8')).toBe('# mine\n');

      const aws = await look('--yes', '--on', 'aws');
      expect(aws.written).toEqual([join(folder, 'nightshift.env.example')]);
      expect(aws.next.join()).toContain(`deployment copy --to ${join(folder, 'nightshift')}`);
      expect(await migrations()).toHaveLength(2);
    });

    it('comes after the last migration that is there', async () => {
      await mkdir(join(folder, 'supabase/migrations'), { recursive: true });
      await writeFile(join(folder, 'supabase/migrations/20990101000000_mine.sql'), '');
      await look('--yes');
      expect(await migrations()).toEqual([
        '20990101000000_mine.sql',
        '20990101000001_nightshift_0_1_0.sql',
        '20990101000002_nightshift_policies.sql',
      ]);
    });
  });

  it('refuses its own folder, and a Nightshift of another release', async () => {
    const own = await nightshift(['init', '--database-url', db.url, '--to', '.'], {});
    expect(own.stderr).toMatch(/This is the folder of Nightshift, not of your application/);
    expect(own.code).toBe(2);
    await db.sql`update nightshift.migrations set version = '0.0.9'`;
    const { stderr, code } = await init();
    expect(stderr).toMatch(/another Nightshift than this one: 0\.0\.9[\s\S]*Fix: .*migrate/);
    expect(code).toBe(1);
  });

  it('gives up soon where somebody holds a table, and says so', async () => {
    await db.sql.unsafe(
      `create table public.held (id integer primary key, deleted_at timestamptz)`,
    );
    const other = db.connect();
    await other.begin(async (sql) => {
      await sql`lock table public.held`;
      const { stderr, code } = await init();
      expect(stderr).toMatch(/A lock was not to be had in time/);
      expect(code).toBe(1);
    });
  });

  it('says once that there was no time to count, and what to do', async () => {
    await db.sql.unsafe(`
      create table public.orders (id integer primary key, deleted_at timestamptz);
      create table public.users (id integer primary key, deleted_at timestamptz);
      alter function nightshift.preview_retention_purge rename to preview_in_time;
      create function nightshift.preview_retention_purge(as_of timestamptz, budget_ms integer) returns jsonb language plpgsql as $$
      begin
        if exists (select from nightshift.retention_policies where relation_name = 'public.users') then
          raise exception using errcode = '57014';
        end if;
        return nightshift.preview_in_time(as_of, budget_ms);
      end $$;
    `);
    const { stdout } = await init();
    const flat = stdout.replace(/\s+/g, ' ');
    expect(flat).not.toMatch(/0 rows would go/);
    expect(flat.match(/the time for counting ran out/g)).toHaveLength(1);
    expect(flat).toMatch(
      /Of 2 tables it is not known how many rows would go: .* Call init again in a quieter hour, .* run retention-purge --dry-run counts exactly/,
    );
    await db.sql`drop table public.users`;
    expect((await init()).stdout).toMatch(/ 0 rows would go tonight/);
    expect((await init()).stdout).not.toMatch(/ran out/);
  });

  describe('on a project of Supabase', () => {
    let hosted: HostedPostgres;
    let project: HostedProject;
    beforeAll(async () => {
      hosted = await startHostedPostgres();
    });
    afterAll(() => hosted.stop());
    beforeEach(async () => {
      project = await hosted.createProject('since 2026');
    });
    afterEach(() => project.close());

    it('proposes for tables of tenants under row level security, as postgres, which is no superuser, and nothing of Supabase or an extension', async () => {
      await project.admin.unsafe(`
        create table auth.sessions (id integer primary key, created_at timestamptz not null default now(), expires_at timestamptz);
        create schema realtime;
        create table realtime.message_logs (id integer, created_at timestamptz not null default now());
        grant all on schema realtime to postgres;
        grant all on realtime.message_logs to postgres;
      `);
      await project.sql.unsafe(`
        create schema cron;
        create table cron.job_run_details (id integer primary key, start_time timestamptz not null default now(), deleted_at timestamptz);
        create schema app;
        create table app.tenants (id uuid primary key default gen_random_uuid(), name text, deleted_at timestamptz);
        create table app.documents (id uuid primary key default gen_random_uuid(),
          tenant_id uuid not null references app.tenants on delete cascade, owner uuid references auth.users, body text, deleted_at timestamptz);
        create index on app.documents (tenant_id);
        create table app.audit_log (id bigint generated always as identity primary key, tenant_id uuid not null, created_at timestamptz not null default now());
        alter table app.tenants enable row level security;
        alter table app.documents enable row level security;
        alter table app.documents force row level security;
        alter table app.audit_log enable row level security;
        create policy mine on app.documents using (owner = auth.uid());
        insert into app.tenants (name, deleted_at) select 't' || n, case when n = 1 then now() - interval '1 year' end from generate_series(1, 3) n;
        insert into app.documents (tenant_id, deleted_at) select t.id, now() - interval '1 year' from app.tenants t;
        insert into app.audit_log (tenant_id, created_at) select t.id, now() - interval '2 years' from app.tenants t;
        create view app.mine with (security_invoker) as select * from app.documents;
      `);
      const { stdout, stderr, code } = await nightshift([
        'init',
        '--database-url',
        project.url,
        '--to',
        folder,
        '--json',
        '--yes',
      ]);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const { proposals, leftOut }: Document = JSON.parse(stdout);
      expect(leftOut).toEqual([]);
      expect(proposals.map(({ id, rowsTonight }) => [id, rowsTonight])).toEqual([
        ['retention app.documents', 3],
        ['retention app.tenants', 1],
        ['retention app.audit_log', 3],
        ['soft-delete app.documents', null],
        ['soft-delete app.tenants', null],
      ]);
      const pushed = await supabase(['db', 'push', '--yes'], { folder, databaseUrl: project.url });
      expect(pushed).toMatchObject({ code: 0 });
      expect(await armed(project.sql)).toEqual(none);
      await arm(project.sql, proposals);
      expect(await armed(project.sql)).toEqual({
        retention: 3,
        refresh: 0,
        partition: 1,
        softDelete: 2,
      });
    });

    it('says who may not look', async () => {
      await project.sql.unsafe(`create role reader login password 'x' nosuperuser`);
      const url = new URL(project.url);
      url.username = 'reader';
      url.password = 'x';
      const { stderr, code } = await nightshift([
        'init',
        '--database-url',
        url.href,
        '--to',
        folder,
      ]);
      expect(stderr).toMatch(
        /may not install Nightshift, which init does to look[\s\S]*Connect as the owner/,
      );
      expect(code).toBe(2);
      await project.sql`drop role reader`;
    });
  });
});
