import { isoTime, timeMs } from '../../functions/_shared/clock.ts';
import type { Forecast, Growth } from '../../functions/_shared/trends.ts';
import type { KeyQuery } from '../../functions/health-check/schema.ts';
import type {
  Status,
  StatusFinding,
  StatusJob,
  StatusPartitions,
  StatusPolicy,
  StatusRun,
  StatusView,
} from '../../functions/status/schema.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** A quarter of an hour after a night. */
export const nowMs = timeMs('2026-11-29T05:17:00Z');

const before = (ms: number) => isoTime(nowMs - ms);

/** As the ledger makes them. */
const idOf = (n: number) => `${n.toString(16).padStart(8, '0')}-5d1c-4c0e-9b7a-3f2d1e0c9b8a`;

export function runs(
  statuses: readonly string[],
  { tookMs = 42_000, everyMs = dayMs, seed = 0 } = {},
): StatusRun[] {
  return statuses.map((status, n) => ({
    id: idOf(0xa1b20000 + seed * 256 + n),
    status,
    dryRun: false,
    trigger: 'schedule',
    requestedBy: null,
    startedAt: before(3 * hourMs + n * everyMs),
    finishedAt: status === 'running' ? null : before(3 * hourMs + n * everyMs - tookMs),
  }));
}

export function job(overrides: Partial<StatusJob> & Pick<StatusJob, 'job' | 'purpose'>): StatusJob {
  const all = overrides.runs ?? runs(Array(30).fill('succeeded'));
  return {
    state: 'ok',
    schedules: [
      {
        name: overrides.job,
        cron: '0 2 * * *',
        timeZone: 'UTC',
        words: 'At 02:00',
        nextDueAt: isoTime(nowMs + 21 * hourMs),
      },
    ],
    nextDueAt: isoTime(nowMs + 21 * hourMs - 17 * minuteMs),
    lastRun: all[0] ?? null,
    lastError: null,
    lastSuccessAt: all.find(({ status }) => status === 'succeeded')?.finishedAt ?? null,
    usualDurationMs: 40_000,
    failedInRow: 0,
    partialInRow: 0,
    lostInRow: 0,
    runs: all,
    ...overrides,
  };
}

export function policy(
  overrides: Partial<StatusPolicy> & Pick<StatusPolicy, 'table'>,
): StatusPolicy {
  return {
    dropAfter: '90 days',
    verdict: 'kept',
    sentence: 'Nothing is left that is due.',
    since: null,
    residue: 0,
    estimated: false,
    oldestDueAt: null,
    rowsPerNight: null,
    nightsLeft: null,
    countedAt: before(3 * hourMs),
    runId: idOf(0xa1b20000),
    purgedLast: 1_204,
    held: [],
    fix: null,
    backlog: [],
    ...overrides,
  };
}

export function view(overrides: Partial<StatusView> & Pick<StatusView, 'view'>): StatusView {
  return {
    state: 'fresh',
    refreshedAt: before(20 * minuteMs),
    dataAsOf: before(20 * minuteMs),
    ageSeconds: 1_200,
    budgetSeconds: 3_600,
    usualDurationMs: 2_300,
    reads: [],
    readsTotal: overrides.reads?.length ?? 0,
    ...overrides,
  };
}

export function finding(
  overrides: Partial<StatusFinding> & Pick<StatusFinding, 'check' | 'title'>,
): StatusFinding {
  return {
    why: 'Queries get slower, and the disk fills up.',
    subject: null,
    level: 'warning',
    value: 42,
    unit: 'percent',
    worse: 'higher',
    threshold: 40,
    since: before(3 * dayMs),
    levelSince: before(3 * dayMs),
    detail: null,
    fix: null,
    checkedAt: before(15 * minuteMs),
    ...overrides,
  };
}

export function partitionsOf(
  table: string,
  overrides: Partial<StatusPartitions> = {},
): StatusPartitions {
  const months = ['2026-07', '2026-08', '2026-09', '2026-10', '2026-11', '2026-12', '2027-01'];
  const starts = [...months, '2027-02'].map((month) => `${month}-01T00:00:00+00:00`);
  const dropsAt = isoTime(nowMs + 2 * dayMs);
  const partitions = months.map((month, n) => ({
    name: `${table}_${month.replace('-', '_')}`,
    from: starts[n] ?? '',
    to: starts[n + 1] ?? '',
    state: n === 0 ? ('retired' as const) : ('attached' as const),
    dropsAt: n === 0 ? dropsAt : null,
  }));
  return {
    table,
    enabled: true,
    interval: '1 month',
    retention: '3 months',
    horizon: starts.at(-1) ?? null,
    endless: false,
    defaultPartitionRows: 0,
    partitions,
    partitionsTotal: partitions.length,
    nextDrops: [{ name: `${table}_2026_07`, dropsAt, sizeBytes: 2_400_000_000 }],
    nextDropsTotal: 1,
    problem: null,
    ...overrides,
  };
}

