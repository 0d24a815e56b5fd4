create or replace function nightshift.partition_warnings(
  policy nightshift.partition_policies,
  held tsmultirange,
  left_out tsmultirange,
  detached tsmultirange,
  cutoff timestamp,
  newest oid,
  odd oid[],
  pending oid[],
  kept oid[],
  exposed oid[],
  exposed_to text,
  oversized oid[],
  usual_gap interval
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  warnings text[] := '{}';
begin
  if cardinality(exposed) > 0 then
    warnings := warnings || format('%s can reach %s, but not what it holds through %s. Fix: select nightshift.secure_partitions(%L);',
      exposed_to, nightshift.name_some(exposed), policy.parent, policy.parent);
  end if;
  if upper_inf(held) or upper(held) = 'infinity' then
    warnings := warnings || array(
      select format('%s takes all rows from %s on, so no partition can be made after it. Fix: detach it, and attach it again with an end.',
        newest::regclass, lower(r.period))
      from unnest(held) r(period)
      where upper_inf(r.period) or upper(r.period) = 'infinity'
    );
  end if;
  warnings := warnings || array(
    select format('%s refuses rows from %s to %s, because a run was interrupted or is under way; the next one mends it. Fix: alter table %s drop constraint nightshift_room_ahead;',
      e.default_partition, lower(e.period), upper(e.period), e.default_partition)
    from nightshift.default_exclusions e
    where e.parent = policy.parent
      and exists (select 1 from pg_catalog.pg_constraint k where k.conrelid = e.default_partition and k.conname = 'nightshift_room_ahead')
  );
  if not isempty(left_out) then
    warnings := warnings || array(
      select format('It has no partition from %s to %s, more than 1,000 intervals ago, and none is made there.', lower(r.period), upper(r.period))
      from unnest(left_out) r(period)
      where cutoff is null or upper(r.period) > cutoff
    );
  end if;
  if cardinality(odd) > 0 then
    warnings := warnings || format('%s: not one interval of %s in UTC from bound to bound; new partitions are fitted around.',
      nightshift.name_some(odd), policy.every);
  end if;
  warnings := warnings || array(
    select format('%s has the unique index %s, which new partitions will not have, because %s has none like it. Fix: create it there, with %I among its columns.',
      newest::regclass, x.indexrelid::regclass, policy.parent, (nightshift.partition_key(policy.parent)).column_name)
    from pg_catalog.pg_index x
    where x.indrelid = newest and x.indisunique
      and not exists (select 1 from pg_catalog.pg_inherits i where i.inhrelid = x.indexrelid)
  );
  if not isempty(detached) then
    warnings := warnings || array(
      select format('It has no place for rows from %s to %s: that is the time of partitions that were retired, and would not be due now. To have one back: select nightshift.reattach_partition(...);',
        lower(r.period), upper(r.period))
      from unnest(detached) r(period)
      where cutoff is null or upper(r.period) > cutoff
    );
  end if;
  if cardinality(pending) > 0 then
    warnings := warnings || array(
      select format('%s is half detached, so its rows cannot be seen through the table. %s', p.partition::regclass, case
        when exists (
          select 1 from nightshift.retired_partitions d where d.partition::oid = p.partition and d.status = 'detaching'
        ) then format('The next run finishes it; to have it back: select nightshift.reattach_partition(%L);', p.partition::regclass)
        else format('Fix: alter table %s detach partition %s finalize;', policy.parent, p.partition::regclass) end)
      from unnest(pending) p(partition)
    );
  end if;
  if policy.premake * policy.every < usual_gap then
    warnings := warnings || format('There is room for %s after the present partition, and the next run may be %s away. Fix: select nightshift.alter_partition_policy(%L, premake => %s); or a schedule that runs more often.',
      policy.premake * policy.every, usual_gap, policy.parent,
      ceil(extract(epoch from usual_gap) / extract(epoch from policy.every)));
  end if;
  if cardinality(kept) > 0 then
    warnings := warnings || format('%s: due, but attached again by hand, so left alone until nightshift.alter_partition_policy is given a retention.',
      nightshift.name_some(kept));
  end if;
  if policy.retention is not null then
    warnings := warnings || array(
      select format('%s refers to it and %s, so partitions with rows that it needs are not retired. Fix: %s',
        k.conrelid::regclass,
        case when r.retention is null then 'keeps its rows' else format('keeps its rows for %s', r.retention) end,
        case when r.parent is not null then format('select nightshift.alter_partition_policy(%L, retention => %L);', r.parent, policy.retention)
          else format('a retention policy for it that is no longer than %s.', policy.retention) end)
      from (
        -- By what depends on its columns: there is no index by the table at the other end.
        select distinct d.objid from pg_catalog.pg_depend d
        where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = policy.parent and d.refobjsubid > 0
          and d.classid = 'pg_catalog.pg_constraint'::regclass
      ) d
      join pg_catalog.pg_constraint k on k.oid = d.objid
      left join nightshift.partition_policies r on r.parent::oid = k.conrelid and r.enabled
      where k.confrelid = policy.parent and k.contype = 'f' and k.conparentid = 0
        and k.conrelid <> k.confrelid
        and (r.retention <= policy.retention) is not true
        and not exists (
          select 1 from nightshift.retention_policies t
          where t.relation::oid = k.conrelid and t.enabled and t.drop_after <= policy.retention
        )
    );
  end if;
  if cardinality(oversized) > 0 then
    warnings := warnings || array(
      select format('%s: larger than %s. Shorter intervals from now on: select nightshift.alter_partition_policy(%L, every => ...);',
        nightshift.name_some(oversized), pg_size_pretty(s.partition_alert_bytes), policy.parent)
      from nightshift.settings s
    );
  end if;
  return to_jsonb(warnings);
end;
$$;

comment on function nightshift.partition_warnings is
  'What is wrong with the partitions of a table and not mended by a run, with the fix, as a JSON array of sentences.';
