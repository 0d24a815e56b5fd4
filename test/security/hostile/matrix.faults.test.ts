import type { Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleOf } from '../../support/property.ts';
import { type Bait, baits } from './baits.ts';
import { type Call, calls, withoutTables } from './calls.ts';
import { takeGuardAway } from './guardless.ts';
import { createWorld, type Owner, type World } from './world.ts';

interface Outcome {
  call: string;
  /** How often the bait ran as the owner. */
  ran: number;
  code: string | undefined;
  said: string;
}

/** Hangs the bait, makes the calls, each undone at once, and takes the bait away again. */
async function tryOut(
  world: World,
  bait: Bait,
  { guarded, chosen }: { guarded: boolean; chosen: readonly Call[] },
): Promise<Outcome[]> {
  const { admin } = world;
  const execute = (text = '') => admin.unsafe(world.nameRoles(text));
  const outcomes: Outcome[] = [];
  await admin`begin`;
  try {
    await execute(bait.before);
    await execute(`set local role <mallory>; ${bait.hang}; reset role`);
    await execute(bait.after);
    if (!bait.undo) {
      if (!guarded) await takeGuardAway(admin);
      for (const call of chosen) outcomes.push(await makeCall(world, admin, call));
      return outcomes;
    }
    await admin`commit`;
    for (const call of chosen) {
      const session = world.connect();
      await session`begin`;
      if (!guarded) await takeGuardAway(session);
      outcomes.push(await makeCall(world, session, call));
      await session.end();
    }
    return outcomes;
  } finally {
    await admin`rollback`;
    await execute(bait.undo);
  }
}

async function makeCall({ nameRoles, timesRun }: World, sql: Sql, call: Call): Promise<Outcome> {
  let said = '';
  let code: string | undefined;
  await sql`savepoint before_call`;
  await timesRun();
  try {
    // Anyone may set it, and then checks are looked at while planning.
    await sql.unsafe(nameRoles('set local role <owner>; set local constraint_exclusion = on'));
    const [begun] = call.job
      ? await sql`select nightshift.begin_run(${call.job}, 'cli', input => ${sql.json(call.input ?? {})}, dry_run => ${call.dryRun}) -> 'run' as run`
      : [];
    const lease = begun && `'${begun.run.id}', ${begun.run.fence}`;
    for (const statement of call.statements(lease ?? '')) {
      said = JSON.stringify(await sql.unsafe(statement));
    }
  } catch (thrown) {
    const error = thrown as { code?: string; message: string };
    code = error.code;
    said = error.message;
  }
  await sql`rollback to before_call`;
  return { call: call.name, ran: await timesRun(), code, said };
}

const namesOf = (outcomes: readonly Outcome[]) => outcomes.map(({ call }) => call);
const ran = (outcomes: readonly Outcome[]) => outcomes.filter((outcome) => outcome.ran > 0);

describe.each<Owner>(['a superuser', "Supabase's postgres"])(
  'owned by %s, no call runs',
  (owner) => {
    let world: World;
    const callsNear = (bait: Bait) =>
      calls.filter(({ table }) => table === undefined || table === bait.table);
    const callsThatRun = (bait: Bait) => calls.filter(({ name }) => bait.runsIn.includes(name));
    /** By day each bait is tried with some calls that would run it and some that would not, a night has time for all. */
    const [few, others] = owner === 'a superuser' ? [1, 0] : [2, 2];
    const chosenOf = (bait: Bait) => {
      const running = sampleOf(callsThatRun(bait), few);
      const rest = callsNear(bait).filter((call) => !callsThatRun(bait).includes(call));
      return { running, guarded: [...running, ...sampleOf(rest, others)] };
    };
    beforeAll(async () => {
      world = await createWorld(owner);
    });
    afterAll(() => world.drop());

    const hung = baits.flatMap((bait) =>
      bait.never ? [] : [[bait.name, bait, chosenOf(bait)] as const],
    );
    it.each(hung)('%s', async (_, bait, { running, guarded }) => {
      if (!world.has(bait)) return;
      const would = await tryOut(world, bait, {
        guarded: false,
        chosen: running,
      });
      expect(namesOf(ran(would)), 'would run it without the guard').toEqual(namesOf(would));
      expect(
        callsThatRun(bait)
          .map(({ name }) => name)
          .toSorted(),
      ).toEqual(bait.runsIn.toSorted());

      const outcomes = await tryOut(world, bait, {
        guarded: true,
        chosen: guarded,
      });
      expect(ran(outcomes)).toEqual([]);
      for (const { call, code, said } of outcomes) {
        expect([undefined, 'NS422'], `${call}: ${said}`).toContain(code);
        if (bait.served?.includes(call)) expect(code, `${call}: ${said}`).toBeUndefined();
        else if (bait.runsIn.includes(call)) expect(said, call).toContain(world.mallory);
      }
    });

    const harmless = baits.flatMap((bait) =>
      bait.never
        ? [[bait.name, bait.never, bait, sampleOf(callsNear(bait), 2 * few)] as const]
        : [],
    );
    it.each(harmless)('%s, guard or not: %s', async (_, __, bait, chosen) => {
      if (!world.has(bait)) return;
      expect(ran(await tryOut(world, bait, { guarded: false, chosen }))).toEqual([]);
    });

    it('that it was not tried with: the matrix has every function that is called from outside', async () => {
      const callable = await world.admin<{ name: string }[]>`
      select p.proname as name from pg_proc p
      where p.pronamespace = 'nightshift'::regnamespace and has_function_privilege('service_role', p.oid, 'execute')`;
      const forPeople = ['create_missing_partitions', 'secure_partitions'];
      const tried = new Set([...calls.map((call) => call.function), ...withoutTables]);
      expect([...tried].toSorted()).toEqual(
        [...callable.map(({ name }) => name), ...forPeople].toSorted(),
      );
    });
  },
);
