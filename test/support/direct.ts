import { connectDirect, type Direct } from '../../functions/_shared/direct.ts';
import { endless } from './deadline.ts';

/** With the direct connection of a function. */
export async function withDirect<Result>(
  url: string,
  work: (direct: Direct) => Promise<Result>,
): Promise<Result> {
  return work(connectDirect(url, endless(60_000)));
}
