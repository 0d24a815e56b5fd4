import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { executedIn, insertedBy } from '../support/dynamic-sql.ts';

const schema = new URL('../../supabase/schema/', import.meta.url);
const files = readdirSync(schema, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.sql'))
  .sort();
const textOf = (path: string) => readFileSync(new URL(path, schema), 'utf8');

/** What gives a name only where nobody else can have code of theirs run by it. */
const guards = ['trusted_name', 'trusted_names', 'scan_of', 'join_condition', 'reference_join'].map(
  (name) => `nightshift.${name}(`,
);

/** What key_joins, of which a statement asks for all foreign keys at once, has from the guard. */
const ofKeys = /^j\.(?:condition|referenced_scan|referencing_scan)$/;

/** Whether a value is a name from the guard, or a variable that holds one. */
function isGuarded(value: string, text: string): boolean {
  if (guards.some((guard) => value.startsWith(guard))) return true;
  if (ofKeys.test(value)) return /nightshift\.key_joins\(.*\) j\b/.test(text);
  const name = /^([a-z_]+)(?:\[[a-z.]+\])?$/.exec(value)?.[1];
  if (name === undefined) return false;
  const assigned = [...text.matchAll(new RegExp(`\\b${name}\\b[a-z ]*:=\\s*([^;]+);`, 'g'))];
  return (
    assigned.length > 0 &&
    assigned.every(([, from = '']) => guards.some((guard) => from.startsWith(guard)))
  );
}

/** What is put into statements and is no relation. */
const noRelations: Record<string, string> = {
  "' tablespace ' || quote_ident(parent.spcname)": 'a tablespace',
  "' using ' || quote_ident(parent.amname)": 'an access method',
  "' where (' || pg_get_expr(r.prqual, r.prrelid) || ')'":
    'the row filter of a publication, in which Postgres allows only functions of its own',
  "'health_' || health_check.name": 'a function of ours',
  'a.attstattarget': 'a number',
  'a.grantee::regrole': 'a role',
  "array_to_string(a.attoptions, ', ')": 'options of a column',
  "array_to_string(literals, ', ')": 'literals from bound_of_time',
  batch_rows: 'a number',
  "case a.grantee when 0 then 'public' else a.grantee::regrole::text end": 'a role',
  "case c.relreplident when 'f' then 'full' else 'nothing' end": 'a word',
  "case trigger.state when 'R' then 'replica' when 'A' then 'always' else '' end": 'a word',
  "case way ->> 'mode' when 'concurrently' then 'concurrently ' else '' end": 'a word',
  "case when a.is_grantable then ' with grant option' else '' end": 'a word',
  "case when nightshift.column_type(policy.relation, policy.marker_column) = 'timestamptz'::regtype then '' else '::timestamp at time zone ''UTC''' end":
    'a word',
  columns: 'names of columns, quoted',
  'd.position': 'a number',
  'deletes[d.position]': 'one of the statements that are looked at here',
  "coalesce(condition, 'false')": 'a condition from child_condition',
  "coalesce(goes, 'false')": 'a condition on columns, from own_due_condition',
  due: 'a condition on columns, from due_condition or due_by_marker',
  due_percent: 'a number',
  from_bound: 'a literal from bound_of_time',
  in_utc: 'a word',
  'key.key': 'a number',
  'key.type': 'a type',
  'leaf::oid': 'a number',
  'least(next_block, 4294967295)': 'a number',
  'literals[1]': 'a literal from bound_of_time',
  'literals[cardinality(literals)]': 'a literal from bound_of_time',
  locking: 'a word',
  max_found: 'a number',
  max_looked_at: 'a number',
  max_read: 'a number',
  max_rows: 'a number',
  'max_rows + 1': 'a number',
  max_sampled: 'a number',
  max_taken: 'a number',
  'max_ties + 1': 'a number',
  max_walked: 'a number',
  most: 'a number',
  "nightshift.due_condition('r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at)":
    'a condition on columns',
  "nightshift.due_by_marker('r', policy.relation, '0', policy.marker_column, policy.flag_column, as_of)":
    'a condition on columns',
  "nightshift.due_condition( 'x', p.relation, p.drop_after, p.marker_column, p.flag_column, run.started_at)":
    'a condition on columns',
  grantee: 'a role',
  'greatest(max_rows / 8, 1)': 'a number',
  'k.policy': 'a number',
  "case k.role when 'keep' then 'case r.fate when ''held'' then ''kept'' else r.fate end' else 'r.fate' end":
    'a column',
  'pg_get_constraintdef(k.oid)':
    'by Postgres, of a key of the partitioned table, whose owner is trusted',
  'nightshift.count_rows(seeds)': 'a number',
  "nightshift.extension_function('pg_cron', 'schedule', 'text, text, text')":
    'a function, looked up by its extension, in a trusted schema',
  "nightshift.extension_function('pg_cron', 'unschedule', 'bigint')":
    'a function, looked up by its extension, in a trusted schema',
  "nightshift.extension_function('pg_net', 'http_post', 'text, jsonb, jsonb, jsonb, integer')":
    'a function, looked up by its extension, in a trusted schema',
  "nightshift.extension_function('pgcrypto', 'pgp_sym_decrypt_bytea', 'bytea, text')":
    'a function, looked up by its extension, in a trusted schema',
  "nightshift.extension_function('pgcrypto', 'pgp_sym_encrypt_bytea', 'bytea, text, text')":
    'a function, looked up by its extension, in a trusted schema',
  "nightshift.extension_function('pgstattuple', 'pgstattuple_approx', 'regclass')":
    'a function, looked up by its extension, in a trusted schema',
  'nightshift.count_rows(seeds) + max_rows': 'a number',
  'nightshift.count_rows(seeds) + max_rows + 1': 'a number',
  'parent.relowner::regrole': 'a role',
  percent: 'a number',
  'record.from_bound': 'a literal that Postgres has printed',
  'record.to_bound': 'a literal that Postgres has printed',
  row_share: 'a number',
  "string_agg(a.privilege_type, ', ')": 'words',
  "string_agg(o.option, ', ')": 'options of a table',
  'target.mode': 'a word',
  to_bound: 'a literal from bound_of_time',
  size: 'a number',
  'rules.deleted': 'a condition on columns, from soft_delete_rules',
  'rules.is_asked': 'a condition on columns, from soft_delete_rules',
  'rules.key_definition': 'columns and types, from soft_delete_rules',
  'rules.key_match': 'a condition on columns, from soft_delete_rules',
  'rules.key_object': 'columns, from soft_delete_rules',
  'rules.key_order': 'columns, from soft_delete_rules',
  'rules.key_value': 'columns, from soft_delete_rules',
  'rules.mark': 'assignments of columns, from soft_delete_rules',
  'rules.marker': 'a column, from soft_delete_rules',
  'substr(rules.marker, 3)': 'the name of a column, quoted',
  'rules.of_operation': 'a condition on columns, from soft_delete_rules',
  'rules.since': 'a condition on columns, from soft_delete_rules',
  'rules.unmark': 'assignments of columns, from soft_delete_rules',
  'child.deleted': 'a condition on columns, from soft_delete_rules',
  'nightshift.references_condition(edge.key)': 'a condition on columns',
  'nightshift.references_condition(key.oid)': 'a condition on columns',
  'counted_at_most + 1': 'a number',
  "nightshift.due_condition('r', relation, policy.drop_after - interval '7 days', policy.marker_column, policy.flag_column, as_of)":
    'a condition on columns',
  "case row_lock when 'update' then 'for update of r' when 'no key update' then 'for no key update of r' when 'no key update skip locked' then 'for no key update of r skip locked' when 'no key update nowait' then 'for no key update of r nowait' when 'key share' then 'for key share of r' else '' end":
    'as it is written',
  "case when dry_run then '' else 'for update of r' end": 'words',
};

/** What may name any relation, and why it is safe there. */
const safeHere: Record<string, Record<string, string>> = {
  'vacuum/begin_vacuum.sql': {
    'nightshift.vacuum_statement(relation)':
      'VACUUM and ANALYZE have the rights of the owner of the table',
  },
  'vacuum/describe_vacuum_state.sql': {
    "nightshift.vacuum_statement(s.relation) || ';'": 'part of a text that is shown',
  },
  'vacuum/begin_reindex.sql': {
    'nightshift.reindex_statement(index)': 'REINDEX has the rights of the owner of the table',
  },
  'vacuum/describe_index.sql': {
    "nightshift.reindex_statement(x.indexrelid) || ';'": 'part of a text that is shown',
  },
  'access/hand_over.sql': { owner: 'a role' },
  'access/settle_owner.sql': {
    'c.oid::regclass': 'in the schema nightshift',
    "case c.relkind when 'S' then 'sequence' else 'table' end": 'a word',
    'f.oid::regprocedure': 'in the schema nightshift',
    't.oid::regtype': 'in the schema nightshift',
  },
  'health/checks/slow_statements.sql': { home: 'part of a text that is shown' },
  'health/oldest_due.sql': { scan: 'one of several from scan_of' },
  'key-queries/explain_key_query.sql': {
    "case when run_it then 'analyze, buffers, timing off, ' else 'costs off, ' end": 'words',
    query: 'looked at by require_reading_query just before',
  },
  'key-queries/require_reading_query.sql': {
    query: 'explained and made a view of, without planning it',
  },
  'ledger/declared_since.sql': { 'job.policies': 'a table of ours, declared with the job' },
  'partition/create_partition.sql': {
    "'nightshift_stage_' || partition::oid": 'made by this statement',
    name: 'made by this statement',
    parent_name: 'the caller has asked the guard for it, with the table locked',
    schema: 'made by this statement, and the guard is asked for its name afterwards',
  },
  'partition/lock_for_creation.sql': { 'policy.parent': 'LOCK TABLE runs nothing' },
  'partition/lock_in_turn.sql': { 'target.relation': 'LOCK TABLE runs nothing' },
  'partition/reattach_partition.sql': { 'record.parent': 'LOCK TABLE runs nothing' },
  'partition/secure_partition.sql': { partition: 'rights are set, and nothing is run' },
  'refresh/refresh_policy_view.sql': {
    sources: 'LOCK TABLE runs nothing',
    target: 'REFRESH has the rights of the owner of the view',
  },
  'retention/constant_default.sql': {
    expression: 'the default of a table that the guard was asked for just before',
  },
  'retention/delete_rows.sql': {
    'd.relation': 'a number',
    'names[d.position]':
      'from trusted_names, of find_refusing_rows where it calls, whose tables are held',
  },
  'retention/delete_slice.sql': {
    condition: 'a condition on columns, from due_condition and unreferenced_condition',
    deletes: 'from children_of_slice',
    referred: 'columns, from columns_referred',
    slice: 'a condition on columns, from next_slice',
  },
  'retention/estimate_rows.sql': { condition: 'a condition on columns, from measure_leaves' },
  'retention/find_needed_rows.sql': {
    "(select string_agg(distinct c, ', ') from joins j cross join lateral unnest(j.columns) c where j.key = any(p.keys))":
      'names of columns, quoted',
    "case f.role when 'release' then 'going_or_released' else 'going' end": 'as it is written',
    'f.staying': 'a condition on columns',
    'n.name': 'one of several from trusted_names',
    'n.relation': 'a number',
    'p.n': 'a number',
    'p.policy': 'a number',
    position: 'a number',
  },
  'retention/find_references.sql': {
    'j.referenced_columns': 'names of columns, quoted',
    'j.referencing_columns': 'names of columns, quoted',
    'n.name': 'one of several from trusted_names',
    's.position': 'a number',
    's.relation': 'a number',
    's.tids': 'made here, of numbers',
    't.position': 'a number',
    't.relation': 'a number',
    't.rows': 'made here, and asked of itself',
    'x.rows': 'made here, and asked of itself',
  },
  'retention/find_released_rows.sql': { 'key.relation': 'a number' },
  'retention/hold_cascades.sql': {
    "array_to_string(referencing, ', ')": 'LOCK TABLE runs nothing',
  },
  'retention/find_unled_rows.sql': {
    "case when k.referenced::oid = any(d.related) then d.condition else 'false' end":
      'a condition on columns, from due_by_policy',
  },
  'retention/hold_keys.sql': {
    "array_to_string(locked, ', ')": 'several from trusted_names',
    "array_to_string(looked_at, ', ')": 'several from trusted_names',
    'target.name': 'several from trusted_names',
  },
  'retention/hold_table.sql': { name: 'LOCK TABLE runs nothing' },
  'retention/lock_rows.sql': { 'asked.relation': 'a number' },
  'retention/measure_leaves.sql': { leaf_name: 'one of several from trusted_names' },
  'retention/lock_slice.sql': {
    condition: 'a condition on columns, from due_condition',
    slice: 'a condition on columns, from next_slice',
  },
  'retention/measure_references.sql': {
    above: 'a statement that is made here, for the key above',
    'walk := walks ->> tree.key::text': 'one of several that are made here',
  },
  'retention/reach_rows.sql': {
    "'and ' || case when not o.is_child then nightshift.due_by_policy('t', p, run.started_at) end":
      'a condition on columns',
    'a.alias': 'a word',
    'b.policy': 'a number',
    "case when b.is_up then '<>' else '=' end": 'an operator of ours',
    'case when w.is_up then j.referencing_scan else j.referenced_scan end': 'from key_joins',
    'd.condition': 'a condition on columns',
    'o.policy': 'a number',
    'o.to_policy': 'a number',
    "replace(unknown, 'x.', 't.')": 'a condition on a table of ours',
    "replace(unknown, 'x.', a.alias || '.')": 'a condition on a table of ours',
    'w.policy': 'a number',
    'w.to_policy': 'a number',
  },
  'soft-delete/deleted_since.sql': {
    'rules.source': 'run with the rights of the caller',
  },
  'soft-delete/describe_step.sql': {
    'step.statement': 'shown, and not executed',
  },
  'soft-delete/disable_soft_delete.sql': {
    "substring(pg_get_indexdef(i.indexrelid) from ' USING btree( .*) WHERE ')":
      'columns of an index that is there',
    'i.name': 'an index in the schema of a table that the guard was asked for',
    v: 'a view that is dropped, and not read',
  },
  'soft-delete/enable_soft_delete.sql': {
    'step.statement': 'from soft_delete_steps and guard_steps, or a call of ours',
  },
  'soft-delete/deleted_parent.sql': {
    'substr(parent.deleted, 2)': 'a condition on columns, from soft_delete_rules',
  },
  'soft-delete/find_rows.sql': {
    'rules.source': 'run with the rights of the caller',
  },
  'soft-delete/guard_child.sql': {
    'substr(parent.deleted, 2)': 'a condition on columns, from soft_delete_rules',
  },
  'soft-delete/guard_steps.sql': {
    'function nightshift.guard_child(%L)': 'a function of ours',
  },
  'soft-delete/inspect_soft_delete.sql': {
    null: 'no statement',
    's.statement': 'shown, and not executed',
  },
  'soft-delete/plan_delete.sql': {
    'edge.children into children using new_keys': 'run with the rights of the caller',
  },
  'soft-delete/plan_restore.sql': {
    'edge.in_the_way into in_the_way using since, page.keys, operation':
      'run with the rights of the caller',
  },
  'soft-delete/put_active.sql': {
    among: 'a condition on columns',
    'found_index.arbiter': 'columns and a condition on them',
    'found_index.same_values': 'a condition on columns',
    new_values: 'assignments of columns',
    row_type: 'run with the rights of the caller',
    'rules.source': 'run with the rights of the caller',
  },
  'soft-delete/restore_keys.sql': {
    changes: 'assignments of columns',
    'edge.blocking into blocking using portion': 'run with the rights of the caller',
    'edge.deleted_parents into parents using portion': 'run with the rights of the caller',
    'rules.source': 'run with the rights of the caller',
  },
  'soft-delete/rows_since.sql': {
    "regexp_replace(rules.source, '^only ', '')": 'run with the rights of the caller',
    'rules.source': 'run with the rights of the caller',
  },
  'soft-delete/restricting_rows.sql': {
    "key.count_query into rows using keys, coalesce(going -> key.referencing::text, '[]')":
      'from restricting_keys, where the guard is asked',
  },
  'soft-delete/rows_of_operation.sql': {
    'rules.source': 'run with the rights of the caller',
  },
  'soft-delete/settle_users.sql': {
    "'grant usage on schema nightshift to authenticated'": 'as it is written',
    "'revoke usage on schema nightshift from authenticated'": 'as it is written',
    f: 'a function of ours',
    "on function %s from authenticated', functions); execute 'revoke usage on schema nightshift from authenticated'; end if; end;":
      'functions of ours',
  },
  'soft-delete/soft_delete.sql': {
    'edge.children into children using active': 'run with the rights of the caller',
    'rules.source': 'run with the rights of the caller',
  },
  'soft-delete/soft_delete_advice.sql': {
    'a.statement': 'shown, and not executed',
  },
  'soft-delete/soft_delete_steps.sql': {
    'function nightshift.%s': 'a function of ours',
  },
  'soft-delete/soft_delete_where.sql': {
    only_if: 'a condition on columns',
    'rules.source': 'run with the rights of the caller',
  },
};

/** What is put into the statements of a function and may be a relation of the application that the guard was not asked for. */
function unguardedIn(text: string): string[] {
  return insertedBy(text).filter((value) => !(value in noRelations) && !isGuarded(value, text));
}

describe('a statement that Nightshift makes', () => {
  const dynamic = files.filter((path) => executedIn(textOf(path)).length > 0);

  it.each(dynamic)('in %s names relations of the application through the guard', (path) => {
    expect(unguardedIn(textOf(path))).toEqual(Object.keys(safeHere[path] ?? {}).toSorted());
  });

  it('is listed as an exception only where it is made', () => {
    expect(Object.keys(safeHere).filter((path) => !dynamic.includes(path))).toEqual([]);
    const inserted = new Set(dynamic.flatMap((path) => insertedBy(textOf(path))));
    expect(Object.keys(noRelations).filter((value) => !inserted.has(value))).toEqual([]);
  });

  it.each([
    ['at once', "execute format('select from %s r', relation);"],
    ['by its number', "execute format('select from only %2$s r where %1$s', due, leaf);"],
    ['as a name', "execute format('select from %I.%I r', schema, relation);"],
    ['from a variable', "command := format('drop table %s', relation); execute command;"],
    ['from a query', "select format('lock table %s', relation) into command; execute command;"],
    [
      'from a loop',
      "for command in select format('analyze %s', c.oid::regclass) from c loop execute command; end loop;",
    ],
    ['in a cursor', "open rows for execute format('select from %s', relation);"],
    ['put together by hand', "execute 'select from ' || relation;"],
    [
      'over the direct connection',
      "return jsonb_build_object('statement', format('alter table %s', relation));",
    ],
    [
      'with a guard that is not always asked',
      `
      name := nightshift.trusted_name(relation);
      name := relation::text;
      execute format('select from %s', name);`,
    ],
  ])('is found when it names one past the guard: %s', (_, body) => {
    expect(unguardedIn(`as $$\nbegin\n${body}\nend;\n$$;`)).not.toEqual([]);
  });
});
