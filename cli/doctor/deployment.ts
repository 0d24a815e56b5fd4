import * as z from 'zod';
import { readRunnerToken } from '../../functions/_shared/access.ts';
import { type Clock, timeMs } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { isRefusedKey } from '../../functions/_shared/proxies.ts';
import { version } from '../../functions/_shared/version.ts';
import { reasonOf } from '../connect.ts';
import type { Installation } from '../installation/installed.ts';
import { here, nightshift, upgradeTo } from '../installation/origin.ts';
import { compareVersions } from '../installation/release.ts';
import { utc } from '../ui.ts';
import { type Diagnosis, failed, ok, type Patient, skipped, warning } from './diagnosis.ts';

const httpTimeoutMs = 10_000;
const tokenCharacters = 24;
/** Two weeks, so that a holiday does not end in functions that are turned away. */
const tokenNoticeMs = 14 * 24 * 3_600_000;

export async function examineBus({ environment }: Patient): Promise<Diagnosis> {
  const name = environment.NIGHTSHIFT_EVENT_BUS;
  if (!name) {
    return skipped(
      'event bus',
      'NIGHTSHIFT_EVENT_BUS is not set here: without one in the deployment, what a run has no time for waits for the next schedule',
    );
  }
  // Half of the command line in the package, and of use in one place.
  const { DescribeEventBusCommand, EventBridgeClient } = await import(
    '@aws-sdk/client-eventbridge'
  );
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

/**
 * Of the way into the project that these settings take; those of the functions may differ. `answer` is what the Data API
 * said to it, or why it said nothing.
 */
export function examineKey(
  { environment, clock }: Patient,
  answer: Installation | NightshiftError,
): Diagnosis {
  const token = environment.NIGHTSHIFT_RUNNER_TOKEN?.trim();
  if (answer instanceof NightshiftError) {
    const what = token ? 'the runner token' : 'the secret key';
    if (isRefusedKey(answer)) return failed('key', `The project refuses ${what}`, answer.hint);
    if (answer.code === 'NS503') {
      return skipped('key', `Nobody can say whether ${what} is right: no project answers`);
    }
  }
  if (!token) {
    return ok(
      'key',
      `A secret key, which may do anything in the project; ${nightshift} token makes one that may only run jobs`,
    );
  }
  return runnerTokenOf('key', readRunnerToken(token)?.expiresAtMs ?? 0, clock);
}

function runnerTokenOf(subject: string, expiresAtMs: number, clock: Clock): Diagnosis {
  const says = `A runner token, good until ${utc(expiresAtMs)} UTC`;
  return expiresAtMs - clock.nowMs() < tokenNoticeMs
    ? warning(
        subject,
        says,
        `Make a new one with ${nightshift} token, put it into the secret of the stage, and deploy with the new secret-version (docs/deploy.md).`,
      )
    : ok(subject, says);
}

export function examineToken({ environment }: Patient): Diagnosis {
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

function versionOf(theirs: string): Diagnosis {
  const subject = 'version of the functions';
  const order = compareVersions(theirs, version);
  if (order === 0) return ok(subject, `They are ${theirs}, as it is here`);
  const says = `They are ${theirs}, and ${here} ${version}`;
  return warning(
    subject,
    says,
    order < 0 ? 'Deploy them from here, once the database is upgraded.' : upgradeTo(theirs),
  );
}

const noFunctions = 'Give the address that osls deploy prints, without a path.';

export async function examineFunctions({
  functionsUrl,
  environment,
  clock,
}: Patient): Promise<Diagnosis[]> {
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
        ? failed('functions', `${url} says critical`, `${nightshift} health`)
        : ok('functions', `${url} answers; its health: ${status}`),
    ];
    if (!token) return found;
    const trusted = await ask({ authorization: `Bearer ${token}` });
    const { data } = z
      .object({ version: z.string().optional(), tokenExpiresAt: z.string().optional() })
      .safeParse(await trusted.json().catch(() => {}));
    if (data?.version) found.push(versionOf(data.version));
    if (data?.tokenExpiresAt) {
      found.push(runnerTokenOf('key of the functions', timeMs(data.tokenExpiresAt), clock));
    }
    return [
      ...found,
      trusted.status === 401
        ? failed(
            'token of the functions',
            'They do not take the token that is set here',
            'Put the same NIGHTSHIFT_HTTP_TOKEN into the secret of the stage, and deploy with the new secret-version (docs/deploy.md).',
          )
        : trusted.ok || trusted.status === 503
          ? ok('token of the functions', 'They take the token')
          : failed(
              'token of the functions',
              `With it they answer ${trusted.status}`,
              'See the log of the health check.',
            ),
    ];
  } catch (thrown) {
    return [failed('functions', `Nothing answers at ${url} (${reasonOf(thrown)})`, noFunctions)];
  }
}
