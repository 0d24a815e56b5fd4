import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { presenter } from '../../cli/present/view-refresh.ts';
import { Tree } from '../../cli/tree.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe('a tree', () => {
  const tree = () => {
    const root = new Tree('public.orders: 1,200 go of 1,500 due');
    const items = new Tree('public.order_items(order_id): goes with, ~3,000, no index');
    items.add(
      new Tree(
        'public.notes("the item"): not known without an index for public.order_items(order_id)',
      ),
    );
    root.add(items);
    root.add(new Tree('public.refunds(order_id): keeps 300 until due itself'));
    return root.toString();
  };

  it('goes on below what is too long, beside what hangs there', () => {
    vi.stubEnv('COLUMNS', '60');
    expect(tree().split('\n')).toEqual([
      'public.orders: 1,200 go of 1,500 due',
      '├── public.order_items(order_id): goes with, ~3,000, no',
      '│   │ index',
      '│   └── public.notes("the item"): not known without an',
      '│         index for public.order_items(order_id)',
      '└── public.refunds(order_id): keeps 300 until due itself',
    ]);
  });

  it('is left as it is where there is room', () => {
    vi.stubEnv('COLUMNS', '100');
    expect(tree().split('\n')).toHaveLength(4);
  });
});

describe('the plan of the views', () => {
  const detail =
    'it reads public.bookings, in which rows were inserted, updated and deleted meanwhile';
  const facts = (view: string, dependsOn: string[] = []) => ({
    view,
    enabled: true,
    dependsOn,
    reason: 'changed',
    detail,
    maxStaleness: '1 day',
    warnings: [],
  });

  it.each([60, 80, 100])('fits %d columns', async (width) => {
    vi.stubEnv('COLUMNS', `${width}`);
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    const views = [
      facts('public.mv_bookings_per_day'),
      facts('public.mv_bookings_per_month', ['public.mv_bookings_per_day']),
      facts('public.mv_leaderboard', [
        'public.mv_bookings_per_month',
        'public.mv_bookings_per_day',
      ]),
    ];
    const { show } = (await presenter.plan?.({ call: async () => views } as unknown as Rpc)) ?? {};
    show?.();
    const lines = stripVTControlCharacters(log.mock.calls.flat().join('\n')).split('\n');
    expect(lines.filter((line) => line.length > width)).toEqual([]);
    expect(lines.join('\n')).toMatch(
      /└── public\.mv_bookings_per_month: .*[\s\S]* {4}└── public\.mv_leaderboard/,
    );
  });
});
