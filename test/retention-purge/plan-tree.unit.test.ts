import { stripVTControlCharacters } from 'node:util';
import { afterEach, expect, it, vi } from 'vitest';
import { showPlan } from '../../cli/present/purge-plan.ts';
import { plannedPolicies } from '../../functions/retention-purge/schema.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const key = (table: string, under: string | null, rest: object) => ({
  key: `key on ${table}`,
  table,
  columns: 'parent_id',
  under,
  role: 'child',
  ownPolicy: false,
  rows: null,
  rowsExact: false,
  createIndex: null,
  fix: null,
  ...rest,
});

const orders = {
  relation: 'public.orders',
  dropAfter: '90 days',
  maxFraction: 0.5,
  warnings: [],
  markerColumn: 'deleted_at',
  flagColumn: null,
  withChildren: [],
  release: [],
  keep: [],
  enabled: true,
  lastPurgedAt: null,
  lastPurgedRows: null,
  dueRows: 9,
  dueRowsExact: true,
};

it('says of what cannot be known below a key without an index, which index that is', () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  showPlan(
    plannedPolicies.parse([
      {
        ...orders,
        goes: 9,
        keys: [
          key('items', null, { rows: 5, createIndex: 'create index on items (parent_id);' }),
          key('notes', 'key on items', {}),
          key('marks', 'key on notes', {}),
          key('files', null, {}),
        ],
      },
    ]),
  );
  const lines = stripVTControlCharacters(log.mock.calls.join('\n'));
  expect(lines).toMatch(/items\(parent_id\): goes with, ~5, no index$/m);
  expect(lines).toMatch(
    /notes\(parent_id\): goes with, \?, not known without an index for items\(parent_id\)$/m,
  );
  expect(lines).toMatch(
    /marks\(parent_id\): goes with, \?, not known without an index for items\(parent_id\)$/m,
  );
  expect(lines).toMatch(/files\(parent_id\): goes with, \?$/m);
});

function linesOf(policies: object[]): string {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  showPlan(plannedPolicies.parse(policies));
  return stripVTControlCharacters(log.mock.calls.join('\n'));
}

it('lists the calls that settle what keeps rows, alike ones together, and each once', () => {
  const holding = (table: string, fix: string) =>
    key(table, null, { role: 'hold', rows: 2, fix: `select ${fix}` });
  const lines = linesOf([
    {
      ...orders,
      keys: [
        holding('items', "settle('orders', 'items'); -- or 'keep'"),
        holding('logs', "settle('orders', 'logs'); -- or 'release'"),
        holding('notes', "settle('orders', 'notes'); -- or 'keep'"),
        holding('marks', "add('marks'); -- or, marked or not: select settle('orders', 'marks');"),
      ],
    },
    {
      ...orders,
      relation: 'public.users',
      keys: [
        holding('marks', "add('marks'); -- or, marked or not: select settle('users', 'marks');"),
      ],
    },
  ]);
  expect(lines).toContain(`
public.orders: what keeps rows is settled one foreign key a call, in any order:
  select settle('orders', 'items');
  select settle('orders', 'notes');
  -- or 'keep'
  select settle('orders', 'logs');
  -- or 'release'
  select add('marks');
  -- or, marked or not: select settle('orders', 'marks');
~ is`);
});

it('names an index that several policies lack once, and not where a warning has it', () => {
  const lacking = (columns: string) =>
    key('items', null, { columns, createIndex: `create index on items (${columns});` });
  const lines = linesOf([
    { ...orders, keys: [lacking('a_id'), lacking('b_id')] },
    {
      ...orders,
      relation: 'public.users',
      warnings: ['Fix: create index on items (b_id);'],
      keys: [lacking('a_id'), lacking('b_id')],
    },
  ]);
  expect(lines.match(/Fix: create index/g)).toHaveLength(1);
  expect(lines).toContain('Fix: create index on items (a_id);');
});

