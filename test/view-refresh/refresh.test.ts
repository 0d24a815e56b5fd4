import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import {
  closeGate,
  gate,
  isCurrent,
  letPass,
  outcomes,
  refreshAtGate,
  runRefresh,
  viewOf,
  write,
} from '../support/views.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();

const table = 'create table app.items (id integer); insert into app.items values (1);';
const view = (name: string, policy = '') => viewOf(name, 'select id from app.items', 'id', policy);
const call = async (expression: string) => {
  const [row] = await db.sql.unsafe(`select ${expression} as answer`);
  return row?.answer;
};
const refreshes = () => db.sql`select * from nightshift.view_refreshes order by id`;

describe('a refresh policy', () => {
  const plainView = 'create materialized view app.seen as select id from app.items;';
  beforeEach(async () => {
    await startAfresh(db.sql);
    await db.sql.unsafe(`${table} ${plainView} create view app.plain as select 1 as id;`);
  });

  const add = (rest: string) => `nightshift.add_refresh_policy('app.seen', ${rest})`;
  it.each([
    ['a table', "nightshift.add_refresh_policy('app.items')", 'NS422'],
    ['a plain view', "nightshift.add_refresh_policy('app.plain')", 'NS422'],
    ['nothing', 'nightshift.add_refresh_policy(null)', 'NS404'],
    ['an object that is gone', 'nightshift.add_refresh_policy(4000000000::oid::regclass)', 'NS404'],
    ['no time', add("'0'"), 'NS422'],
    ['negative time', add("'-1 hour'"), 'NS422'],
    ['time that may be negative', add("'1 month -30 days'"), 'NS422'],
    ['time partly negative', add("'1 day -1 hour'"), 'NS422'],
    ['null', add('null'), 'NS422'],
    ['a schema that is not there', "nightshift.adopt_refresh_policies('nowhere')", 'NS404'],
    ['a null schema', 'nightshift.adopt_refresh_policies(null)', 'NS404'],
    ['a view without one, to alter', "nightshift.alter_refresh_policy('app.seen')", 'NS404'],
    ['a view without one, to remove', "nightshift.remove_refresh_policy('app.seen')", 'NS404'],
    ['a malformed name, to remove', `nightshift.remove_refresh_policy('a."')`, 'NS404'],
  ])('is refused for %s', async (_, expression, code) => {
    await expect(call(expression)).rejects.toMatchObject({
      code,
      hint: expect.stringMatching(/\w/),
    });
    expect(await db.sql`select from nightshift.refresh_policies`).toHaveLength(0);
  });

  it('is refused for infinite time, which Postgres does not know before 17', async () => {
    await expect(call(add("'infinity'"))).rejects.toMatchObject({
      code: expect.stringMatching(/^(NS422|22007)$/),
    });
  });

  it('is refused twice', async () => {
    await call("nightshift.add_refresh_policy('app.seen')");
    await expect(call("nightshift.add_refresh_policy('app.seen')")).rejects.toMatchObject({
      code: 'NS422',
      hint: expect.stringContaining('alter_refresh_policy'),
    });
  });

  it('changes in what is given alone, and never to what is not valid', async () => {
    await call("nightshift.add_refresh_policy('app.seen', '2 hours', allow_blocking => true)");
    const expected = { maxStaleness: '02:00:00', allowBlocking: true, enabled: false };
    const disable = "nightshift.alter_refresh_policy('app.seen', enabled => false)";
    expect(await call(disable)).toMatchObject(expected);
    await expect(
      call("nightshift.alter_refresh_policy('app.seen', '1 month -30 days')"),
    ).rejects.toMatchObject({ code: 'NS422' });
    expect(await call('nightshift.list_refresh_policies() -> 0')).toMatchObject(expected);
  });

  it('is adopted for each view of a schema that has none, once', async () => {
    await db.sql.unsafe('create materialized view app."Two" as select 2 as id');
    await call("nightshift.add_refresh_policy('app.seen', '2 hours')");
    const adopted = await call("nightshift.adopt_refresh_policies('app', '5 hours', true)");
    expect(adopted).toMatchObject([
      { view: 'app."Two"', maxStaleness: '05:00:00', allowBlocking: true, warnings: [] },
    ]);
    expect(await call("nightshift.adopt_refresh_policies('app')")).toEqual([]);
    expect(await call("nightshift.list_refresh_policies() -> 1 ->> 'maxStaleness'")).toBe(
      '02:00:00',
    );
  });

  it('says how to switch the policy of a view on that it reads', async () => {
    await db.sql.unsafe(`create materialized view app.above as select id from app.seen`);
    await call("nightshift.add_refresh_policy('app.seen', enabled => false)");
    const { warnings } = await call("nightshift.add_refresh_policy('app.above')");
    const fix = /switched off.* Fix: (select .*;)$/m.exec(warnings.join('\n'))?.[1];
    await db.sql.unsafe(fix ?? 'the warning is missing');
    const { warnings: left } = await call("nightshift.alter_refresh_policy('app.above')");
    expect(left.join('\n')).not.toContain('app.seen');
  });

  it('warns of what will keep a view from being refreshed or its data fresh, or exposes it', async () => {
    await db.sql.unsafe(`
      create materialized view app.odd as select id, now() as at from app.seen;
      grant select on app.odd to anon;
    `);
    const { warnings } = await call("nightshift.add_refresh_policy('app.odd')");
    expect(warnings).toHaveLength(4);
    expect(warnings.join('\n')).toMatch(
      /blocks its readers: it has no unique index on plain columns.*create unique index/,
    );
    expect(warnings.join('\n')).toMatch(/reads app\.seen, which has no refresh policy/);
    expect(warnings.join('\n')).toMatch(/refreshed every time.*now\(\)/);
    expect(warnings.join('\n')).toMatch(/exposes it to anon,.*revoke all on app\.odd/);

    await db.sql.unsafe(`
      create unique index on app.odd (id);
      create unique index on app.seen (id);
      select nightshift.add_refresh_policy('app.seen');
      revoke select on app.odd from anon;
    `);
    expect(await call("nightshift.list_refresh_policies() -> 0 -> 'warnings'")).toHaveLength(1);
  });
});

