create or replace function nightshift.describe_index(index regclass)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'index', i.name,
    'table', t.oid::regclass::text,
    'sizeBytes', c.relpages::bigint * b.block,
    'tableBytes', t.relpages::bigint * b.block,
    'statement', nightshift.reindex_statement(x.indexrelid) || ';',
    'problem', case
      when x.indisexclusion then jsonb_build_object(
        'reason', 'unsupported', 'detail', 'Postgres cannot rebuild the index of an exclusion constraint concurrently',
        'fix', format('reindex index %s; -- it locks out whoever writes, and most who read', i.name))
      when t.oid < 16384::oid then jsonb_build_object(
        'reason', 'unsupported', 'detail', 'Postgres cannot rebuild an index of a catalog concurrently',
        'fix', format('reindex index %s; -- as a superuser, and it locks out whoever uses it', i.name))
      when c.relname ~ '_cc(new|old)\d*$' and not x.indisvalid then jsonb_build_object(
        'reason', 'leftover', 'detail', 'it is left over from a REINDEX CONCURRENTLY that did not finish',
        'fix', format('drop index concurrently %s;', i.name))
      when not nightshift.may_vacuum(current_user, t.oid) then jsonb_build_object(
        'reason', 'denied', 'detail', 'the owner of the schema nightshift has no right to rebuild it',
        'fix', nightshift.grant_of_refresh(current_user, t.oid))
    end
  )
  from pg_catalog.pg_index x
  join pg_catalog.pg_class c on c.oid = x.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class t on t.oid = x.indrelid
  cross join lateral (select format('%I.%I', n.nspname, c.relname)) i(name)
  cross join (select current_setting('block_size')::bigint) b(block)
  where x.indexrelid = describe_index.index;
$$;

comment on function nightshift.describe_index is
  'An index as a run finds it that is to rebuild it: index, table, sizeBytes and tableBytes (as of the last vacuum), statement, problem ({reason: unsupported, leftover or denied; detail; fix}: why it cannot be rebuilt, null where it can); null when it is gone.';
