-- What is known of a table that may have to be vacuumed.

do $$
begin
  create type nightshift.vacuum_state as (
    relation oid,
    name text,
    kind "char",
    dead_rows bigint,
    live_rows bigint,
    changed_rows bigint,
    freeze_age bigint,
    reason text,
    purged_at timestamptz
  );
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.vacuum_state is 'A table as vacuum_states finds it.';

create table if not exists nightshift.vacuum_policies (
  relation regclass primary key,
  relation_name text not null,
  max_dead_fraction numeric check (max_dead_fraction > 0 and max_dead_fraction <= 1),
  enabled boolean not null default true,
  created_at timestamptz not null default now()
);

comment on table nightshift.vacuum_policies is 'One row for each table that Nightshift vacuums otherwise than all others, or not at all.';
comment on column nightshift.vacuum_policies.relation_name is
  'The name it had when the policy was declared: a table that was dropped and created anew under this name has the policy again.';
comment on column nightshift.vacuum_policies.max_dead_fraction is
  'From which share of dead rows on it is due; null: 0.05, as for all others.';
comment on column nightshift.vacuum_policies.enabled is 'False: a run vacuums it only when it is asked for it.';

alter table nightshift.vacuum_policies enable row level security;
