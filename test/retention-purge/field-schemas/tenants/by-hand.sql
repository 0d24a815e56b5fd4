-- What a careful person would delete, on copies without keys: projects with an invoice stay (1, 25), and those that a live
-- project links to (11, 12), and then organizations that have a project.
create table gone as
select id_of('project', n) as id from generate_series(1, 30) n where n not in (1, 25, 11, 12);
delete from projects where id in (select id from gone);
delete from project_settings where project_id in (select id from gone);
delete from project_members where project_id in (select id from gone);
delete from project_invites where project_id in (select id from gone);
delete from api_keys where project_id in (select id from gone);
delete from segments where project_id in (select id from gone);
delete from labels where project_id in (select id from gone);
delete from milestones where project_id in (select id from gone);
delete from saved_filters where project_id in (select id from gone);
delete from integrations where project_id in (select id from gone);
delete from "IntegrationSecret" where "projectId" in (select id from gone);
delete from imports where project_id in (select id from gone);
delete from exports where project_id in (select id from gone);
delete from releases where project_id in (select id from gone);
delete from sprints where project_id in (select id from gone);
delete from notifications where project_id in (select id from gone);
delete from dashboards where project_id in (select id from gone);
delete from widgets where project_id in (select id from gone);
delete from boards where project_id in (select id from gone);
delete from board_columns where project_id in (select id from gone);
delete from board_cards where project_id in (select id from gone);
delete from webhooks where project_id in (select id from gone);
delete from webhook_deliveries where project_id in (select id from gone);
delete from alerts where project_id in (select id from gone);
delete from alert_events where project_id in (select id from gone);
delete from reports where project_id in (select id from gone);
delete from report_schedules where project_id in (select id from gone);
delete from custom_fields where project_id in (select id from gone);
delete from field_values where project_id in (select id from gone);
delete from environments where project_id in (select id from gone);
delete from feature_flags where project_id in (select id from gone);
delete from flag_rules where project_id in (select id from gone);
delete from environment_flags where project_id in (select id from gone);
delete from issue_labels where issue_id in (select id from issues where project_id in (select id from gone));
delete from "_IssueToSprint" where "A" in (select id from issues where project_id in (select id from gone));
delete from comment_reactions where comment_id in (select id from comments where project_id in (select id from gone));
delete from issues where project_id in (select id from gone);
delete from issue_links where project_id in (select id from gone);
delete from comments where project_id in (select id from gone);
delete from attachments where project_id in (select id from gone);
delete from wiki_pages where project_id in (select id from gone);
delete from page_revisions where project_id in (select id from gone);
delete from deployments where project_id in (select id from gone);
delete from runs where project_id in (select id from gone) or started_at < now() - interval '200 days';
delete from run_steps where project_id in (select id from gone) or started_at < now() - interval '200 days';
update projects set template_id = null, updated_at = now() where template_id in (select id from gone);
update accounts set last_project_id = null, updated_at = now() where last_project_id in (select id from gone);
update audit_log set project_id = null, updated_at = now() where project_id in (select id from gone);
update usage_records set project_id = id_of('project', 0) where project_id in (select id from gone);
create table gone_organizations as
select o.id from organizations o
where o.deleted_at < now() - interval '90 days' and not exists (select from projects p where p.organization_id = o.id);
delete from organizations where id in (select id from gone_organizations);
delete from organization_members where organization_id in (select id from gone_organizations);
drop table gone, gone_organizations;
