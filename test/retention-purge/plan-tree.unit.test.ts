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