const purposes: [string, string][] = [
  ['partition-maintenance', 'Makes partitions ahead of time, and retires old ones.'],
  ['retention-purge', 'Deletes rows that are older than their policy allows, in small batches.'],
  ['view-refresh', 'Refreshes materialized views whose data is too old.'],
  ['table-vacuum', 'Vacuums tables before dead rows slow them down.'],
  [
    'health-check',
    'Looks at the database and at the other jobs, and says what is wrong and how to mend it.',
  ],
];

export function snapshot(overrides: Partial<Status> = {}): Status {
  return {
    version: 1,
    takenAt: before(2 * minuteMs),
    oldAfter: isoTime(nowMs + 28 * minuteMs),
    runId: idOf(0xcafe0001),
    readAt: isoTime(nowMs),
    ageSeconds: 120,
    isOld: false,
    database: { name: 'postgres', serverVersion: '17.4', bytes: 18_400_000_000, readOnly: false },
    projectUrl: 'https://abcdefghijkl.supabase.co',
    paused: null,
    pauseEnded: null,
    headline: { level: 'ok', text: 'Everything is all right', since: null },
    jobs: { items: [], total: 0, problem: null },
    retention: { items: [], total: 0, problem: null, counts: {} },
    views: { items: [], total: 0, problem: null },
    partitions: { items: [], total: 0, problem: null },
    health: { items: [], total: 0, problem: null, counts: {}, healthy: [] },
    trends: { items: [], total: 0, problem: null, since: null, database: null, jobs: [] },
    queries: { items: [], total: 0, problem: null },
    ...overrides,
  };
}

const sizes = (last: number, perDay: number) => ({
  days: Array.from({ length: 28 }, (_, n) => isoTime(nowMs - (27 - n) * dayMs).slice(0, 10)),
  bytes: Array.from({ length: 28 }, (_, n) => last - (27 - n) * perDay),
});

function growth(perDay: number): Growth {
  return { points: 27, stepOn: null, stepBytes: null, bytesPerDay7: perDay, bytesPerDay28: perDay };
}

function trends(table: string, forecast: Partial<Forecast> = {}): Status['trends'] {
  const none = Array(28).fill(null);
  const ofDatabase = sizes(18_400_000_000, 120_000_000);
  const ofTable = sizes(9_100_000_000, 90_000_000);
  return {
    items: [
      {
        table,
        growth: growth(90_000_000),
        rowsLeftSince: null,
        daily: { ...ofTable, liveRows: none, deadRows: Array(28).fill(41_000), rowsLeft: none },
      },
    ],
    total: 1,
    problem: null,
    since: before(40 * dayMs),
    database: {
      growth: growth(120_000_000),
      forecast: {
        state: 'room',
        limitBytes: 50_000_000_000,
        limitKind: 'disk',
        usedBytes: 18_400_000_000,
        walBytes: 1_000_000_000,
        usedPercent: 38.8,
        earliestDays: null,
        latestDays: null,
        ...forecast,
      },
      daily: { ...ofDatabase, connections: Array(28).fill(31) },
    },
    jobs: [],
  };
}

function query(overrides: Partial<KeyQuery> & Pick<KeyQuery, 'name'>): KeyQuery {
  return {
    maxMs: 100,
    measuredAt: before(3 * hourMs),
    medianMs: 41,
    minMs: 38,
    usualMs: 40,
    blocksHit: 1200,
    blocksRead: 0,
    verdict: 'usual',
    confirmed: false,
    since: null,
    planHash: 'd41d8cd98f00b204e9800998ecf8427e',
    planChanged: false,
    failure: null,
    points: Array.from({ length: 12 }, (_, n) => ({
      at: before((12 - n) * dayMs),
      minMs: 38 + (n % 3),
      medianMs: 40 + (n % 4),
    })),
    ...overrides,
  };
}