it('says what is wrong with a policy, and how to mend it', () => {
  const problem = {
    code: 'NS422',
    message: 'public.orders has no column gone_at',
    hint: 'Name it.',
  };
  const lines = linesOf([{ ...orders, dueRows: undefined, dueRowsExact: undefined, problem }]);
  expect(lines).toContain('public.orders: cannot be purged');
  expect(lines).toContain('public.orders: public.orders has no column gone_at\n  Fix: Name it.');
});

it('says of a table that the brake would keep a run from, and what to do if it is meant', () => {
  const refusal = 'public.orders: at least 9 of 10 rows would go';
  const lines = linesOf([{ ...orders, goes: 9, refusal }]);
  expect(lines).toContain(`As it looks, a run leaves it alone. ${refusal}`);
  expect(lines).toContain('npm run nightshift -- run retention-purge --force public.orders');
});

it('says once that time ran out, and of what was not looked at nothing worse', () => {
  const problem = {
    code: 'NS424',
    message: 'The tables before it took all the time there was',
    hint: null,
  };
  const late = { ...orders, dueRows: undefined, dueRowsExact: undefined, problem };
  const lines = linesOf([
    {
      ...orders,
      goes: 9,
      goesAtMost: true,
      outOfTime: true,
      keys: [
        key('items', null, {}),
        key('logs', null, { role: 'hold', fix: "select settle('orders', 'logs');" }),
        key('notes', null, { role: 'hold', fix: "select settle('orders', 'notes');", rows: 2 }),
      ],
    },
    { ...late, relation: 'public.users' },
    { ...late, relation: 'public.teams' },
  ]);
  expect(lines).toMatch(/items\(parent_id\): goes with, \?$/m);
  expect(lines).toMatch(/^public\.users: not looked at$/m);
  expect(lines).not.toMatch(/cannot be purged|took all the time/);
  expect(lines.match(/Time ran out/g)).toHaveLength(1);
  expect(lines).toContain("settle('orders', 'notes')");
  expect(lines).not.toContain("settle('orders', 'logs')");
  expect(lines.replace(/\s+/g, ' ')).toContain('Not looked at: public.users, public.teams.');
});

it('says nothing of time where there was enough', () => {
  expect(linesOf([{ ...orders, goes: 9, keys: [key('items', null, {})] }])).not.toMatch(/Time/);
});

it('says where rows are counted twice, and where not all of them are', () => {
  const items = (columns: string) =>
    key('items', null, { key: `items by ${columns}`, columns, rows: 5, rowsExact: true });
  const below = { rows: 3, rowsInPart: true };
  const lines = linesOf([
    {
      ...orders,
      goes: 9,
      keys: [
        items('a_id'),
        items('b_id'),
        key('notes', 'items by a_id', below),
        key('files', 'key on notes', { ...below, role: 'hold' }),
      ],
    },
  ]);
  expect(lines).toMatch(/items\(a_id\): goes with, 5$/m);
  expect(lines).toMatch(
    /items\(b_id\): goes with, 5, some of them counted at items\(a_id\) as well$/m,
  );
  expect(lines).toMatch(/notes\(parent_id\): goes with, ~3, by items\(a_id\) alone$/m);
  expect(lines).toMatch(/files\(parent_id\): keeps ~3, by items\(a_id\) alone$/m);
});

it('says where fewer may go than was counted, of what goes with them as well', () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const keys = [
    key('items', null, { rows: 5 }),
    key('marks', null, { role: 'release', rows: 3 }),
    key('logs', null, { role: 'hold' }),
  ];
  showPlan(plannedPolicies.parse([{ ...orders, goes: 7, goesAtMost: true, keys }]));
  const lines = stripVTControlCharacters(log.mock.calls.join('\n'));
  expect(lines).toMatch(/^public\.orders: at most ~7 go of 9 due$/m);
  expect(lines).toMatch(/items\(parent_id\): goes with, at most ~5$/m);
  expect(lines).toMatch(/marks\(parent_id\): released, at most ~3$/m);
  expect(lines).toMatch(/logs\(parent_id\): keeps \?$/m);
});
