import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bait, baits } from './baits.ts';
import { type Call, calls } from './calls.ts';
import { createWorld, type Owner, type World } from './world.ts';

interface Outcome {
  call: string;
  ran: number;
  code?: string;
  said: string;
}

const guardless = '';

async function makeCalls(world: World, bait: Bait, guarded: boolean): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const { admin } = world;
  await admin`begin`;
  try {
    if (!guarded) await admin.unsafe(guardless);
    const sql = (text = '') => admin.unsafe(text.replaceAll('<mallory>', world.mallory));
    await sql(bait.before);
    await sql(`set local role <mallory>; ${bait.hang}; reset role`);
    await sql(bait.after);
    await admin.unsafe(`set local role ${world.ownerName}; set local constraint_exclusion = on`);
    await world.timesRun();
    for (const call of calls) outcomes.push(await makeCall(world, call));
  } finally {
    await admin`rollback`;
  }
  return outcomes;
}

async function makeCall({ admin, timesRun }: World, call: Call): Promise<Outcome> {
  let said = '';
  let code: string | undefined;
  await admin`savepoint before_call`;
  try {
    let lease = '';
    if (call.job) {
      const [begun] = await admin`
        select nightshift.begin_run(${call.job}, 'cli', dry_run => ${call.dryRun ?? false}) -> 'run' as run`;
      lease = `'${begun?.run.id}', ${begun?.run.fence}`;
    }
    for (const statement of call.statements(lease))
      said = JSON.stringify(await admin.unsafe(statement));
  } catch (error) {
    const thrown = error as { code?: string; message: string };
    code = thrown.code;
    said = thrown.message;
  }
  await admin`rollback to before_call`;
  return { call: call.name, ran: await timesRun(), said, ...(code ? { code } : {}) };
}

describe.each<Owner>(['a superuser', "Supabase's postgres"])('to %s', (owner) => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(owner);
  });
  afterAll(() => world.drop());

  it.each(baits)('$name', async (bait) => {
    const outcomes = await makeCalls(world, bait, true);
    console.log(bait.name);
    for (const { call, ran, code, said } of outcomes)
      if (ran || code || call.includes('preview'))
        console.log('   ', ran, call, code ?? '', said.slice(0, 300));
  });
});
