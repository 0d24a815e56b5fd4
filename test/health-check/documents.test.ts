import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { HealthCheck } from '../../functions/health-check/schema.ts';
import { setUpDatabase } from '../support/database.ts';
import { readHealth } from '../support/health.ts';
import { sicknesses } from '../support/sick-database.ts';

const path = fileURLToPath(new URL('../../docs/health-checks.md', import.meta.url));
const document = readFileSync(path, 'utf8');
const { checkRows, comparison } = tablesOf(document);

describe('docs/health-checks.md', () => {
  const db = setUpDatabase();
  let checks: HealthCheck[];
  beforeAll(async () => {
    checks = (await readHealth(db.sql)).checks;
  });

  it('has units and thresholds as they are (vitest -u writes them)', async () => {
    let updated = document;
    for (const check of checks) {
      const row = checkRows.find(({ name }) => name === check.name);
      const line = lineOf(check, row?.measures ?? check.title);
      const last = checkRows.at(-1)?.line ?? '';
      updated = row
        ? updated.replace(row.line, () => line)
        : updated.replace(
            last,
            () => `${last}
${line}`,
          );
    }
    await expect(updated).toMatchFileSnapshot(path);
  });

  it('has a row for each check and for nothing else', () => {
    expect(checkRows.map(({ name }) => name).sort()).toEqual(checks.map(({ name }) => name).sort());
  });

  it('compares what the sick database suffers from', () => {
    expect(comparison).toEqual(sicknesses.map(({ check, what }) => [what, check]));
  });
});

function tablesOf(markdown: string) {
  const lines = markdown.split('\n').filter((line) => line.startsWith('| '));
  const rows = lines.map((line) => ({ line, cells: line.split('|').map((cell) => cell.trim()) }));
  const second = rows.findIndex(({ cells }) => cells[1] === 'What is wrong');
  return {
    checkRows: rows
      .slice(1, second)
      .map(({ line, cells: [, name = '', measures = ''] }) => ({ line, name, measures })),
    comparison: rows.slice(second + 1).map(({ cells: [, what, check] }) => [what, check]),
  };
}

function lineOf({ name, unit, worse, info, warning, critical, quick }: HealthCheck, text: string) {
  const [low, middle, high] = [info, warning, critical].map((threshold) =>
    threshold === null ? '-' : `${worse === 'lower' ? '≤ ' : ''}${inWords(threshold, unit)}`,
  );
  return `| ${name} | ${text} | ${unit} | ${low} | ${middle} | ${high} | ${quick ? 'yes' : 'no'} |`;
}

function inWords(value: number, unit: HealthCheck['unit']): string {
  const scaled = (steps: [number, string][], least = 1) => {
    const [size, name] = steps.find(([step]) => value >= least * step) ?? [1, ''];
    return value === 0 ? '0' : `${(value / size).toLocaleString('en')} ${name}`;
  };
  switch (unit) {
    case 'bytes':
      return scaled([
        [1024 ** 4, 'TB'],
        [1024 ** 3, 'GB'],
        [1024 ** 2, 'MB'],
        [1024, 'kB'],
        [1, 'bytes'],
      ]);
    case 'seconds':
      return scaled(
        [
          [86_400, 'd'],
          [3_600, 'h'],
          [60, 'min'],
          [1, 's'],
        ],
        // 50 h, but 7 d.
        2.5,
      );
    case 'milliseconds':
      return `${value.toLocaleString('en')} ms`;
    case 'days':
      return `${value} d`;
    case 'percent':
      return `${value}%`;
    case 'times':
      return `${value}×`;
    case 'count':
      return value.toLocaleString('en');
  }
}
