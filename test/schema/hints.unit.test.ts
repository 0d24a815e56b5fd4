import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const schema = new URL('../../supabase/schema/', import.meta.url);
const files = readdirSync(schema, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.sql'))
  .sort();

/** Raised to leave a block, and caught in the same function: nobody outside sees them. */
const caughtInside: Record<string, string[]> = {
  'health/checks/backlog_age.sql': ['NS200'],
  'health/checks/default_partition_rows.sql': ['NS424'],
  'health/checks/sequences.sql': ['42501', 'NS200'],
  'health/checks/soft_deletes.sql': ['NS200', 'NS424'],
  'health/run_health_check.sql': ['NS200'],
  'health/set_health_threshold.sql': ['NS200'],
  'key-queries/explain_key_query.sql': ['NS200'],
  'key-queries/require_reading_query.sql': ['NS200'],
  'retention/delete_rows.sql': ['NS200', 'NS422'],
  'retention/list_retention_policies.sql': ['NS200', 'NS424'],
  'retention/measure_leaves.sql': ['NS200', 'NS200'],
  'retention/preview_retention_purge.sql': ['NS200', 'NS424'],
  // What keeps a row from coming back: counted and reported with its key.
  'soft-delete/restore_keys.sql': ['NS409', 'NS422'],
};

describe('an error that Nightshift raises', () => {
  it.each(files)('in %s says what to do', (path) => {
    const text = readFileSync(new URL(path, schema), 'utf8');
    const without = [...text.matchAll(/raise exception\b.*?;\n/gs)]
      .map(([statement]) => statement)
      .filter((statement) => !/\bhint\s*=/.test(statement))
      .map((statement) => /errcode\s*=\s*'(\w+)'/.exec(statement)?.[1] ?? statement);
    expect(without.toSorted()).toEqual(caughtInside[path] ?? []);
  });
});