const healthyChecks = [
  ['backlog_age', 'Rows overdue', 'No due row waits longer than a day.'],
  ['dead_rows', 'Dead rows', 'No table is bloated by dead rows.'],
  ['database_size', 'Size of the database', 'There is room.'],
  ['invalid_indexes', 'Invalid indexes', 'Every index is valid.'],
  ['long_transactions', 'Long transactions', 'No transaction is older than an hour.'],
].map(([check = '', title = '', healthy = '']) => ({
  check,
  title,
  healthy,
  checkedAt: before(2 * minuteMs),
}));

const reads = (view: string, names: string[]) => ({ view, reads: names });

/** A good night: there is nothing to do. */
export function healthy(): Status {
  return snapshot({
    jobs: {
      items: purposes.map(([name, purpose], n) =>
        job({ job: name, purpose, runs: runs(Array(30).fill('succeeded'), { seed: n }) }),
      ),
      total: 5,
      problem: null,
    },
    retention: {
      items: ['app.events', 'app.sessions', 'public.notifications'].map((table) =>
        policy({ table }),
      ),
      total: 3,
      problem: null,
      counts: { kept: 3 },
    },
    views: {
      items: [
        view(reads('app.daily_sales', ['app.orders', 'app.order_items'])),
        view(reads('app.monthly_sales', ['app.daily_sales'])),
        view(reads('app.top_customers', ['app.daily_sales', 'app.customers'])),
      ],
      total: 3,
      problem: null,
    },
    partitions: { items: [partitionsOf('app.metrics')], total: 1, problem: null },
    health: { items: [], total: 0, problem: null, counts: { ok: 5 }, healthy: healthyChecks },
    trends: trends('app.events'),
    queries: { items: [query({ name: 'metrics of a month' })], total: 1, problem: null },
  });
}

const days = (rows: readonly (number | null)[]) =>
  rows.map((n, index) => ({
    day: isoTime(nowMs - (rows.length - index) * dayMs).slice(0, 10),
    rows: n,
  }));

