import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { metricUnits } from '../../functions/_shared/metrics.ts';
import { setUpDatabase } from '../support/database.ts';
import { readHealth } from '../support/health.ts';

const root = new URL('../../', import.meta.url);
const rows = readFileSync(new URL('docs/requirements.md', root), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1)
  .map((line) => line.split('|').map((cell) => cell.trim()))
  // What is asked of soft deletes is in a table of three columns: test/docs/requirements.unit.test.ts.
  .filter((cells) => cells.length === 7);

const namesIn = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '');

describe('docs/requirements.md', () => {
  const db = setUpDatabase();

  it('names checks, metrics and tests that there are', async () => {
    const { checks } = await readHealth(db.sql);
    const checkNames = checks.map(({ name }) => name);
    expect(rows.length).toBeGreaterThan(10);
    for (const [, asked, , check, metric, test] of rows) {
      for (const name of namesIn(check)) expect(checkNames, asked).toContain(name);
      for (const name of namesIn(metric)) expect(Object.keys(metricUnits), asked).toContain(name);
      const tests = namesIn(test);
      expect(tests.length, asked).toBeGreaterThan(0);
      for (const name of tests) {
        const there = name.startsWith('npm run ') || existsSync(new URL(name, root));
        expect(there, `${asked}: ${name}`).toBe(true);
      }
      const spoken = tests
        .filter((name) => !name.startsWith('npm run '))
        .map((name) => readFileSync(new URL(name, root), 'utf8'))
        .join('\n');
      const [subject] = [...namesIn(check), ...namesIn(metric)];
      if (subject) expect(spoken.includes(subject), `${asked}: ${subject}`).toBe(true);
    }
  });
});