describe('a run', () => {
  beforeEach(async () => {
    await startAfresh(db.sql);
    await write(db.sql, `${table} ${view('app.one')} ${view('app.two')}`);
  });
  const inOrder = { parallelism: 1 };
  const beforeTheSecond = (statement: string) => ({
    beforeRefresh: (nth: number) => (nth === 2 ? db.sql.unsafe(statement) : undefined),
  });

  it('refreshes nothing more once Nightshift is paused', async () => {
    const pausing = beforeTheSecond("select nightshift.pause('a deployment')");
    const result = await runRefresh(db, inOrder, pausing);
    expect(result.report.viewsRefreshed).toBe(1);
    expect(result.run).toMatchObject({
      status: 'interrupted',
      error: { code: 'NS410', hint: expect.stringContaining('unpause') },
    });
    expect(result.report.steps[1]).toMatchObject({ status: 'waiting' });
    expect(await refreshes()).toMatchObject([{ status: 'refreshed' }]);
  });

  it.each([
    ['removed', "select nightshift.remove_refresh_policy('app.two')"],
    ['switched off', "select nightshift.alter_refresh_policy('app.two', enabled => false)"],
    ['without its view', 'drop materialized view app.two'],
  ])('leaves a view whose policy is %s since it was planned', async (_, statement) => {
    const result = await runRefresh(db, inOrder, beforeTheSecond(statement));
    expect(result.run.status).toBe('partial');
    expect(result.report.viewsRefreshed).toBe(1);
    expect(result.report.steps[1]).toMatchObject({ status: 'failed', error: { code: 'NS404' } });
    expect((await refreshes()).filter(({ mode }) => mode)).toHaveLength(1);
  });

  it('that ran out of time is resumed where it stopped, and leaves what is switched off', async () => {
    await write(db.sql, `${view('app.off')} ${view('app.three')}`);
    await call("nightshift.alter_refresh_policy('app.off', enabled => false)");
    let remaining = 60_000;
    const first = await runRefresh(db, inOrder, {
      deadline: { remainingMs: () => remaining },
      beforeRefresh: () => {
        remaining = 500;
      },
    });
    expect(first.run.status).toBe('continued');
    const { run, report } = await runRefresh(
      db,
      {},
      { resume: { runId: first.run.id, attempt: 1 } },
    );
    expect(run.status).toBe('succeeded');
    expect(await refreshes()).toHaveLength(3);
    expect(report).toMatchObject({ viewsRefreshed: 3, viewsUnchanged: 0, disabled: ['app.off'] });
  });

  it('whose lease was lost ends, and refreshes nothing more', async () => {
    const losing = beforeTheSecond(
      "update nightshift.runs set fence = fence + 1 where status = 'running'",
    );
    await expect(runRefresh(db, inOrder, losing)).rejects.toMatchObject({ code: 'NS409' });
    expect(await refreshes()).toMatchObject([{ view_name: 'app.one' }]);
  });

  it('refuses a stale fence, and answers the same call twice with one refresh', async () => {
    const { run } = await call("nightshift.begin_run('view-refresh', 'cli')");
    const refresh = (fence: number) =>
      call(`nightshift.refresh_view('${run.id}', ${fence}, 'app.one', force => true)`);
    await expect(refresh(run.fence - 1)).rejects.toMatchObject({ code: 'NS409' });
    const { modeReason, ...first } = await refresh(run.fence);
    expect(modeReason).toContain('readers');
    expect(await refresh(run.fence)).toEqual(first);
    expect(await refreshes()).toHaveLength(1);
    await call(`nightshift.finish_run('${run.id}', ${run.fence}, 'succeeded')`);
    await expect(refresh(run.fence)).rejects.toMatchObject({ code: 'NS409' });
  });

  it.each([
    ['a cast', 'note::regclass::oid::bigint'],
    ['a function', 'app.refuse(note)'],
  ])('says nothing of the rows that %s fails on', async (_, expression) => {
    await write(
      db.sql,
      `create table app.notes (note text);
      create function app.refuse(note text) returns integer language plpgsql immutable as $$
      begin raise exception 'no %', note using errcode = '42501'; end $$;
      ${viewOf('app.odd', `select ${expression} as id from app.notes`)}`,
    );
    await runRefresh(db);
    await letPass(db.sql);
    await write(db.sql, "insert into app.notes values ('secret_row')");
    const result = await runRefresh(db);
    expect(outcomes(result)['app.odd']).toBe('failed: changed');
    expect(JSON.stringify([result, await refreshes()])).not.toContain('secret_row');
  });

  it.each(['repeatable read', 'serializable'])('refuses the isolation level %s', async (level) => {
    const refreshing = db.sql.begin(
      `isolation level ${level}`,
      (sql) =>
        sql`select nightshift.refresh_policy_view(p) from nightshift.refresh_policies p limit 1`,
    );
    await expect(refreshing).rejects.toMatchObject({
      code: 'NS422',
      hint: expect.stringContaining('read committed'),
    });
    expect(await refreshes()).toHaveLength(0);
  });

  it('follows nine others within a second and refreshes nothing that they did', async () => {
    for (let n = 0; n < 10; n++) {
      await write(db.sql, `insert into app.items values (${n + 10})`);
      // However slow the machine is, the others were just before.
      if (n > 0)
        await db.sql`update nightshift.refresh_policies set last_refreshed_at = clock_timestamp()`;
      expect((await runRefresh(db)).run.status).toBe('succeeded');
    }
    expect(await refreshes()).toHaveLength(2);
  });

  it('beside nine others refreshes each view once between them', async () => {
    const results = await Promise.all(Array.from({ length: 10 }, () => runRefresh(db)));
    const count = (outcome: string) => results.filter((r) => r.outcome === outcome).length;
    expect(count('started')).toBeGreaterThanOrEqual(1);
    expect(count('started') + count('skipped')).toBe(10);
    expect(await refreshes()).toHaveLength(2);
  });
});

