import { connectDirect, type Direct } from '../../functions/_shared/direct.ts';
import { endless } from './deadline.ts';

/** With the direct connection of a function, closed at the end. */
export async function withDirect<Result>(
  url: string,
  work: (direct: Direct) => Promise<Result>,
): Promise<Result> {
  const direct = connectDirect(url, endless(60_000));
  try {
    return await work(direct);
  } finally {
    await direct.close();
  }
}
