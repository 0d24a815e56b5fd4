import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';
import { readCheck } from '../support/health.ts';

const db = setUpDatabase();
beforeEach(() => db.sql`delete from nightshift.health_thresholds`);

async function set(check: string, arguments_ = ''): Promise<Record<string, unknown>> {
  const [row] = await db.sql.unsafe(
    `select nightshift.set_health_threshold('${check}'${arguments_}) as answer`,
  );
  return row?.answer;
}

describe('thresholds of your own', () => {
  it('go before those of the check, and those of a subject before those of all', async () => {
    await set('connections', ', warning => 0.01');
    expect((await readCheck(db.sql, 'connections')).level).toBe('warning');
    await set('connections', ", 'all connections', critical => 0.01");
    expect((await readCheck(db.sql, 'connections')).level).toBe('critical');
    await db.sql`select nightshift.remove_health_threshold('connections', 'all connections')`;
    expect((await readCheck(db.sql, 'connections')).level).toBe('warning');
    await db.sql`select nightshift.remove_health_threshold('connections')`;
    expect(await readCheck(db.sql, 'connections')).toMatchObject({ level: 'ok', warning: 80 });
  });

  it('can be set again, and are shown with the check', async () => {
    await set('connections', ', warning => 50, critical => 60');
    expect(await set('connections', ', warning => 70, critical => 90')).toMatchObject({
      unit: 'percent',
      warning: 70,
      critical: 90,
      off: false,
      warnings: [],
    });
    expect(await readCheck(db.sql, 'connections')).toMatchObject({ warning: 70, critical: 90 });
  });

  it('of which none is left switch the check off, which is not called well', async () => {
    expect(await set('connections')).toMatchObject({ off: true, warnings: [] });
    expect(await readCheck(db.sql, 'connections')).toMatchObject({ off: true, level: 'ok' });
  });

  it('tell of a level that is never reached any more', async () => {
    expect((await set('connections', ', warning => 85')).warnings).toEqual([
      'critical was 95, and is never reached now.',
    ]);
  });

  it('tell of a subject that there is not, and of some that there are', async () => {
    expect(
      (await set('connections', ", 'all conections', warning => 85, critical => 95")).warnings,
    ).toEqual([expect.stringMatching(/no subject all conections .* such as all connections\.$/)]);
  });

  it.each([
    ['connections', ', warning => 90, critical => 80', 'NS422', /higher is worse/],
    ['partition_horizon', ', warning => 1, critical => 7', 'NS422', /lower is worse/],
    ['connections', ", warning => 'NaN'", 'NS422', /must be a finite number/],
    ['connections', ", '', warning => 1", 'NS422', /must not be empty/],
    ['nothing_such', ', warning => 1', 'NS404', /no health check nothing_such/],
  ])('%s%s is refused with %s', async (check, arguments_, code, message) => {
    await expect(set(check, arguments_)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await db.sql`select from nightshift.health_thresholds`).toHaveLength(0);
  });

  it('that are not there cannot be removed', async () => {
    for (const [check, message] of [
      ['connections', /No threshold was set/],
      ['nothing_such', /no health check/],
    ] as const) {
      await expect(
        db.sql`select nightshift.remove_health_threshold(${check})`,
      ).rejects.toMatchObject({ code: 'NS404', message: expect.stringMatching(message) });
    }
  });
});
