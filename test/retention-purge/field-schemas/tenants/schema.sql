-- A service for several tenants, as a team has it after three years: forty tables cascade to its projects, most of them
-- by a project_id of their own beside the key to what they belong to.

create function touch() returns trigger language plpgsql as $$ begin new.updated_at := now(); return new; end $$;
create function id_of(kind text, n integer) returns uuid immutable language sql as $$ select md5(kind || n)::uuid $$;

create table organizations (id uuid primary key, name text not null, settings jsonb not null default '{}', deleted_at timestamptz);
create table accounts (id uuid primary key, email text not null unique, last_project_id uuid, updated_at timestamptz not null default '2024-01-01');
create table organization_members (
  organization_id uuid references organizations on delete cascade, account_id uuid references accounts on delete cascade,
  role text not null default 'member', primary key (organization_id, account_id)
);
create table projects (
  id uuid primary key, organization_id uuid not null references organizations on delete cascade, name text not null,
  -- What it was made from.
  template_id uuid references projects on delete set null,
  metadata jsonb not null default '{}', deleted_at timestamptz, updated_at timestamptz not null default '2024-01-01',
  unique (organization_id, name)
);
alter table accounts add foreign key (last_project_id) references projects on delete set null;
create index on projects (organization_id);
create index on projects (template_id);
create index on projects (deleted_at) where deleted_at is not null;
create index on accounts (last_project_id);

create table project_settings (project_id uuid primary key references projects on delete cascade, settings jsonb not null default '{}');
create table project_members (
  project_id uuid references projects on delete cascade, account_id uuid references accounts on delete cascade,
  primary key (project_id, account_id)
);
create table project_invites (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table api_keys (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table segments (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table labels (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table milestones (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table saved_filters (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table integrations (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table imports (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table exports (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table releases (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table sprints (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table notifications (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table dashboards (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table boards (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table webhooks (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table alerts (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table reports (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table custom_fields (id bigserial primary key, project_id uuid not null references projects on delete cascade, note text);
create table "IntegrationSecret" (
  id bigserial primary key, "projectId" uuid not null references projects on delete cascade,
  "integrationId" bigint not null references integrations on delete cascade, note text
);
create table environments (project_id uuid references projects on delete cascade, slug text, primary key (project_id, slug));
create table feature_flags (project_id uuid references projects on delete cascade, key text, rules jsonb, primary key (project_id, key));
create table flag_rules (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  flag_key text not null, segment_id bigint references segments on delete restrict,
  foreign key (project_id, flag_key) references feature_flags on delete cascade
);
create table environment_flags (
  project_id uuid, slug text, key text, enabled boolean not null default false, primary key (project_id, slug, key),
  foreign key (project_id, slug) references environments on delete cascade,
  foreign key (project_id, key) references feature_flags on delete cascade
);
create table widgets (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  dashboard_id bigint not null references dashboards on delete cascade, note text
);
create table webhook_deliveries (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  webhook_id bigint references webhooks on delete cascade, note text
);
create table alert_events (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  alert_id bigint references alerts on delete cascade, note text
);
create table report_schedules (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  report_id bigint references reports on delete cascade, note text
);
create table issues (
  id bigserial primary key, project_id uuid not null references projects on delete cascade, number integer not null,
  parent_id bigint references issues on delete cascade, milestone_id bigint references milestones on delete set null,
  assignee_id uuid references accounts on delete set null, title text, updated_at timestamptz not null default '2024-01-01',
  unique (project_id, number)
);
create table issue_labels (
  issue_id bigint references issues on delete cascade, label_id bigint references labels on delete cascade,
  primary key (issue_id, label_id)
);
-- From one issue to another, which may be of another project.
create table issue_links (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  source_id bigint not null references issues on delete cascade, target_id bigint not null references issues
);
create table "_IssueToSprint" (
  "A" bigint not null references issues on delete cascade, "B" bigint not null references sprints on delete cascade
);
create unique index on "_IssueToSprint" ("A", "B");
create table comments (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  issue_id bigint not null references issues on delete cascade, reply_to_id bigint references comments on delete set null, body text
);
create table comment_reactions (
  comment_id bigint references comments on delete cascade, account_id uuid references accounts on delete cascade,
  emoji text, primary key (comment_id, account_id, emoji)
);
create table attachments (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  issue_id bigint references issues on delete cascade, path text
);
create table field_values (
  issue_id bigint references issues on delete cascade, field_id bigint references custom_fields on delete cascade,
  project_id uuid not null references projects on delete cascade, value jsonb, primary key (issue_id, field_id)
);
create table board_columns (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  board_id bigint not null references boards on delete cascade, note text
);
create table board_cards (
  column_id bigint references board_columns on delete cascade, issue_id bigint references issues on delete cascade,
  project_id uuid not null references projects on delete cascade, primary key (column_id, issue_id)
);
create table wiki_pages (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  parent_id bigint references wiki_pages on delete restrict, title text
);
create table page_revisions (
  page_id bigint references wiki_pages on delete cascade, revision integer, previous integer,
  project_id uuid not null references projects on delete cascade, body text, primary key (page_id, revision),
  foreign key (page_id, previous) references page_revisions deferrable initially deferred
);
create table deployments (
  id bigserial primary key, project_id uuid not null references projects on delete cascade,
  slug text, release_id bigint references releases on delete cascade,
  foreign key (project_id, slug) references environments on delete restrict
);
create table runs (
  id bigint generated always as identity, project_id uuid not null references projects on delete cascade,
  started_at timestamptz not null, status text, primary key (id, started_at)
) partition by range (started_at);
create table runs_before partition of runs for values from (minvalue) to (date_trunc('month', now()) - interval '6 months');
create table runs_lately partition of runs default;
create table run_steps (
  run_id bigint, started_at timestamptz, n integer, project_id uuid not null references projects on delete cascade,
  primary key (run_id, started_at, n), foreign key (run_id, started_at) references runs on delete cascade
);

-- What outlives a project.
create table audit_log (
  id bigserial primary key, project_id uuid references projects on delete set null, action text not null, updated_at timestamptz not null default '2024-01-01'
);
create table usage_records (
  id bigserial primary key, month date not null, project_id uuid default id_of('project', 0) references projects on delete set default, amount numeric
);
create table invoices (id bigserial primary key, project_id uuid not null references projects on delete restrict, total numeric);

-- Every key has its index but those of three tables that never grew.
do $$
declare
  key record;
begin
  for key in
    select c.conrelid::regclass as relation, string_agg(quote_ident(a.attname), ', ' order by u.n) as columns
    from pg_constraint c
    cross join unnest(c.conkey) with ordinality u(attnum, n)
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = u.attnum
    where c.contype = 'f' and c.conparentid = 0 and c.connamespace = 'public'::regnamespace
      and c.conrelid::regclass::text not in ('projects', 'accounts', 'imports', 'exports', 'project_invites')
    group by c.oid
  loop
    execute format('create index on %s (%s)', key.relation, key.columns);
  end loop;
  for key in select c.oid::regclass as relation from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') loop
    execute format('alter table %s enable row level security', key.relation);
    execute format('create policy tenant on %s using (current_setting(''app.tenant'', true) is not null)', key.relation);
  end loop;
end $$;
create trigger touch before update on projects for each row execute function touch();
create trigger touch before update on accounts for each row execute function touch();
create trigger touch before update on audit_log for each row execute function touch();
create publication supabase_realtime for table issues, comments, notifications;
