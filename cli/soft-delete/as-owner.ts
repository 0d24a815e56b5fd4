import { connectDirect, type Direct } from '../../functions/_shared/direct.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { readCa } from '../../functions/_shared/settings.ts';
import { noDeadline } from '../connect.ts';

/** An index of a small table is built within it. */
const timeoutMs = 60_000;

/** Calls functions over the direct connection: only who owns a table may change it, and service_role owns none. */
export function asOwner(direct: Direct): Rpc {
  return {
    call: (name, args, answer, { retry = () => true } = {}) =>
      direct.call(name, withArrayLiterals(args), answer, { timeoutMs: () => timeoutMs, retry }),
  };
}

function withArrayLiterals<Args>(args: Args): Args {
  return Object.fromEntries(
    Object.entries(args as object).map(([name, value]) => [
      name,
      Array.isArray(value) ? arrayLiteral(value.map(String)) : value,
    ]),
  ) as Args;
}

function arrayLiteral(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}

export function directTo(databaseUrl: string): Direct {
  return connectDirect(databaseUrl, noDeadline, { ca: readCa(process.env.NIGHTSHIFT_DATABASE_CA) });
}
