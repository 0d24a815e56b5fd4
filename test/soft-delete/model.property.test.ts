import fc from 'fast-check';
import type { Sql } from 'postgres';
import { expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { propertyRuns } from '../support/property.ts';
import { runPurge } from '../support/purge.ts';

type Table = 'rooms' | 'desks';
type Step =
  | {
      act: 'softDelete' | 'restore' | 'update deleted' | 'update restored';
      table: Table;
      ids: number[];
    }
  | { act: 'restoreOperation'; nth: number }
  | { act: 'purge'; ids: number[] };
interface Failed {
  relation?: string;
  key: number;
  code: string;
}
/** A step that was not refused, and the rows that it says it left because of the other client. */
interface Done {
  step: Step;
  left: string[];
}
/** By which operation each row is deleted, null for one that is not; rows that were purged are not there. */
type State = Record<Table, Map<number, string | null>>;

const rooms = [1, 2, 3, 4];
const desks = [1, 2, 3, 4, 5, 6, 7, 8];
/** Two rooms of a name, which is unique among those that are active. */
const nameOf = (room: number) => (room % 2 ? 'a' : 'b');
const roomOf = (desk: number) => ((desk - 1) % rooms.length) + 1;

const someOf = (ids: number[]) => fc.subarray(ids, { minLength: 1, maxLength: 4 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom<Table>('rooms', 'desks').chain((table) =>
    fc.record({
      act: fc.constantFrom('softDelete', 'restore', 'update deleted', 'update restored'),
      table: fc.constant(table),
      ids: someOf(table === 'rooms' ? rooms : desks),
    }),
  ),
  fc.record({ act: fc.constant('restoreOperation' as const), nth: fc.nat(20) }),
  fc.record({ act: fc.constant('purge' as const), ids: someOf(desks) }),
);

const isActive = (state: State, table: Table, id: number) => state[table].get(id) === null;
const clone = (state: State): State => ({
  rooms: new Map(state.rooms),
  desks: new Map(state.desks),
});
const taken = (state: State, room: number) =>
  rooms.some(
    (other) => other !== room && nameOf(other) === nameOf(room) && isActive(state, 'rooms', other),
  );

function bringBack(state: State, table: Table, ids: number[], left: string[]): void {
  for (const id of ids.toSorted((one, other) => one - other)) {
    if (!state[table].get(id) || left.includes(`${table} ${id}`)) continue;
    if (table === 'rooms' ? taken(state, id) : !isActive(state, 'rooms', roomOf(id))) continue;
    state[table].set(id, null);
  }
}

/** What a step makes of a state; `operation` is what it deletes by, and `operations` those of the steps before. */
function after(
  before: State,
  { step, left }: Done,
  operation: string,
  operations: string[],
): State {
  const state = clone(before);
  if (step.act === 'purge') {
    for (const id of step.ids) if (state.desks.get(id)) state.desks.delete(id);
  } else if (step.act === 'restoreOperation') {
    const wanted = operations[step.nth % operations.length];
    for (const table of ['rooms', 'desks'] as const) {
      const ids = [...state[table]].filter(([, by]) => by === wanted).map(([id]) => id);
      bringBack(state, table, ids, left);
    }
  } else if (step.act === 'restore') {
    bringBack(state, step.table, step.ids, left);
  } else if (step.act === 'update restored') {
    for (const id of step.ids) if (state[step.table].get(id)) state[step.table].set(id, null);
    if (
      step.table === 'rooms' &&
      rooms.some((id) => isActive(state, 'rooms', id) && taken(state, id))
    ) {
      return before;
    }
  } else {
    for (const id of step.ids.filter((one) => isActive(before, step.table, one))) {
      state[step.table].set(id, operation);
      if (step.table === 'desks' || step.act === 'update deleted') continue;
      for (const desk of desks) {
        if (roomOf(desk) === id && isActive(state, 'desks', desk)) state.desks.set(desk, operation);
      }
    }
  }
  return state;
}

/** Steps one after the other, and two at once: then either may have been the first. */
const scenarios = fc.array(fc.oneof(fc.tuple(steps), fc.tuple(steps, steps)), {
  minLength: 1,
  maxLength: 12,
});
const { numRuns, timeoutMs, seed } = propertyRuns(8);
const db = setUpDatabase();

/** Refused because of another: nothing was changed, and whoever calls repeats it. */
const inTheWay = /^(40P01|55P03|NS425)$/;
/** One key that is not to be deleted or restored, an operation with nothing left, a name that is taken. */
const refused = /^(NS404|NS409|23505)$/;
/**
 * Why a restore beside another step leaves a row: it is locked for too long, or its name is taken when the row has its turn.
 * The next may find its own free: rows come back one by one, not all as of one moment.
 */
const ofTheOther = /^(55P03|23505)$/;

async function perform(
  sql: Sql,
  step: Step,
  operations: string[],
  isAlone: boolean,
): Promise<Done | null> {
  if (step.act === 'purge') {
    // Deleted anew, and long ago: what the first deletion wrote does not change.
    const isStopped = await sql
      .begin(async (transaction) => {
        const rows = await transaction<{ id: number }[]>`
        update app.desks set deleted_at = null where id = any(${step.ids}) and deleted_at is not null returning id`;
        const ids = rows.map(({ id }) => id);
        await transaction`update app.desks set deleted_at = now() - interval '40 days' where id = any(${ids})`;
      })
      .then(
        () => false,
        (error: { code: string }) => {
          if (inTheWay.test(error.code)) return true;
          throw error;
        },
      );
    if (isStopped) return null;
    await runPurge(db);
    return { step, left: [] };
  }
  const call =
    step.act === 'restoreOperation'
      ? sql`select nightshift.restore_operation(${operations[step.nth % operations.length] ?? ''}) as answer`
      : step.act === 'softDelete'
        ? sql`select nightshift.soft_delete(${`app.${step.table}`}, ${sql.json(step.ids)}) as answer`
        : step.act === 'restore'
          ? sql`select nightshift.restore(${`app.${step.table}`}, ${sql.json(step.ids)}) as answer`
          : step.act === 'update deleted'
            ? sql`update app.${sql(step.table)} set deleted_at = now() where id = any(${step.ids})`
            : sql`update app.${sql(step.table)} set deleted_at = null where id = any(${step.ids})`;
  try {
    const [row] = await call;
    const failed: Failed[] = row?.answer?.failed ?? [];
    const left = failed
      .filter(({ code }) => ofTheOther.test(code) && !isAlone)
      .map(({ relation = `app.${'table' in step ? step.table : ''}`, key }) =>
        `${relation} ${key}`.slice('app.'.length),
      );
    return { step, left };
  } catch (error) {
    const { code } = error as { code: string };
    if (inTheWay.test(code)) return null;
    if (!refused.test(code)) throw error;
    return { step, left: [] };
  }
}

async function readState(): Promise<State> {
  const read = async (table: Table) => {
    const found = await db.sql<{ id: number; by: string | null }[]>`
      select id, case when deleted_at is not null then coalesce(deletion_id::text, 'none') end as by from app.${db.sql(table)}`;
    return new Map(found.map(({ id, by }) => [id, by]));
  };
  return { rooms: await read('rooms'), desks: await read('desks') };
}

/** Operations have ids of their own: the rows that went together are what counts. */
function shape(state: State): string {
  const names = new Map<string, number>();
  const named = (by: string | null) => {
    if (by === null) return '-';
    if (!names.has(by)) names.set(by, names.size);
    return String(names.get(by));
  };
  return (['rooms', 'desks'] as const)
    .map((table) =>
      [...state[table]]
        .toSorted(([one], [other]) => one - other)
        .map(([id, by]) => `${table}${id}:${named(by)}`)
        .join(' '),
    )
    .join(' ');
}

it(
  'ends where a model says, whatever two clients do, and the history leads there as well',
  async () => {
    const clients = [db.connect(), db.connect()];
    await fc.assert(
      fc.asyncProperty(scenarios, async (scenario) => {
        await startAfresh(db.sql);
        await db.sql.unsafe(`
          delete from nightshift.soft_delete_tables;
          truncate nightshift.deletion_events;
          create table app.rooms (id integer primary key, name text not null);
          create table app.desks (id integer primary key, room_id integer references app.rooms);
          create index on app.desks (room_id);
          insert into app.rooms values ${rooms.map((id) => `(${id}, '${nameOf(id)}')`).join(',')};
          insert into app.desks values ${desks.map((id) => `(${id}, ${roomOf(id)})`).join(',')};
          select nightshift.enable_soft_delete('app.desks', drop_after => '30 days');
          select nightshift.alter_retention_policy('app.desks', max_fraction => 1);
          select nightshift.enable_soft_delete('app.rooms', cascade => array['app.desks']);
          update app.rooms set deleted_at = now() where id > 2;
          select nightshift.enable_soft_delete('app.rooms', unique_among_active => array['name']);
        `);
        const operations: string[] = [];
        const note = (state: State) => {
          for (const by of [...state.rooms.values(), ...state.desks.values()]) {
            if (by && !operations.includes(by)) operations.push(by);
          }
        };
        for (const together of scenario) {
          const before = await readState();
          note(before);
          const outcomes = await Promise.all(
            together.map((step, n) =>
              perform(clients[n] ?? db.sql, step, [...operations], together.length === 1),
            ),
          );
          const done = outcomes.filter((outcome) => outcome !== null);
          // A run leaves what the other client has locked, and is refused beside another run: the next night's takes it.
          if (together.length > 1 && done.some(({ step }) => step.act === 'purge')) {
            await runPurge(db);
          }
          const found = await readState();
          const expected = [done, done.toReversed()].map((order) =>
            shape(
              order.reduce(
                (state, one) => after(state, one, `new ${together.indexOf(one.step)}`, operations),
                before,
              ),
            ),
          );
          expect(
            expected,
            JSON.stringify({ outcomes, before: shape(before), found: shape(found) }),
          ).toContain(shape(found));
          note(found);
        }

        const events = await db.sql<{ action: string; relation_name: string; keys: number[] }[]>`
          select action, relation_name, keys from nightshift.deletion_events where action in ('delete', 'restore') order by id`;
        const deleted = new Set<string>();
        for (const { action, relation_name, keys } of events) {
          for (const key of keys) {
            const one = `${relation_name} ${key}`;
            // A row is deleted when it was not, and restored when it was.
            expect(deleted.has(one), `${action} ${one}`).toBe(action === 'restore');
            if (action === 'restore') deleted.delete(one);
            else deleted.add(one);
          }
        }
        const state = await readState();
        for (const table of ['rooms', 'desks'] as const) {
          for (const [id, by] of state[table])
            expect(deleted.has(`app.${table} ${id}`)).toBe(by !== null);
        }
      }),
      { numRuns, seed },
    );
  },
  timeoutMs,
);
