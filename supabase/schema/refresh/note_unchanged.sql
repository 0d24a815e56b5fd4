create or replace function nightshift.note_unchanged(assessed jsonb)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  loop
    -- A view is no newer than what it reads, so those come first: level by level, until nothing moves any more.
    update nightshift.refresh_policies p
    set data_as_of = n.known_at
    from (
      select l.view,
        least((assessed -> l.view::oid::text ->> 'knownAt')::timestamptz, nightshift.sources_as_of(nightshift.view_of(l))) as known_at
      from nightshift.refresh_policies l
      where assessed -> l.view::oid::text ? 'knownAt'
      -- One that is being refreshed is another question, and not worth waiting for.
      for no key update skip locked
    ) n
    where p.view = n.view and n.known_at > coalesce(p.data_as_of, '-infinity');
    exit when not found;
  end loop;
end;
$$;

comment on function nightshift.note_unchanged is
  'Notes of views that have not changed that they are as current as that says, and as what they read. assessed: by the oid of the view, what assess_view said.';