describe('a view that is being refreshed', () => {
  beforeEach(async () => {
    await startAfresh(db.sql);
    await write(
      db.sql,
      `${table} ${gate} ${view('app.other')}
      ${viewOf('app.slow', 'select id, app.pass() from app.items', 'id')}`,
    );
    await runRefresh(db);
    await letPass(db.sql);
    await write(db.sql, 'insert into app.items values (2)');
  });

  it('goes on answering readers, and each sees the old rows or the new', async () => {
    const open = await closeGate(db);
    const running = runRefresh(db);
    await until('the refresh is under way', () => refreshAtGate(db.sql));
    const seen: number[] = [];
    const read = async () => {
      const [row] = await db.sql`select count(*)::int as n from app.slow`;
      seen.push(row?.n);
      return row?.n === 2;
    };
    await read();
    await open();
    await until('the new rows are there', read);
    expect(new Set(seen)).toEqual(new Set([1, 2]));
    expect((await running).run.status).toBe('succeeded');
  });

  it('is left to the session of Nightshift that has it, without waiting', async () => {
    const user = db.connect();
    await user`begin`;
    await user`
      select nightshift.refresh_policy_view(p, true) from nightshift.refresh_policies p
      where view = 'app.slow'::regclass`;
    const result = await runRefresh(db);
    expect(outcomes(result)).toEqual({
      'app.other': 'refreshed: changed',
      'app.slow': 'blocked: busy',
    });
    expect(result.run.status).toBe('partial');
    await user`commit`;
  });

  it('is seen as changed by what was written meanwhile, and committed before or after', async () => {
    const open = await closeGate(db);
    let over = false;
    const running = runRefresh(db, { only: ['app.other', 'app.slow'] }).finally(() => {
      over = true;
    });
    await until('the refresh is under way', () => refreshAtGate(db.sql));
    let next = 100;
    const insert = () => write(db.sql, `insert into app.items values (${next++})`);
    await insert();
    await open();
    await until('the refresh is over', async () => {
      await insert();
      return over;
    });
    await running;
    await letPass(db.sql);
    await runRefresh(db);
    expect(await isCurrent(db.sql, 'app.other')).toBe(true);
    expect(await isCurrent(db.sql, 'app.slow')).toBe(true);
  });
});
