import type { Clock, Deadline } from './clock.ts';
import type { Direct } from './direct.ts';
import type { NightshiftError } from './errors.ts';
import type { JobContext } from './job.ts';
import type { RunDocument } from './ledger.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Rpc } from './rpc.ts';
import type { Bus } from './run-events.ts';
import type { Stop } from './stop.ts';
import type { Teller } from './tell-troubles.ts';

export interface RunResult {
  outcome: 'started' | 'duplicate' | 'skipped';
  run: RunDocument;
  /** Why the run failed, now or earlier, or why it cannot be continued although work is left. */
  error?: NightshiftError;
  /** The run in whose favour this one was skipped. */
  other?: RunDocument;
}

export interface RunDependencies {
  rpc: Rpc;
  direct?: Direct | undefined;
  clock: Clock;
  deadline: Deadline;
  /** By when the end of the run must be recorded; the deadline itself unless that leaves time. */
  recordBy?: Deadline;
  log: Log;
  metrics: Metrics;
  bus?: Bus;
  /** Only where there is a webhook. */
  teller?: Teller | undefined;
  /** For whoever can stop the run from outside of the database. */
  stop?: Stop;
  onProgress?: JobContext['onProgress'];
}
