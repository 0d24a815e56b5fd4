import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { showHealth } from '../../cli/present/health-check.ts';
import { presenter } from '../../cli/present/retention-purge.ts';
import { table } from '../../cli/table.ts';
import { age, showRuns } from '../../cli/ui.ts';
import { runDocument } from '../../functions/_shared/ledger.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const step = {
  relation: 'public.professional_package_subscriptions',
  status: 'succeeded',
  dueRows: 1_234_567,
  dueRowsExact: false,
  rowsPurged: 1_234_567,
  children: {},
  released: {},
  rowsBlocked: 0,
  blockedBy: {},
  rowsKept: 0,
  keptBy: {},
  rowsRefused: 0,
  refusedBy: {},
  rowsUndecided: 0,
  rowsLeft: 0,
  rowsLeftExact: true,
  overdueSeconds: null,
  batches: 9,
  durationMs: 61_000,
  fixes: [],
  leftOut: [],
  warnings: [],
};

const widths = [40, 59, 60, 72, 80, 100, 140];
const head = [
  'table',
  'marker',
  'drop after',
  'due',
  'of rows',
  'overdue',
  'last purge (rows)',
  'policy',
];
const rows = [
  [
    'public.professional_package_subscriptions',
    'deleted_at',
    '1 year',
    '12,345',
    '1,200,000',
    '1y 20d',
    '2026-11-28 02:00 (1,234,567)',
    'on',
  ],
  [
    'public."Product"',
    'deletedAt and isDeleted',
    '30 days',
    '1,000',
    '~2,000',
    '3d 4h',
    'never',
    'off',
  ],
];
const expendable = ['policy', 'of rows', 'marker', 'last purge (rows)'];

const shownAt = (width: number, show: () => void) => {
  vi.stubEnv('COLUMNS', `${width}`);
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  show();
  return log.mock.calls.flatMap(([text]) => stripVTControlCharacters(String(text)).split('\n'));
};

const linesAt = (width: number) => {
  vi.stubEnv('COLUMNS', `${width}`);
  return stripVTControlCharacters(table(head, rows, [3, 4], expendable)).split('\n');
};

describe('a table', () => {
  it.each(widths.filter((width) => width >= 60))('fits %d columns', (width) => {
    expect(Math.max(...linesAt(width).map(({ length }) => length))).toBeLessThanOrEqual(width);
  });

  it.each(widths)('cuts no word at %d columns, and keeps what matters most', (width) => {
    const text = linesAt(width).join('\n');
    for (const word of [
      'public.professional_package_subscriptions',
      '12,345',
      '1,000',
      'overdue',
    ]) {
      expect(text).toContain(word);
    }
    expect(text).not.toContain('…');
  });

  it('drops columns by importance, and none without need', () => {
    expect(linesAt(200)[1]).toMatch(/policy/);
    expect(linesAt(100)[1]).not.toMatch(/policy/);
    expect(linesAt(100)[1]).toMatch(/drop +│/);
  });

  it('is a block a row where it does not fit', () => {
    const [first, second] = linesAt(50);
    expect(first).toBe('table: public.professional_package_subscriptions');
    expect(second).toBe('  marker: deleted_at');
  });
});

describe.each(widths.filter((width) => width >= 60))('at %d columns', (width) => {
  const shown = (show: () => void) => shownAt(width, show);
  const widest = (lines: string[]) =>
    Math.max(...lines.filter((line) => /[│┌└├]/.test(line)).map(({ length }) => length));

  it('the table of runs fits, with ids to give to commands', () => {
    const run = runDocument.parse({
      id: '3f0c6c7e-55a5-4f6e-9d0a-0a4b1f7a2c11',
      job: 'partition-maintenance',
      trigger: 'schedule',
      requestedBy: null,
      dryRun: true,
      status: 'interrupted',
      attempt: 1,
      fence: 1,
      input: {},
      startedAt: '2026-11-29T02:00:01Z',
      finishedAt: '2026-11-29T02:20:01Z',
      progress: {},
      report: null,
      error: null,
    });
    const lines = shown(() => showRuns([run]));
    expect(widest(lines)).toBeLessThanOrEqual(width);
    expect(lines.join('\n')).toContain('3f0c6c7e ');
  });

  it('the report of a purge fits', () => {
    const report = { dryRun: false, steps: [step], disabled: [] };
    expect(widest(shown(() => presenter.showReport(report as never)))).toBeLessThanOrEqual(width);
    const uncounted = {
      ...step,
      status: 'failed',
      dueRows: 0,
      rowsPurged: 0,
      rowsLeftExact: false,
    };
    const seen = shown(() => presenter.showReport({ ...report, steps: [uncounted] } as never));
    expect(seen.join('\n')).toContain('?');
    expect(seen.join('\n')).not.toContain('~0');
  });
});

