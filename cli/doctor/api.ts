import { timeMs } from '../../functions/_shared/clock.ts';
import { lineOf, migrateFirst } from '../installation/agreement.ts';
import { type Installation, inWords } from '../installation/installed.ts';
import { here, upgradeTo } from '../installation/origin.ts';
import { compareVersions, newestRelease } from '../installation/release.ts';
import { count, many } from '../ui.ts';
import { type Diagnosis, failed, ok, type Patient, warning } from './diagnosis.ts';

/** Supabase's own limit for service_role; the functions' budgets were chosen for it. */
const usualTimeoutMs = 8_000;
const tolerableSkewMs = 5_000;

/** What the database says of itself over the Data API. */
export async function examineApi(
  api: Installation,
  { environment }: Patient,
  times: { sentMs: number; answeredMs: number },
): Promise<Diagnosis[]> {
  const { retention, refresh, partition, vacuum } = api.policies;
  const none = retention + refresh + partition + vacuum === 0;
  return [
    ok(
      'Data API',
      `Postgres ${api.serverVersion} answers, with this key, in ${count(times.answeredMs - times.sentMs)} ms`,
    ),
    await examineRelease(api),
    examineOwner(api),
    ...examineOtherOwners(api),
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
          `${retention} of retention, ${refresh} of refresh, ${partition} of partitions, ${vacuum} of vacuums`,
        ),
    api.paused
      ? warning('pause', inWords(api.paused), 'select nightshift.unpause();')
      : ok('pause', 'Jobs may run'),
  ];
}

async function examineRelease({ release }: Installation): Promise<Diagnosis> {
  const subject = 'versions';
  const ours = await newestRelease();
  if (release === null) {
    return failed(
      subject,
      'None was applied to its end: the schema is from before 0.1.0, or broke off while it was made',
      migrateFirst,
    );
  }
  const { version, checksum } = release;
  const order = compareVersions(version, ours.version);
  if (order < 0) {
    return failed(
      subject,
      `The database has ${version}, and ${here} ${ours.version}`,
      migrateFirst,
    );
  }
  if (order > 0) {
    const level = lineOf(version) === lineOf(ours.version) ? warning : failed;
    return level(
      subject,
      `The database has ${version}, which is newer than ${here} of ${ours.version}`,
      upgradeTo(version),
    );
  }
  return checksum === ours.checksum
    ? ok(subject, `${version} is installed, as it is here`)
    : warning(subject, `${version} is installed from another file than the one here`, migrateFirst);
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

function examineOtherOwners({ owner, otherOwners }: Installation): Diagnosis[] {
  return otherOwners.map((other) =>
    warning(
      'other owners',
      `${other.owner} owns ${many(other.tables, 'table')}, such as ${other.example}: with the functions owned by ${owner}, which has more rights, nothing is purged there`,
      other.fix,
    ),
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