/** A bad night: a purge that stalled, one that is behind, views that are late, no room for partitions. */
export function failing(): Status {
  const failed = runs(
    [
      'failed',
      'failed',
      'partial',
      'succeeded',
      'succeeded',
      'lost',
      'succeeded',
      'skipped',
      ...Array(20).fill('succeeded'),
    ],
    { seed: 9 },
  );
  const [error] = [
    {
      code: 'NS425',
      message: 'app.events is locked by process 4711',
      hint: 'A migration perhaps. The next run tries again; where it stays locked, wait until that ends, or end it with pg_terminate_backend or rollback prepared.',
    },
  ];
  return snapshot({
    headline: {
      level: 'critical',
      text: 'Retention has stalled: 1,204,311 rows of app.events are overdue, and no run takes any',
      since: before(2 * dayMs + 3 * hourMs),
    },
    jobs: {
      items: purposes.map(([name, purpose], n) =>
        name === 'retention-purge'
          ? job({
              job: name,
              purpose,
              state: 'failed',
              runs: failed,
              failedInRow: 2,
              lastError: error ?? null,
              usualDurationMs: 11_000,
            })
          : name === 'view-refresh'
            ? job({
                job: name,
                purpose,
                state: 'running',
                runs: runs(['running', ...Array(29).fill('succeeded')], {
                  seed: n,
                  everyMs: hourMs,
                }),
              })
            : name === 'table-vacuum'
              ? job({
                  job: name,
                  purpose,
                  state: 'neverRan',
                  runs: [],
                  lastRun: null,
                  lastSuccessAt: null,
                  usualDurationMs: null,
                  schedules: [],
                  nextDueAt: null,
                })
              : job({ job: name, purpose, runs: runs(Array(30).fill('succeeded'), { seed: n }) }),
      ),
      total: 5,
      problem: null,
    },
    retention: {
      items: [
        policy({
          table: 'app.events',
          verdict: 'stalled',
          sentence: '1,204,311 rows are due and left, and the last two runs took none.',
          since: before(2 * dayMs + 3 * hourMs),
          residue: 1_204_311,
          oldestDueAt: before(37 * dayMs),
          held: [{ why: 'needed', by: 'app.invoices(event_id)', rows: 812 }],
          fix: 'create index concurrently on app.invoices (event_id);',
          backlog: days([
            12_000,
            8_000,
            4_100,
            0,
            0,
            0,
            null,
            90_400,
            310_000,
            540_000,
            760_000,
            980_000,
            1_110_000,
            1_204_311,
          ]),
          purgedLast: 0,
        }),
        policy({
          table: 'app.sessions',
          dropAfter: '30 days',
          verdict: 'behind',
          sentence: 'Behind by 240,000 rows; at 80,000 a night it is done in 3 nights.',
          since: before(6 * dayMs),
          residue: 240_000,
          rowsPerNight: 80_000,
          nightsLeft: 3,
          oldestDueAt: before(4 * dayMs),
          backlog: days([700_000, 640_000, 560_000, 480_000, 400_000, 320_000, 240_000]),
          purgedLast: 80_000,
        }),
        policy({ table: 'public.notifications' }),
        policy({ table: 'public.drafts', verdict: 'off', sentence: 'The policy is switched off.' }),
      ],
      total: 4,
      problem: null,
      counts: { stalled: 1, behind: 1, kept: 1, off: 1 },
    },
    views: {
      items: [
        view({
          ...reads('app.monthly_sales', ['app.daily_sales']),
          state: 'stale',
          ageSeconds: 93_000,
          budgetSeconds: 86_400,
        }),
        view(reads('app.daily_sales', ['app.orders', 'app.order_items', 'app.products'])),
        view(reads('app.top_customers', ['app.daily_sales', 'app.customers'])),
        view({
          ...reads('app.cohorts', ['app.monthly_sales', 'app.top_customers']),
          state: 'unknown',
          ageSeconds: null,
        }),
      ],
      total: 4,
      problem: null,
    },
    partitions: {
      items: [
        partitionsOf('app.metrics', {
          horizon: isoTime(nowMs - dayMs),
          defaultPartitionRows: 4_120,
        }),
        partitionsOf('app.audit_log'),
      ],
      total: 2,
      problem: null,
    },
    health: {
      items: [
        finding({
          check: 'partition_horizon',
          title: 'Room ahead in partitions',
          subject: 'app.metrics',
          level: 'critical',
          value: 0,
          unit: 'days',
          worse: 'lower',
          threshold: 1,
          detail: 'New rows go into the default partition.',
          why: 'Rows in a default partition keep new partitions from being made.',
          fix: "select nightshift.alter_partition_policy('app.metrics', premake => 3);",
        }),
        finding({
          check: 'dead_rows',
          title: 'Dead rows',
          subject: 'app.orders',
          fix: 'vacuum (analyze) app.orders;',
          detail: '4.2 million of 10 million rows are dead.',
        }),
        finding({
          check: 'blocked_vacuum',
          title: 'Held back vacuum',
          level: 'unknown',
          value: null,
          threshold: null,
          detail: 'pg_stat_activity could not be read.',
        }),
      ],
      total: 3,
      problem: null,
      counts: { critical: 1, warning: 1, unknown: 1, ok: 2 },
      healthy: healthyChecks.slice(0, 2),
    },
    trends: trends('app.events', {
      state: 'growing',
      limitBytes: 20_000_000_000,
      usedPercent: 97,
      earliestDays: 4,
      latestDays: 9,
    }),
    queries: {
      items: [
        query({ name: 'metrics of a month', medianMs: 380, verdict: 'slower', confirmed: true }),
        query({ name: 'orders of a customer' }),
        query({ name: 'search', failure: '57014', medianMs: null, minMs: null }),
      ],
      total: 3,
      problem: null,
    },
  });
}

/** Just installed: nothing is declared, and nothing has run but the health check that took the snapshot. */
export function empty(): Status {
  return snapshot({
    jobs: {
      items: purposes.map(([name, purpose]) =>
        job({
          job: name,
          purpose,
          state: name === 'health-check' ? 'ok' : 'notUsed',
          runs: name === 'health-check' ? runs(['succeeded']) : [],
        }),
      ),
      total: 5,
      problem: null,
    },
    health: { items: [], total: 0, problem: null, counts: { ok: 5 }, healthy: healthyChecks },
  });
}

/** What someone could call a table. */
export const attack = `"><img src=x onerror="alert(1)">'<script>alert(1)</script>&lt;`;

/** All text in a document of the database, and nothing that has to be a word, a time or an id. */
export function poisoned<Value>(value: Value, key = ''): Value {
  const kept =
    /(At|Kind|since|Since|from|to|horizon|day|state|verdict|level|unit|worse|why|status)$|^(id|runId|at|days)$/;
  if (typeof value === 'string') return (kept.test(key) ? value : `${attack}${value}`) as Value;
  if (Array.isArray(value)) return value.map((each) => poisoned(each, key)) as Value;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, poisoned(each, name)]),
  ) as Value;
}
