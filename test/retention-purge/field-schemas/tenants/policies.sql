select nightshift.add_retention_policy('public.projects', '90 days',
  with_children => array[
    'public.project_settings', 'public.project_members', 'public.project_invites', 'public.api_keys', 'public.segments',
    'public.labels', 'public.milestones', 'public.saved_filters', 'public.integrations', 'public."IntegrationSecret"',
    'public.imports', 'public.exports', 'public.releases', 'public.sprints', 'public.notifications', 'public.dashboards',
    'public.widgets', 'public.boards', 'public.board_columns', 'public.board_cards', 'public.webhooks',
    'public.webhook_deliveries', 'public.alerts', 'public.alert_events', 'public.reports', 'public.report_schedules',
    'public.custom_fields', 'public.field_values', 'public.environments', 'public.feature_flags', 'public.flag_rules',
    'public.issues', 'public.issue_links', 'public.comments', 'public.attachments', 'public.wiki_pages',
    'public.page_revisions', 'public.deployments', 'public.runs', 'public.run_steps',
    'public.environment_flags(project_id, key)', 'public.issue_labels(issue_id)', 'public."_IssueToSprint"("A")',
    'public.comment_reactions'
  ],
  release => array['public.projects(template_id)', 'public.accounts', 'public.audit_log', 'public.usage_records'],
  keep => array['public.invoices']);
select nightshift.add_retention_policy('public.organizations', '90 days', with_children => array['public.organization_members']);
select nightshift.add_retention_policy('public.runs', '200 days', 'started_at', with_children => array['public.run_steps']);
