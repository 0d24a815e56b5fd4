import { readdirSync } from 'node:fs';
import { styleText } from 'node:util';
import { DescribeEventBusCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import postgres from 'postgres';
import * as z from 'zod';
import { readRunnerToken } from '../../functions/_shared/access.ts';
import { type Clock, timeMs } from '../../functions/_shared/clock.ts';
import { encryption } from '../../functions/_shared/direct.ts';
import { toNightshiftError } from '../../functions/_shared/errors.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { type Installation, installation, inWords } from './installed.ts';
import { count, utc } from './ui.ts';

export interface Diagnosis {
  subject: string;
  /** skipped: not configured, so there is nothing to look at. */
  level: 'ok' | 'warning' | 'failed' | 'skipped';
  says: string;
  fix?: string;
}

interface Patient {
  rpc: Rpc;
  databaseUrl: string | undefined;
  /** Where the functions are deployed. */
  functionsUrl: string | undefined;
  clock: Clock;
  environment: Record<string, string | undefined>;
}

/** Supabase's own limit for service_role; the functions' budgets were chosen for it. */
const usualTimeoutMs = 8_000;
const tolerableSkewMs = 5_000;
const connectTimeoutSeconds = 5;
const httpTimeoutMs = 10_000;
const tokenCharacters = 24;
const copyIt =
  'Copy the connection string of the session pooler (Dashboard > Connect), and encode special characters in the password.';
/** Two weeks, so that a holiday does not end in functions that are turned away. */
const tokenNoticeMs = 14 * 24 * 3_600_000;

/** Looks at everything that a deployment needs, one thing after the other; what cannot be reached ends the way there only. */
export async function doctor(patient: Patient): Promise<Diagnosis[]> {
  const sentMs = patient.clock.nowMs();
  const api = await patient.rpc
    .call('describe_installation', {}, installation, { retry: () => false })
    .catch(toNightshiftError);
  const reached = 'database' in api ? api : undefined;
  return [
    ...('database' in api
      ? examineApi(api, patient, { sentMs, answeredMs: patient.clock.nowMs() })
      : [failed('Data API', api.message, api.hint)]),
    examineKey(patient),
    await examineDirect(patient, reached),
    await examineBus(patient),
    examineToken(patient),
    ...(await examineFunctions(patient)),
  ];
}

function examineApi(
  api: Installation,
  { environment }: Patient,
  times: { sentMs: number; answeredMs: number },
): Diagnosis[] {
  const { retention, refresh, partition } = api.policies;
  const none = retention + refresh + partition === 0;
  return [
    ok(
      'Data API',
      `Postgres ${api.serverVersion} answers, with this key, in ${count(times.answeredMs - times.sentMs)} ms`,
    ),
    examineVersions(api),
    examineOwner(api),
    examineTimeouts(api, environment),
    examineClock(api, times),
    none
      ? warning(
          'policies',
          'There are none, so no job has anything to do',
          "select nightshift.add_retention_policy('public.orders', '90 days');",
        )
      : ok(
          'policies',
          `${retention} of retention, ${refresh} of refresh, ${partition} of partitions`,
        ),
    api.paused
      ? warning('pause', inWords(api.paused), 'select nightshift.unpause();')
      : ok('pause', 'Jobs may run'),
  ];
}

function examineVersions({ migrations }: Installation): Diagnosis {
  const subject = 'versions';
  if (migrations === null) {
    return warning(
      subject,
      'What was installed here is not recorded',
      'Apply supabase/migrations with: npm run nightshift -- migrate --database-url ...',
    );
  }
  const ours = readdirSync(new URL('../../supabase/migrations', import.meta.url)).map(
    (file) => file.split('_')[0] ?? '',
  );
  const missing = ours.filter((version) => !migrations.includes(version));
  if (missing.length > 0) {
    return failed(
      subject,
      `The database lacks ${missing.length} of the migrations of this version, from ${missing[0]} on`,
      'npm run nightshift -- migrate --database-url ..., then deploy',
    );
  }
  const newest = ours.at(-1) ?? '';
  const newer = migrations.filter(
    (version) => version > newest && version.startsWith(newest.slice(0, 8)),
  );
  return newer.length > 0
    ? warning(
        subject,
        `The database has ${newer.length} migrations that this version does not know`,
        'Update this checkout, and deploy it.',
      )
    : ok(subject, `All ${ours.length} migrations are there`);
}

function examineOwner({ owner, ownerSeesStatistics }: Installation): Diagnosis {
  return ownerSeesStatistics
    ? ok('owner', `${owner} owns the functions, and may read statistics`)
    : warning(
        'owner',
        `${owner} owns the functions and sees only its own sessions, so some health checks are unknown`,
        `grant pg_monitor to ${owner};`,
      );
}

function examineTimeouts(
  { statementTimeouts }: Installation,
  { NIGHTSHIFT_RUNNER_TOKEN: token }: Patient['environment'],
): Diagnosis {
  const subject = 'role timeouts';
  const { service_role, authenticator: inherited } = statementTimeouts;
  // The runner has none of its own.
  const own = token?.trim() ? null : service_role;
  const [role, timeout] = own
    ? (['service_role', own] as const)
    : (['authenticator', inherited ?? null] as const);
  if (timeout === null) return ok(subject, 'No role that a call takes has a statement timeout');
  const ms = milliseconds(timeout);
  return ms > 0 && ms < usualTimeoutMs
    ? warning(
        subject,
        `${role} has a statement timeout of ${timeout}`,
        `alter role ${role} set statement_timeout = '8s';`,
      )
    : ok(subject, `${role} has a statement timeout of ${timeout}`);
}

/** Of a Postgres setting: a number of milliseconds, or with a unit. */
function milliseconds(setting: string): number {
  const [, number = '0', unit = 'ms'] = /^(\d+)\s*(ms|s|min|h|d)?$/.exec(setting) ?? [];
  const unitMs: Record<string, number> = {
    ms: 1,
    s: 1_000,
    min: 60_000,
    h: 3_600_000,
    d: 86_400_000,
  };
  return Number(number) * (unitMs[unit] ?? 1);
}

function examineClock(
  { now }: Installation,
  { sentMs, answeredMs }: { sentMs: number; answeredMs: number },
): Diagnosis {
  const skewMs = Math.max(sentMs - timeMs(now), timeMs(now) - answeredMs, 0);
  return skewMs > tolerableSkewMs
    ? warning(
        'clocks',
        `The clock here and that of the database differ by ${count(Math.round(skewMs / 1000))} s`,
        'Synchronise the clock of this machine (NTP). Rows are due by the clock of the database.',
      )
    : ok('clocks', 'The clock here and that of the database agree');
}

async function examineDirect(
  { databaseUrl }: Patient,
  api: Installation | undefined,
): Promise<Diagnosis> {
  const subject = 'direct connection';
  if (!databaseUrl) {
    return skipped(
      subject,
      'NIGHTSHIFT_DATABASE_URL is not set: views that take longer than 50 s cannot be refreshed, and partitions are detached under a lock',
    );
  }
  if (!URL.canParse(databaseUrl)) {
    return failed(
      subject,
      'NIGHTSHIFT_DATABASE_URL should be a connection string, and is not one',
      copyIt,
    );
  }
  const { hostname, port } = new URL(databaseUrl);
  if (port === '6543') {
    return failed(
      subject,
      'Port 6543 is the pooler in transaction mode',
      'Use the session pooler, port 5432 (Dashboard > Connect > Session pooler).',
    );
  }
  const sql = postgres(databaseUrl, {
    max: 1,
    connect_timeout: connectTimeoutSeconds,
    onnotice: () => {},
    ...encryption(databaseUrl),
  });
  try {
    const [row] = await sql`
      select nightshift.describe_installation() as installation,
        pg_has_role(current_user, (select nspowner from pg_namespace where nspname = 'nightshift'), 'usage') as owns, current_user as name`;
    const {
      installation: direct,
      owns,
      name,
    } = z.object({ installation, owns: z.boolean(), name: z.string() }).parse(row);
    if (api && api.database !== direct.database) {
      return failed(
        subject,
        'It leads to another database than SUPABASE_URL',
        'Copy both from the same project.',
      );
    }
    if (!(await keepsSession(sql))) {
      return failed(
        subject,
        'What a session sets is lost with the next statement: a pooler in transaction mode',
        'Use the session pooler (Dashboard > Connect > Session pooler).',
      );
    }
    if (owns && !api) {
      const says = `It answers, in session mode, as ${name}; whether it is the same database nobody can say, since the Data API was not reached`;
      return skipped(subject, says);
    }
    return owns
      ? ok(subject, `It leads to the same database, in session mode, as ${name}`)
      : failed(
          subject,
          `${name} does not own the schema nightshift`,
          `Connect as ${direct.owner}.`,
        );
  } catch (thrown) {
    const code =
      thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error';
    return failed(
      subject,
      `The database at ${hostname} cannot be used (${code})`,
      `${copyIt} db.<project>.supabase.co is reached by IPv6 only.`,
    );
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function keepsSession(sql: postgres.Sql): Promise<boolean> {
  const mark = crypto.randomUUID();
  await sql`select set_config('nightshift.doctor', ${mark}, false)`;
  const [row] = await sql`select current_setting('nightshift.doctor', true) as mark`;
  return row?.mark === mark;
}

async function examineBus({ environment }: Patient): Promise<Diagnosis> {
  const name = environment.NIGHTSHIFT_EVENT_BUS;
  if (!name) {
    return skipped(
      'event bus',
      'NIGHTSHIFT_EVENT_BUS is not set here: without one in the deployment, what a run has no time for waits for the next schedule',
    );
  }
  const client = new EventBridgeClient({ maxAttempts: 1 });
  try {
    await client.send(new DescribeEventBusCommand({ Name: name }), {
      abortSignal: AbortSignal.timeout(httpTimeoutMs),
    });
    return ok('event bus', `${name} is there`);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.name : 'unknown error';
    return failed(
      'event bus',
      `${name} could not be described (${why})`,
      'Check the name, AWS_REGION, the credentials here, and that they allow events:DescribeEventBus.',
    );
  } finally {
    client.destroy();
  }
}

/** Of the way into the project that these settings take; those of the functions may differ. */
function examineKey({ environment, clock }: Patient): Diagnosis {
  const token = environment.NIGHTSHIFT_RUNNER_TOKEN?.trim();
  if (!token) {
    return ok(
      'key',
      'A secret key, which may do anything in the project; npm run nightshift -- token makes one that may only run jobs',
    );
  }
  const expiresAtMs = readRunnerToken(token)?.expiresAtMs ?? 0;
  const says = `A runner token, good until ${utc(expiresAtMs)} UTC`;
  return expiresAtMs - clock.nowMs() < tokenNoticeMs
    ? warning(
        'key',
        says,
        'Make a new one with npm run nightshift -- token, put it into the secret of the stage, and deploy again.',
      )
    : ok('key', says);
}

function examineToken({ environment }: Patient): Diagnosis {
  const token = environment.NIGHTSHIFT_HTTP_TOKEN?.trim();
  if (!token) {
    return skipped(
      'token',
      'NIGHTSHIFT_HTTP_TOKEN is not set here: without one in the deployment, every call over HTTP is refused',
    );
  }
  return token.length < tokenCharacters
    ? warning(
        'token',
        `NIGHTSHIFT_HTTP_TOKEN has ${token.length} characters`,
        'openssl rand -base64 32',
      )
    : ok('token', `It has ${token.length} characters`);
}

const noFunctions = 'Give the address that osls deploy prints, without a path.';

/** fetch wraps the reason that the system gave. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
  if (!(cause instanceof Error)) return 'unknown error';
  return 'code' in cause ? String(cause.code) : cause.name;
}

async function examineFunctions({ functionsUrl, environment }: Patient): Promise<Diagnosis[]> {
  if (!functionsUrl) {
    return [
      skipped(
        'functions',
        'Name where they are deployed to have them asked as well: doctor --url https://<api>',
      ),
    ];
  }
  const url = `${functionsUrl.replace(/\/+$/, '')}/health`;
  const ask = (headers: Record<string, string> = {}) =>
    fetch(url, { headers, signal: AbortSignal.timeout(httpTimeoutMs) });
  try {
    const stranger = await ask();
    const answer = z
      .object({ status: z.string() })
      .safeParse(await stranger.json().catch(() => {}));
    if (!answer.success) {
      const says = `${url} answers ${stranger.status}, and not with a report of its health`;
      return [failed('functions', says, noFunctions)];
    }
    const { status } = answer.data;
    const token = environment.NIGHTSHIFT_HTTP_TOKEN?.trim();
    const found = [
      status === 'critical'
        ? failed('functions', `${url} says critical`, 'npm run nightshift -- health')
        : ok('functions', `${url} answers; its health: ${status}`),
    ];
    if (!token) return found;
    const trusted = await ask({ authorization: `Bearer ${token}` });
    return [
      ...found,
      trusted.status === 401
        ? failed(
            'token of the functions',
            'They do not take the token that is set here',
            'Put the same NIGHTSHIFT_HTTP_TOKEN into the secret of the stage, and deploy again.',
          )
        : ok('token of the functions', 'They take the token'),
    ];
  } catch (thrown) {
    return [failed('functions', `Nothing answers at ${url} (${reasonOf(thrown)})`, noFunctions)];
  }
}

const ok = (subject: string, says: string): Diagnosis => ({ subject, level: 'ok', says });
const skipped = (subject: string, says: string): Diagnosis => ({ subject, level: 'skipped', says });
const warning = (subject: string, says: string, fix: string): Diagnosis => ({
  subject,
  level: 'warning',
  says,
  fix,
});
const failed = (
  subject: string,
  says: string,
  fix = 'See the log of the function.',
): Diagnosis => ({ subject, level: 'failed', says, fix });

const colours = { ok: 'green', skipped: 'dim', warning: 'yellow', failed: 'red' } as const;

/** Lines, not a table: what is found may be longer than a terminal is wide. */
export function showDiagnosis(findings: Diagnosis[]): void {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  for (const { subject, level, says, fix } of findings) {
    console.log(`${styleText(colours[level], level.padEnd(7))} ${subject.padEnd(width)}  ${says}`);
    if (fix) console.log(`        Fix: ${fix}`);
  }
}
