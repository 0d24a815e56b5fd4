select nightshift.add_retention_policy('public.notices', '30 days', 'read_at', max_fraction => 0.8);
select nightshift.add_retention_policy('public.threads', '60 days',
  with_children => array[
    'public.posts(thread_id)', 'public.post_revisions(post_id)', 'public.reactions(post_id)', 'public.mentions', 'public.notices',
    'public.subscriptions', 'public.polls', 'public.poll_options', 'public.poll_votes'
  ],
  release => array['public.bookmarks', 'public.posts(quotes_id)'],
  keep => array['public.reports']);
select nightshift.add_retention_policy('public.posts', '30 days',
  with_children => array['public.post_revisions', 'public.reactions', 'public.mentions', 'public.notices'],
  release => array['public.bookmarks', 'public.posts(quotes_id)', 'public.threads'],
  keep => array['public.reports']);
select nightshift.add_retention_policy('public.members', '90 days',
  with_children => array[
    'public.reactions', 'public.mentions', 'public.subscriptions', 'public.bookmarks', 'public.poll_votes', 'public.notices',
    'public."PrivateMessage"("senderId")', 'public."PrivateMessage"("receiverId")'
  ],
  release => array['public.threads', 'public.posts', 'public.reports']);
