export type Kind = 'retention' | 'soft-delete' | 'refresh' | 'partitions' | 'partitioning';

/** Something to execute by hand, before a proposal is armed. */
export interface Step {
  statement: string;
  why: string;
  lock: string;
}

export interface Evidence {
  bytes: number;
  /** An estimate of the statistics; null before the first analyze. */
  rows: number | null;
  rowsPerDay: number | null;
  /** The time of the oldest row in question: one that was marked as deleted, or of the log. */
  oldest: string | null;
  /** The index that serves it. */
  index: string | null;
  /** Foreign keys that refer to it. */
  keys: string[];
}

export interface Proposal {
  /** The same for the same proposal, whenever it is made: the line that keeps it from being made again. */
  id: string;
  kind: Kind;
  relation: string;
  evidence: Evidence;
  /** How many rows a purge would delete from the table now, were it armed; null where that is not known, or no rows go. */
  rowsTonight: number | null;
  rowsTonightExact: boolean;
  /** Whether it can be fewer, because a key that may hold rows could not be looked at quickly. */
  rowsTonightAtMost: boolean;
  /** The evidence in words, a line each. */
  says: string[];
  prepare: Step[];
  /** Null: it is for people to do. */
  statement: string | null;
  /** Whether the statement is written as a comment: it changes a table, or is refused before `prepare` is done. */
  commented: boolean;
  /** What makes it work once the statement was executed. */
  arm: string | null;
}

/** What was looked at and is not proposed. */
export interface LeftOut {
  relation: string;
  why: string;
  fix: string | null;
}

export interface Findings {
  proposals: Proposal[];
  leftOut: LeftOut[];
}

/** In one line, whatever is in a name: it stands in a comment of SQL. */
export function idOf(kind: Kind, relation: string): string {
  return `${kind} ${relation.replace(/[\r\n]+/g, ' ')}`;
}
