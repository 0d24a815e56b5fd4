select nightshift.alter_retention_policy('public.posts', keep => array['public.reports', 'public.posts(reply_to_id)']);
select nightshift.alter_retention_policy('public.threads', keep => array['public.reports', 'public.posts(reply_to_id)']);
