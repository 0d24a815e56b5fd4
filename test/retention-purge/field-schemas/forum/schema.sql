-- A forum in threads: replies refer to what they answer, in long chains; every post keeps its revisions; threads name the
-- post that solved them; counters are kept by triggers.

create table members (id bigint primary key, name text not null, deleted_at timestamptz, posts integer not null default 0);
create index on members (deleted_at) where deleted_at is not null;
create table boards (id integer primary key, parent_id integer references boards, title text);
create table threads (
  id bigint primary key, board_id integer not null references boards on delete cascade,
  author_id bigint default 0 references members on delete set default, title text,
  solution_id bigint, posts integer not null default 0, deleted_at timestamptz
);
create index on threads (deleted_at) where deleted_at is not null;
create index on threads (board_id);
create index on threads (author_id);
create table posts (
  id bigint primary key, thread_id bigint not null references threads on delete cascade,
  author_id bigint default 0 references members on delete set default,
  reply_to_id bigint references posts, quotes_id bigint references posts on delete set null,
  body text, meta jsonb not null default '{}', deleted_at timestamptz
);
alter table threads add foreign key (solution_id) references posts on delete set null deferrable initially deferred;
create index on threads (solution_id) where solution_id is not null;
create index on posts (deleted_at) where deleted_at is not null;
create index on posts (thread_id);
create index on posts (author_id);
create index on posts (reply_to_id) where reply_to_id is not null;
create index on posts using hash (quotes_id);
create table post_revisions (
  post_id bigint references posts on delete cascade, revision integer, previous integer, body text,
  primary key (post_id, revision), foreign key (post_id, previous) references post_revisions
);
create index on post_revisions (post_id, previous);
create table reactions (
  post_id bigint references posts on delete cascade, member_id bigint references members on delete cascade, kind text,
  primary key (post_id, member_id, kind)
) partition by hash (post_id);
create table reactions_0 partition of reactions for values with (modulus 2, remainder 0);
create table reactions_1 partition of reactions for values with (modulus 2, remainder 1);
create index on reactions (member_id);
create table mentions (post_id bigint references posts on delete cascade, member_id bigint references members on delete cascade, primary key (post_id, member_id));
create index on mentions (member_id);
create table subscriptions (member_id bigint references members on delete cascade, thread_id bigint references threads on delete cascade, primary key (member_id, thread_id));
create index on subscriptions (thread_id);
create table bookmarks (id bigint primary key, member_id bigint references members on delete cascade, post_id bigint references posts on delete set null, note text);
create index on bookmarks (member_id);
create index on bookmarks (post_id);
create table polls (id bigint primary key, thread_id bigint not null unique references threads on delete restrict, question text);
create table poll_options (poll_id bigint references polls on delete restrict, n integer, label text, primary key (poll_id, n));
create table poll_votes (
  poll_id bigint, n integer, member_id bigint references members on delete cascade, primary key (poll_id, member_id),
  foreign key (poll_id, n) references poll_options on delete restrict
);
create index on poll_votes (poll_id, n);
create index on poll_votes (member_id);
-- Few, and without an index: what was reported stays as evidence.
create table reports (id bigint primary key, post_id bigint not null references posts, reporter_id bigint references members on delete set null, reason text);
create table "PrivateMessage" (
  id bigint primary key, "senderId" bigint references members on delete cascade, "receiverId" bigint references members on delete cascade, body text
);
create index on "PrivateMessage" ("senderId");
create index on "PrivateMessage" ("receiverId");
create table notices (id bigint generated always as identity primary key, member_id bigint references members on delete cascade, post_id bigint references posts on delete cascade, read_at date);
create index on notices (read_at);
create index on notices (member_id);
create index on notices (post_id);

create function count_down() returns trigger language plpgsql set search_path = '' as $$
begin
  update public.threads t set posts = t.posts - 1 where t.id = old.thread_id;
  return null;
end $$;
create trigger count_down after delete on posts for each row execute function count_down();
alter table "PrivateMessage" enable row level security;
alter table posts enable row level security;
create policy is_not_deleted on posts for select using (deleted_at is null);
