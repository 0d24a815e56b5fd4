import { readdirSync } from 'node:fs';
import { timeMs } from '../../functions/_shared/clock.ts';
import { type Installation, inWords } from '../installation/installed.ts';
import { count } from '../ui.ts';
import { type Diagnosis, failed, ok, type Patient, warning } from './diagnosis.ts';

/** Supabase's own limit for service_role; the functions' budgets were chosen for it. */
const usualTimeoutMs = 8_000;
const tolerableSkewMs = 5_000;

/** What the database says of itself over the Data API. */
export function examineApi(
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
