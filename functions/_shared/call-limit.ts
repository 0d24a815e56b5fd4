import type { Deadline } from './clock.ts';
import type { Rpc } from './rpc.ts';

/** After so many calls the deadline has passed: for what ends a function by the work that it does, and not by the clock. */
export function limitCalls(
  rpc: Rpc,
  deadline: Deadline,
  mostCalls: number,
): { rpc: Rpc; deadline: Deadline } {
  let calls = 0;
  const ask = rpc.call as (...request: unknown[]) => Promise<unknown>;
  const call = (...request: unknown[]) => {
    calls += 1;
    return ask(...request);
  };
  return {
    rpc: { ...rpc, call: call as Rpc['call'] },
    deadline: { remainingMs: () => (calls < mostCalls ? deadline.remainingMs() : 0) },
  };
}
