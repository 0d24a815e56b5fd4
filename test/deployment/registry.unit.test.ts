import { globSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { jobNames, registry } from '../../functions/registry.ts';
import { alarmsOf } from '../../infra/aws/alarms.ts';
import { dashboardOf } from '../../infra/aws/dashboard.ts';
import { root } from '../support/documents.ts';

describe('the registry', () => {
  it('has each folder of functions, and no other', () => {
    const folders = globSync('functions/*/handler.ts', { cwd: root }).map(
      (path) => path.split('/')[1],
    );
    expect(folders.sort()).toEqual(jobNames.toSorted());
  });

  it('has no parameter and no alarm twice', () => {
    const names = registry.flatMap(({ name, parameters }) => [
      ...new Set([name, ...Object.keys(parameters)]),
    ]);
    expect(names).toEqual([...new Set(names)]);
    const alarms = registry.flatMap((job) => Object.keys(alarmsOf(job)));
    expect(alarms).toEqual([...new Set(alarms)]);
  });
});

describe('the dashboard', () => {
  it.each([1, 2, 5, 7])('fills its rows with %s jobs', (count) => {
    const some = Array.from({ length: count }, (_, n) => registry.at(n % registry.length) ?? []);
    const { widgets } = JSON.parse(dashboardOf(some.flat()).Properties.DashboardBody);
    let column = 0;
    for (const { width } of widgets) {
      column += width;
      expect(column).toBeLessThanOrEqual(24);
      column %= 24;
    }
    expect(column).toBe(0);
  });
});
