import type { PendingQuery, Row, Sql } from 'postgres';

/** What the schedules use of pg_cron, with its names, arguments and columns: what is scheduled is started by the test. */
const cronStandIn = `
  create schema cron;
  create table cron.job (
    jobid bigint generated always as identity primary key, schedule text not null, command text not null,
    nodename text not null default 'localhost', nodeport integer not null default 5432,
    database text not null default current_database(), username text not null default current_user,
    active boolean not null default true, jobname text, unique (jobname, username)
  );
  alter table cron.job enable row level security;
  create policy cron_job_policy on cron.job using (username = current_user);
  create table cron.job_run_details (
    jobid bigint, runid bigint generated always as identity primary key, status text, start_time timestamptz, end_time timestamptz
  );
  create function cron.schedule(job_name text, schedule text, command text) returns bigint language plpgsql as $$
  declare id bigint;
  begin
    if cardinality(regexp_split_to_array(schedule, '\\s+')) <> 5 then
      raise exception using errcode = '22023', message = 'invalid schedule: ' || schedule;
    end if;
    insert into cron.job (jobname, schedule, command) values (job_name, schedule.schedule, schedule.command)
    on conflict (jobname, username) do update set schedule = excluded.schedule, command = excluded.command returning jobid into id;
    return id;
  end $$;
  create function cron.unschedule(job_id bigint) returns boolean language sql as $$
    delete from cron.job where jobid = job_id returning true;
  $$;
  -- Its functions are looked up as members of the extension, so a small one lends its name.
  create extension tcn;
  update pg_extension set extname = 'pg_cron' where extname = 'tcn';
  alter extension pg_cron add function cron.schedule(text, text, text);
  alter extension pg_cron add function cron.unschedule(bigint);
`;

/** What they use of pg_net: what is sent waits for the test in the queue. */
export const netStandIn = `
  create schema net;
  create unlogged table net.http_request_queue (
    id bigint generated always as identity, method text not null, url text not null, headers jsonb, body bytea, timeout_milliseconds integer not null
  );
  create unlogged table net._http_response (
    id bigint, status_code integer, content_type text, headers jsonb, content text, timed_out boolean, error_msg text,
    created timestamptz not null default now()
  );
  create function net.http_post(
    url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{"Content-Type": "application/json"}',
    timeout_milliseconds integer default 1000
  ) returns bigint language sql as $$
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
    values ('POST', url, headers, convert_to(body::text, 'UTF8'), timeout_milliseconds) returning id;
  $$;
  create extension lo;
  update pg_extension set extname = 'pg_net' where extname = 'lo';
  alter extension pg_net add function net.http_post(text, jsonb, jsonb, jsonb, integer);
`;

export const standIns = `${cronStandIn} ${netStandIn}`;

/** What waits to be sent. */
export interface Sent {
  id: string;
  url: string;
  body: string;
}

/** Takes what waits out of the queue, as pg_net does before it sends: what is lost then is never sent again. */
export async function takeSent(sql: Sql): Promise<Sent[]> {
  const sent = await sql<Sent[]>`
    delete from net.http_request_queue returning id::text, url, convert_from(body, 'UTF8') as body`;
  return sent.toSorted((one, other) => Number(one.id) - Number(other.id));
}

/** Sends over the network what waits, to where `addressOf` says that a URL leads, and writes down the answers. */
export async function deliver(sql: Sql, addressOf: (url: string) => string): Promise<number[]> {
  const statuses: number[] = [];
  for (const { id, url, body } of await takeSent(sql)) {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(addressOf(url), { method: 'POST', headers, body });
    await answer(sql, id, response.status, await response.text());
    statuses.push(response.status);
  }
  return statuses;
}

export async function answer(sql: Sql, id: string, status: number, content = ''): Promise<void> {
  await sql`
    insert into net._http_response (id, status_code, content) values (${id}, ${status}, ${content})`;
}

/** Starts what pg_cron starts when the time of a schedule has come. */
export async function fire(sql: Sql, jobName: string): Promise<void> {
  const [job] = await sql<{ command: string }[]>`
    select command from cron.job where jobname = ${jobName}`;
  if (!job) throw new Error(`pg_cron has no job ${jobName}`);
  await sql.unsafe(job.command);
}

/** As if so many minutes more had passed since all that the schedules remember. A due time is also in the key of its run. */
export async function letMinutesPass(sql: Sql, minutes: number): Promise<void> {
  const ago = sql`make_interval(mins => ${minutes})`;
  const inKey = (time: PendingQuery<Row[]>) =>
    sql`to_char((${time}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')`;
  const was = inKey(sql`s.due_at`);
  const becomes = inKey(sql`s.due_at - ${ago}`);
  await sql`
    update nightshift.runs r set idempotency_key = replace(r.idempotency_key, ${was}, ${becomes})
    from nightshift.schedules s where r.requested_by = 'cron ' || s.name and s.due_at is not null`;
  await sql`
    update nightshift.schedules s
    set due_at = due_at - ${ago}, waiting_since = waiting_since - ${ago}, posted_at = posted_at - ${ago},
      woken_for = case when due_at is null then woken_for else replace(woken_for, ${was}, ${becomes}) end`;
  await sql`update nightshift.home set told_at = told_at - ${ago}, functions_tell_at = functions_tell_at - ${ago}`;
}
