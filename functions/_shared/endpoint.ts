import type { DeployedSchedule } from './aws-schedule.ts';
import type { Clock } from './clock.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import type { Log } from './log.ts';
import type { Rpc } from './rpc.ts';
import type { Tokens } from './tokens.ts';

/** A request that a function answers besides running its job. */
export interface Endpoint {
  method: 'GET' | 'POST';
  /** May have `{id}` for one part. */
  path: string;
  budgetMs: number;
  /** Open to callers without the token; any other endpoint refuses them. */
  isOpen?: true;
  /** Open to whoever has the token that reads the status, as well. */
  isForReaders?: true;
  /** It looks itself who calls, by a cookie perhaps. */
  looksWhoItIs?: true;
  answer(tools: {
    rpc: Rpc;
    clock: Clock;
    log: Log;
    /** The caller sent the token. */
    trusted: boolean;
    /** When the token with which the function enters the project expires; undefined for a key that does not. */
    accessExpiresAtMs: number | undefined;
    /** Of the project, whose functions these are. */
    projectUrl: string;
    /** Of the deployment, where it makes them. */
    schedules: readonly DeployedSchedule[];
    body: Uint8Array;
    request: HttpRequest;
    tokens: Tokens;
    /** What the path has for `{id}`. */
    id: string;
  }): Promise<HttpResponse>;
}
