import type { Deadline } from './clock.ts';
import type { Direct } from './direct.ts';
import { NightshiftError } from './errors.ts';
import type { Rpc } from './rpc.ts';

/** What the database answers when it refuses to go on with a run that was cancelled or paused. */
const stopped = 'NS410';

export function isStop(thrown: unknown): thrown is NightshiftError {
  return thrown instanceof NightshiftError && thrown.code === stopped;
}

/**
 * Why a run ends before its work does although nothing went wrong: Ctrl-C, a cancel or a pause. From then on the deadline
 * has passed, so that the job winds down as it does when time runs out, and the run ends as interrupted.
 */
export class Stop {
  #why: NightshiftError | undefined;

  get why(): NightshiftError | undefined {
    return this.#why;
  }

  /** The first reason stays. */
  raise(why: NightshiftError): void {
    this.#why ??= why;
  }

  limit({ remainingMs }: Deadline): Deadline {
    return { remainingMs: () => (this.#why ? 0 : remainingMs()) };
  }

  /** Raised by the answers to the calls of the job, so that nothing has to ask again and again. */
  heed<Connection extends Pick<Rpc | Direct, 'call'>>(connection: Connection): Connection {
    const ask = connection.call as (...request: unknown[]) => Promise<unknown>;
    const call = (...request: unknown[]) =>
      ask(...request).catch((thrown: unknown) => {
        if (isStop(thrown)) this.raise(thrown);
        throw thrown;
      });
    return { ...connection, call: call as Connection['call'] };
  }
}

export function stoppedByHand(how: string): NightshiftError {
  return new NightshiftError(stopped, `The run was stopped with ${how}`, {
    hint: 'What it had committed stays; the next run goes on from there.',
  });
}
