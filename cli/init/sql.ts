import postgres from 'postgres';
import type { LeftOut } from './proposal.ts';

export type Sql = postgres.TransactionSql;

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

type Argument = string | boolean | readonly string[] | undefined;

/** A call as it is written into the migration, and executed to see whether it is refused. */
export function callOf(
  name: string,
  args: readonly string[],
  named: Record<string, Argument>,
): string {
  const list = [
    ...args.map(literal),
    ...Object.entries(named).flatMap(([parameter, value]) =>
      value === undefined || (Array.isArray(value) && value.length === 0)
        ? []
        : [`${parameter} => ${inSql(value)}`],
    ),
  ];
  return `select nightshift.${name}(${list.join(', ')});`;
}

function inSql(value: Exclude<Argument, undefined>): string {
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'string' ? literal(value) : `array[${value.map(literal).join(', ')}]`;
}

/** Executes a call and returns its answer. */
export async function answerOf<Answer>(sql: Sql, call: string): Promise<Answer> {
  const [row] = await sql.unsafe(call);
  return Object.values(row ?? {})[0] as Answer;
}

export class Refused {
  readonly why: string;
  readonly fix: string | null;
  constructor(why: string, fix: string | null) {
    this.why = why;
    this.fix = fix;
  }

  of(relation: string): LeftOut {
    return { relation, why: this.why, fix: this.fix };
  }
}

/** What a function of Nightshift refuses; or somebody has the table, and nobody waits for long. */
const refusals = /^(NS4\d\d|42501|55P03|57014)$/;

/** Nothing is left of what was refused, and the transaction goes on. */
export async function attempt<Result>(
  sql: Sql,
  work: (sql: Sql) => Promise<Result>,
): Promise<Result | Refused> {
  return sql.savepoint(work).catch((thrown: unknown) => {
    if (!(thrown instanceof postgres.PostgresError) || !refusals.test(thrown.code)) throw thrown;
    const { code, message, hint } = thrown;
    if (code === '55P03')
      return new Refused('It is locked by another session', 'Call init again when that has ended.');
    if (code === '57014')
      return new Refused('To look at it took too long', 'Call init again in a quieter hour.');
    return new Refused(message, hint ?? null);
  }) as Promise<Result | Refused>;
}
