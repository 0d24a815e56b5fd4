import type postgres from 'postgres';
import * as z from 'zod';
import { type HealthCheck, healthDocument } from '../../functions/health-check/schema.ts';
import type { TestDatabase } from './database.ts';

type Undo = () => Promise<unknown>;

/** How a check is made to fire, to fall silent again, and to be unable to run. */
export interface HealthScenario {
  check: string;
  /** What it is about to find. The level is that of the default thresholds unless the scenario sets others. */
  finding: {
    subject: string | RegExp;
    level: 'info' | 'warning' | 'critical';
    detail?: RegExp;
  };
  /** Makes it fire. A function that it returns undoes what the fix does not, such as closing a session. */
  sicken(db: TestDatabase): Promise<unknown>;
  /** How far ahead of now the check is run, such as '45 minutes', instead of waiting for so long. */
  ahead?: string;
  /** Mends it; `fix` does so by running the SQL of the finding itself. */
  mend: 'fix' | ((db: TestDatabase) => Promise<unknown>);
  /** Keeps it from running: takes a right from its owner, locks what it reads, or something of its own. */
  obstruct:
    | { revoke: string }
    | { revokeRole: string }
    | { lock: string }
    | ((db: TestDatabase) => Promise<Undo>);
  /** What it says then. */
  unknown?: RegExp;
}

export async function readHealth(
  sql: postgres.Sql,
  {
    only,
    quick = false,
    ahead = '0',
  }: { only?: string[]; quick?: boolean; ahead?: string | undefined } = {},
) {
  const [row] =
    await sql`select nightshift.get_health(${only ?? null}, ${quick}, now() + ${ahead}::interval) as document`;
  return healthDocument.parse(z.object({ document: z.unknown() }).parse(row).document);
}

export async function readCheck(
  sql: postgres.Sql,
  name: string,
  ahead?: string,
): Promise<HealthCheck> {
  const { checks } = await readHealth(sql, { only: [name], ahead });
  const [check] = checks;
  if (!check) throw new Error(`${name} did not run.`);
  return check;
}

/**
 * As on hosted Supabase, where the owner of the functions is no superuser: gives the health functions to a role that may do
 * all they need, so that a right can be taken from it. The test file drops the role.
 */
export async function ownedByCommoner(db: TestDatabase): Promise<void> {
  await db.sql.unsafe(`
    create role commoner bypassrls in role pg_monitor, pg_read_all_data;
    grant usage on schema nightshift to commoner;
    grant select on all tables in schema nightshift to commoner;
    grant execute on all functions in schema nightshift to commoner;
    grant create on schema nightshift to commoner;
    alter function nightshift.get_health owner to commoner;
  `);
}

/** For checks that speak only of what the owner of the health functions may mend. */
export async function giveToCommoner(db: TestDatabase, object: string): Promise<void> {
  await db.sql.unsafe(`
    do $$ begin
      if to_regrole('commoner') is not null then alter ${object} owner to commoner; end if;
    end $$`);
}

export async function obstruct(db: TestDatabase, { obstruct: how }: HealthScenario): Promise<Undo> {
  if (typeof how === 'function') return how(db);
  if ('lock' in how) return holdLock(db, how.lock);
  if ('revokeRole' in how) {
    await db.sql.unsafe(`revoke ${how.revokeRole} from commoner`);
    return () => db.sql.unsafe(`grant ${how.revokeRole} to commoner`);
  }
  await db.sql.unsafe(
    `revoke select on ${how.revoke} from public, pg_read_all_data, pg_monitor; revoke pg_read_all_data from commoner`,
  );
  return () =>
    db.sql.unsafe(`grant select on ${how.revoke} to public; grant pg_read_all_data to commoner`);
}

/** A transaction of another session that locks the table against everyone, until it is told to end. */
export async function holdLock(db: TestDatabase, relation: string): Promise<Undo> {
  return holdTransaction(db, `lock table ${relation} in access exclusive mode`);
}

/** A transaction of another session that has run a statement and stays open, until it is told to end. */
export async function holdTransaction(db: TestDatabase, statement: string): Promise<Undo> {
  const session = db.connect();
  const [backend] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`;
  await session`begin`;
  await session.unsafe(statement);
  return async () => {
    // Whether or not the mending has done so, and it is gone when this returns.
    await db.sql`select pg_terminate_backend(${backend?.pid ?? 0}, 5000)`;
    await session.end({ timeout: 0 });
  };
}
