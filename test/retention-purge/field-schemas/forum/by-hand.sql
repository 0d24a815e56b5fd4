delete from notices where read_at < (now() at time zone 'UTC')::date - 30;

-- A post stays when nobody deleted it, when it was reported, or when one that stays answers it. A thread stays when a post
-- of it would, were it deleted with all of them.
create table staying as
with recursive staying(id) as (
  select p.id
  from posts p join threads t on t.id = p.thread_id
  where (t.deleted_at < now() - interval '60 days') is not true and (p.deleted_at < now() - interval '30 days') is not true
  union
  select post_id from reports
  union
  select p.reply_to_id from staying s join posts p on p.id = s.id where p.reply_to_id is not null
)
select * from staying;
create table gone_threads as
select t.id from threads t
where t.deleted_at < now() - interval '60 days' and not exists (select from posts p join staying s on s.id = p.id where p.thread_id = t.id);
create table gone as
select p.id from posts p
where p.thread_id in (select id from gone_threads)
  or p.deleted_at < now() - interval '30 days' and p.id not in (select id from staying);
update threads t set posts = t.posts - g.n
from (select p.thread_id, count(*) as n from posts p where p.id in (select id from gone) group by p.thread_id) g
where t.id = g.thread_id and t.id not in (select id from gone_threads);
delete from threads where id in (select id from gone_threads);
delete from posts where id in (select id from gone);
update posts set quotes_id = null where quotes_id in (select id from gone);
update threads set solution_id = null where solution_id in (select id from gone);
update bookmarks set post_id = null where post_id in (select id from gone);
delete from post_revisions where post_id in (select id from gone);
delete from reactions where post_id in (select id from gone);
delete from mentions where post_id in (select id from gone);
delete from notices where post_id in (select id from gone);
delete from subscriptions where thread_id in (select id from gone_threads);
delete from poll_votes where poll_id in (select id from polls where thread_id in (select id from gone_threads));
delete from poll_options where poll_id in (select id from polls where thread_id in (select id from gone_threads));
delete from polls where thread_id in (select id from gone_threads);
drop table gone, gone_threads, staying;

create table gone as select id from members where deleted_at < now() - interval '90 days';
delete from members where id in (select id from gone);
update threads set author_id = 0 where author_id in (select id from gone);
update posts set author_id = 0 where author_id in (select id from gone);
update reports set reporter_id = null where reporter_id in (select id from gone);
delete from reactions where member_id in (select id from gone);
delete from mentions where member_id in (select id from gone);
delete from subscriptions where member_id in (select id from gone);
delete from bookmarks where member_id in (select id from gone);
delete from poll_votes where member_id in (select id from gone);
delete from notices where member_id in (select id from gone);
delete from "PrivateMessage" where "senderId" in (select id from gone) or "receiverId" in (select id from gone);
drop table gone;
