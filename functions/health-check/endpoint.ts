import { isoTime } from '../_shared/clock.ts';
import type { Endpoint } from '../_shared/endpoint.ts';
import { type NightshiftError, toNightshiftError } from '../_shared/errors.ts';
import { type HttpResponse, json } from '../_shared/http.ts';
import { version } from '../_shared/version.ts';
import { type StatusWord, statusWord, worstFirst } from './rules.ts';
import { type HealthCheck, healthDocument } from './schema.ts';

/** Callers without the token may ask at any rate, but each instance queries the database for them only this often. */
const untrustedCacheMs = 5_000;

/** Without an answer by then the database counts as unreachable. */
const budgetMs = 10_000;

interface Health {
  status: StatusWord;
  database: {
    reachable: boolean;
    roundTripMs: number;
    serverVersion?: string;
    error?: ReturnType<NightshiftError['describe']>;
  };
  checks: HealthCheck[];
  /** Of these functions. */
  version: string;
  /** Of the runner token that the functions have; absent with a secret key, which does not expire. */
  tokenExpiresAt?: string;
  /** Checks for which a slow one left no time; absent if there are none. */
  notRun?: string[];
}

/** `GET /health` makes one round trip to the database. It answers 503 if a check is critical or the database is unreachable. */
export function createEndpoint(): Endpoint {
  let last: { status: StatusWord; atMs: number } | undefined;
  return {
    method: 'GET',
    path: '/health',
    isOpen: true,
    budgetMs,
    async answer({ rpc, clock, log, trusted, accessExpiresAtMs }) {
      if (!trusted && last && clock.nowMs() - last.atMs < untrustedCacheMs) {
        return respond({ status: last.status });
      }
      const startedMs = clock.nowMs();
      const roundTripMs = () => clock.nowMs() - startedMs;
      let health: Health;
      try {
        const document = await rpc.call('get_health', { quick: true }, healthDocument, {
          retry: () => false,
          timeoutMs: budgetMs,
        });
        health = {
          status: statusWord(document.checks, document.notRun),
          version,
          database: {
            reachable: true,
            roundTripMs: roundTripMs(),
            serverVersion: document.serverVersion,
          },
          checks: worstFirst(document.checks),
          ...(document.notRun.length > 0 ? { notRun: document.notRun } : {}),
        };
      } catch (thrown) {
        const error = toNightshiftError(thrown).describe();
        log.error('The health of the database could not be read', { error });
        const database = { reachable: false, roundTripMs: roundTripMs(), error };
        health = { status: 'critical', version, database, checks: [] };
      }
      if (accessExpiresAtMs !== undefined) health.tokenExpiresAt = isoTime(accessExpiresAtMs);
      last = { status: health.status, atMs: clock.nowMs() };
      return respond(trusted ? health : { status: health.status });
    },
  };
}

function respond(health: Pick<Health, 'status'>): HttpResponse {
  const response = json(health.status === 'critical' ? 503 : 200, 'application/json', health);
  response.headers = { ...response.headers, 'cache-control': 'no-store' };
  return response;
}
