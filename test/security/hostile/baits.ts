import type { Owner } from './world.ts';

/** Code of another role, hung where Postgres may run it while it plans or looks. */
export interface Bait {
  name: string;
  /** By a superuser, for the owner: what the application looks like for this. */
  before?: string;
  /** By the role of low rights. */
  hang: string;
  /** By a superuser again. */
  after?: string;
  from?: number;
  until?: number;
  /** Calls that run it, or would without the guard. */
  runsIn?: string[];
  /** Why nothing runs it, guard or not. */
  never?: string;
}

const referring = (index: string, more = '') => `
  create table mallory.bait (at timestamptz${more}, foreign key (at) references app.metrics (at) on delete cascade);
  ${index}`;

/** What a table that refers to a partitioned one is read by. */
const retirement = [
  'preview_retirement app.metrics, dry',
  'retire_partitions app.metrics',
  'begin_detach app.metrics',
];

export const baits: Bait[] = [
  {
    name: 'the predicate of an index of a referring table',
    before: 'grant references on app.metrics to <mallory>',
    hang: referring('create index on mallory.bait (at) where mallory.evil(1)'),
    runsIn: retirement,
  },
];
