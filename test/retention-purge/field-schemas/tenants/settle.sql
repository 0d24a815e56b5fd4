delete from issue_links l using issues t where t.id = l.target_id and t.project_id <> l.project_id;
select nightshift.alter_retention_policy('public.organizations', keep => array['public.projects']);
