-- Member 0 stands for those who left. Members 281 to 300 left 100 days ago, threads 1 to 20 were deleted then.
insert into members (id, name, deleted_at)
select n, 'Member ' || n, case when n > 280 then now() - interval '100 days' end from generate_series(0, 300) n;
insert into boards values (1, null, 'All'), (2, 1, 'Help'), (3, 1, 'Chat');
insert into threads (id, board_id, author_id, title, deleted_at)
select n, 2 + n % 2, 1 + n % 300, 'Thread ' || n, case when n <= 20 then now() - interval '100 days' when n <= 30 then now() - interval '5 days' end
from generate_series(1, 200) n;
-- Each thread has twenty posts, and each answers the one before it.
insert into posts (id, thread_id, author_id, reply_to_id, body)
select t * 100 + n, t, 1 + (t + n) % 280, case when n > 1 then t * 100 + n - 1 end, 'Post ' || n
from generate_series(1, 200) t, generate_series(1, 20) n;
-- One chain of two thousand, all of it deleted, and one whose last post stays; a tree of which one leaf stays.
insert into threads (id, board_id, author_id, title) select n, 3, 1, 'Long ' || n from generate_series(301, 303) n;
insert into posts (id, thread_id, author_id, reply_to_id, body, deleted_at)
select t * 10000 + n, t, 1, case when n > 1 then t * 10000 + case t when 303 then n / 2 else n - 1 end end, 'Post',
  case when t = 301 or n < 500 then now() - interval '50 days' end
from generate_series(301, 303) t, generate_series(1, case t when 301 then 2000 else 500 end) n;
-- In threads 101 to 140 the last five posts were deleted, in 141 to 150 one in the middle.
update posts set deleted_at = now() - interval '50 days'
where thread_id between 101 and 140 and id % 100 > 15 or thread_id between 141 and 150 and id % 100 = 10;
-- Quotes lead to other threads, from those that stay to those that go and back.
update posts set quotes_id = (thread_id % 150 + 1) * 100 + 7 where id % 100 = 9 and thread_id <= 200;
update threads set solution_id = id * 100 + 18 where id <= 200 and id % 2 = 0;
update threads t set posts = (select count(*) from posts p where p.thread_id = t.id);
-- A post of thread 40, which stays, answers one of thread 20.
update posts set reply_to_id = 2020 where id = 4001;

insert into post_revisions select id, r, nullif(r - 1, 0), 'Text' from posts, generate_series(1, 3) r where id % 4 = 0;
insert into reactions select id, 1 + (id + n) % 300, '+1' from posts, generate_series(1, 2) n where id % 3 = 0;
insert into mentions select id, 1 + id % 300 from posts where id % 10 = 5;
insert into subscriptions select 1 + (t + m * 50) % 300, t from generate_series(1, 200) t, generate_series(1, 5) m;
insert into bookmarks select row_number() over (), 1 + id % 300, id, 'Later' from posts where id % 7 = 0;
insert into polls select t, t, 'Which?' from generate_series(1, 200, 3) t;
insert into poll_options select id, n, 'This' from polls, generate_series(1, 3) n;
insert into poll_votes select id, 1 + m % 3, 1 + (id + m) % 300 from polls, generate_series(1, 10) m;
-- Posts of threads 7 and 8, one of the long chain, and one that is deleted by itself.
insert into reports values (1, 705, 1, 'spam'), (2, 819, 2, 'rude'), (3, 3010500, 3, 'spam'), (4, 11020, 290, 'rude');
insert into "PrivateMessage" select n, 1 + n % 300, 1 + (n * 7 + 3) % 300, 'Hello' from generate_series(1, 900) n;
insert into notices (member_id, post_id, read_at)
select 1 + id % 300, id, case when id % 2 = 0 then current_date - 50 end from posts where id % 5 = 0;
analyze;