describe('the report of a purge', () => {
  it('says that about none is left of a large table that was purged, and not that nobody knows', () => {
    const steps = [{ ...step, dueRowsExact: true, rowsLeftExact: false }];
    const lines = shownAt(100, () =>
      presenter.showReport({ dryRun: false, steps, disabled: [] } as never),
    ).join('\n');
    expect(lines).toContain('~0');
    expect(lines).not.toContain('?');
  });

  const counts = { rowsBlocked: 3, rowsKept: 2, rowsRefused: 1, rowsUndecided: 40 };
  const blockedBy = { 'lines_order_id_fkey on public.lines': 3 };
  const reportOf = (dryRun: boolean, rest: object = {}) => {
    const steps = [{ ...step, ...counts, blockedBy, ...rest }];
    return shownAt(100, () => presenter.showReport({ dryRun, steps, disabled: [] } as never)).join(
      '\n',
    );
  };
  const cellsOf = (lines: string, first: RegExp) =>
    lines
      .split('\n')
      .find((line) => first.test(line))
      ?.split('│')
      .map((cell) => cell.trim());

  it('tells rows that are not decided from those that stay, and says nothing of what is left', () => {
    const lines = reportOf(true);
    const head = cellsOf(lines, /│ table/) ?? [];
    const row = cellsOf(lines, /│ public/) ?? [];
    expect(row[head.indexOf('stay')]).toBe('6');
    expect(row[head.indexOf('undecided')]).toBe('40');
    expect(head).not.toContain('left');
    expect(lines).toMatch(/: 4 would stay\n/);
    expect(lines.replace(/\s+/g, ' ')).toContain(': 40 not decided: more rows refer to them');
  });

  it.each([
    [40, ['undecided', 'left']],
    [0, ['left']],
  ])('says of a real run of which %i rows are not decided: %j', (rowsUndecided, figures) => {
    const cells = cellsOf(reportOf(false, { rowsUndecided }), /│ table/) ?? [];
    expect(cells.filter((cell) => ['undecided', 'left'].includes(cell))).toEqual(figures);
  });

  it.each([
    [7_400, true],
    [400, false],
  ])('tells of %i ms in batches that the statement timeout ended: %s', (timedOutMs, told) => {
    const lines = reportOf(true, { timedOutMs }).replace(/\s+/g, ' ');
    expect(lines.includes('7s of that in batches that were rolled back')).toBe(told);
    expect(lines.includes('at the statement timeout')).toBe(told);
  });

  it('offers a call once that settles two foreign keys', () => {
    const call = "select nightshift.add_retention_policy('public.lines', '30 days');";
    const keys = ['a on public.lines', 'b on public.lines'];
    const lines = reportOf(true, {
      blockedBy: Object.fromEntries(keys.map((key) => [key, 3])),
      fixes: keys.map((subject) => ({ subject, fix: `${call} -- or ${subject}` })),
    });
    expect(lines.split(call)).toHaveLength(2);
    expect(lines).toContain('Fix: the call for a on public.lines above, which is made once');
  });

  it('says of each of two foreign keys that its rows may wait, which is no call', () => {
    const keys = ['a on public.lines', 'b on public.lines'];
    const lines = reportOf(true, {
      blockedBy: Object.fromEntries(keys.map((key) => [key, 3])),
      fixes: keys.map((subject) => ({
        subject,
        fix: `Nothing, if they can wait. -- or: ${subject};`,
      })),
    });
    expect(lines.split('Nothing, if they can wait.')).toHaveLength(3);
    expect(lines).not.toContain('which is made once');
  });
});

describe('a fix of several lines', () => {
  const sql = [
    `select nightshift.settle_reference('app.parents', 'app.children(parent_id)', 'with_children');`,
    `select nightshift.settle_reference('app."a; -- b"', 'app.c(d)', 'keep');`,
  ];
  const fix = [
    '-- If it is meant: POST /jobs/retention-purge/runs with {"force":["app.many"]}, or raise max_fraction.',
    `${sql[0]} -- or, to let both stay: 'keep'`,
    sql[1],
  ].join('\n');
  const finding = { subject: 'retention-purge', level: 'warning', value: 2, detail: null, fix };
  const check = {
    name: 'jobs_partial',
    title: 'Jobs',
    why: 'Why.',
    unit: 'times',
    level: 'warning',
  };
  const document = { checks: [{ ...check, findings: [finding], findingsTotal: 1 }] };

  it.each([60, 80, 200])('is the same to who pastes it, in %d columns', (columns) => {
    const shown = shownAt(columns, () => showHealth(document as never));
    const lines = shown
      .filter((line) => /^( {2}Fix: | {7})/.test(line))
      .map((line) => line.slice(7));
    expect(lines.join(' ')).toMatch(/nightshift -- run .*app\.many, or raise/);
    const pasted = lines.filter((line) => !line.startsWith('-- ')).join(' ');
    expect(pasted.replace(/\s+/g, ' ').replace(/ -- or,.*?'keep'/, '')).toBe(sql.join(' '));
  });
});

it.each([
  [0, '0s'],
  [59.6, '1m'],
  [725, '12m 5s'],
  [3605, '1h'],
  [273_600, '3d 4h'],
  [105 * 86_400 + 35, '105d'],
])('says %d seconds as the largest two units that are next to each other', (seconds, expected) => {
  expect(age(seconds)).toBe(expected);
});
