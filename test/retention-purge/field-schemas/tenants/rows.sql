-- 120 projects of 24 organizations. Projects 1 to 30 were deleted 100 days ago, 31 to 40 last week; organizations 1 to 3
-- too, and project 0 is for what belongs to none.
insert into organizations (id, name, deleted_at)
select id_of('organization', n), 'Organization ' || n, case when n between 1 and 3 then now() - interval '100 days' end from generate_series(0, 24) n;
insert into accounts (id, email) select id_of('account', n), n || '@example.com' from generate_series(1, 60) n;
insert into organization_members select id_of('organization', 1 + n % 24), id_of('account', n) from generate_series(1, 60) n;
insert into projects (id, organization_id, name, deleted_at)
select id_of('project', n), id_of('organization', case when n = 0 then 0 else 1 + n / 5 % 24 end), 'Project ' || n,
  case when n between 1 and 30 then now() - interval '100 days' when n between 31 and 40 then now() - interval '7 days' end
from generate_series(0, 119) n;
alter table projects disable trigger touch;
alter table accounts disable trigger touch;
-- Each third was made from another, in chains and across the line between what stays and what goes.
update projects p set template_id = id_of('project', (n + 7) % 120) from generate_series(0, 119, 3) n where p.id = id_of('project', n);
update accounts a set last_project_id = id_of('project', n) from generate_series(1, 60) n where a.id = id_of('account', n);
alter table projects enable trigger touch;
alter table accounts enable trigger touch;

do $$
declare
  plain text;
begin
  foreach plain in array array['project_invites', 'api_keys', 'segments', 'labels', 'milestones', 'saved_filters', 'integrations',
    'imports', 'exports', 'releases', 'sprints', 'notifications', 'dashboards', 'boards', 'webhooks', 'alerts', 'reports', 'custom_fields']
  loop
    execute format('insert into %I (project_id, note) select p.id, n::text from projects p, generate_series(1, 2) n order by p.name, n', plain);
  end loop;
end $$;
insert into project_settings select id, '{"theme": "dark"}' from projects;
insert into project_members select id_of('project', n), id_of('account', 1 + (n + m) % 60) from generate_series(0, 119) n, generate_series(1, 3) m;
insert into "IntegrationSecret" ("projectId", "integrationId", note) select project_id, id, 'sealed' from integrations;
insert into environments select p.id, slug from projects p, unnest(array['test', 'live']) slug;
insert into feature_flags select p.id, 'flag-' || n, '[]' from projects p, generate_series(1, 2) n;
insert into flag_rules (project_id, flag_key, segment_id) select s.project_id, 'flag-' || s.note, s.id from segments s;
insert into environment_flags select e.project_id, e.slug, f.key from environments e join feature_flags f using (project_id);
insert into widgets (project_id, dashboard_id, note) select project_id, id, n::text from dashboards, generate_series(1, 2) n;
insert into webhook_deliveries (project_id, webhook_id) select project_id, id from webhooks;
insert into alert_events (project_id, alert_id) select project_id, id from alerts;
insert into report_schedules (project_id, report_id) select project_id, id from reports;
insert into issues (project_id, number, title, milestone_id)
select m.project_id, m.note::integer * 10 + n, 'Issue', m.id from milestones m, generate_series(1, 3) n;
update issues i set parent_id = p.id from issues p where p.project_id = i.project_id and i.number in (12, 22) and p.number = 11;
insert into issue_labels select i.id, l.id from issues i join labels l using (project_id) where i.number % 2 = 1;
insert into "_IssueToSprint" select i.id, s.id from issues i join sprints s using (project_id) where i.number % 2 = 0 and s.note = '1';
insert into issue_links (project_id, source_id, target_id)
select i.project_id, i.id, t.id from issues i join issues t using (project_id) where i.number = 13 and t.number = 21;
-- Live projects 51 and 52 link to issues of projects 11 and 12, and project 13, which is due, to one of project 14.
insert into issue_links (project_id, source_id, target_id)
select s.project_id, s.id, t.id
from (values (51, 11), (52, 12), (13, 14)) v(source, target)
join issues s on s.project_id = id_of('project', v.source) and s.number = 11
join issues t on t.project_id = id_of('project', v.target) and t.number = 23;
insert into comments (project_id, issue_id, body) select project_id, id, 'First' from issues;
insert into comments (project_id, issue_id, reply_to_id, body) select project_id, issue_id, id, 'Reply' from comments;
insert into comment_reactions select id, id_of('account', 1 + id::integer % 60), '+1' from comments;
insert into attachments (project_id, issue_id, path) select project_id, id, 'a.pdf' from issues where number in (11, 12);
insert into field_values select i.id, f.id, project_id, '1' from issues i join custom_fields f using (project_id) where i.number = 11;
insert into board_columns (project_id, board_id, note) select project_id, id, 'To do' from boards;
insert into board_cards select c.id, i.id, project_id from board_columns c join issues i using (project_id) where i.number < 20;
insert into wiki_pages (project_id, title) select id, 'Home' from projects;
insert into wiki_pages (project_id, parent_id, title) select project_id, id, 'Page ' || n from wiki_pages, generate_series(1, 2) n;
insert into page_revisions select w.id, r, nullif(r - 1, 0), w.project_id, 'Text' from wiki_pages w, generate_series(1, 4) r;
insert into deployments (project_id, slug, release_id) select project_id, 'live', id from releases;
insert into runs (project_id, started_at, status)
select p.id, date_trunc('day', now()) - n * interval '40 days' - interval '1 hour', 'done' from projects p, generate_series(0, 9) n;
insert into run_steps select r.id, r.started_at, n, r.project_id from runs r, generate_series(1, 2) n;
insert into audit_log (project_id, action) select p.id, 'changed ' || n from projects p, generate_series(1, 3) n;
insert into usage_records (month, project_id, amount) select '2024-01-01', p.id, n from projects p, generate_series(1, 3) n;
insert into invoices (project_id, total) select id_of('project', n), 100 from generate_series(1, 119, 24) n;
analyze;
