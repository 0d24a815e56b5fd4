create or replace function nightshift.find_keys(policy regclass, entry text, keys nightshift.purge_key[] default null)
returns oid[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  named regclass;
  columns text;
  fitting oid[];
begin
  keys := coalesce(keys, array(select k from nightshift.purge_keys(array[policy::oid]) k));
  select e.named, e.columns into named, columns from nightshift.read_key_entry(entry) e;
  if named is null then
    raise exception using
      errcode = 'NS404',
      message = format('There is no table %s', coalesce(entry, 'null')),
      detail = coalesce(
        (
          select format('What refers to rows of the policy of %s: %s.', find_keys.policy, string_agg(distinct nightshift.key_in_words(k.key), ', '))
          from unnest(keys) k
          having count(*) > 0
        ),
        format('Nothing refers to rows of the policy of %s.', policy)
      ),
      hint = 'Name tables as SQL does: with their schema, unless it is public, and in quotes where SQL needs them, and the columns of a foreign key of several like public.messages(sender_id).';
  end if;
  fitting := array(
    select k.key
    from unnest(keys) k
    where k.referencing = named
      and case
        when columns is null then k.referenced::oid not in (select nightshift.related_tables(named))
        else nightshift.key_columns(k.key) = columns
      end
    order by k.key
  );
  -- Several with the same columns are all meant: nothing tells them apart, and each of them holds the row.
  if columns is null and cardinality(fitting) > 1 then
    raise exception using
      errcode = 'NS422',
      message = format('%s refers to rows of the policy of %s in several ways', named, policy),
      hint = 'Name the foreign keys that are meant by their columns: ' || (
        select string_agg(format('%L', nightshift.key_in_words(f)), ', ') from unnest(fitting) f
      );
  end if;
  return fitting;
end;
$$;

comment on function nightshift.find_keys is
  'The foreign key that an entry of with_children, release or keep names, among those that refer to rows of the policy or of its children: none where there is none, several only where they have the same columns. keys: what purge_keys says of the policy, where that is known already. A table that refers to itself means that only where its columns are given. Errors: NS404 no such table, NS422 several keys.';
