import type { Table } from './catalog.ts';

/** A retention policy that may be proposed. */
export interface Candidate {
  table: Table;
  dropAfter: string;
  marker: string;
  flag: string | undefined;
  /** What its marker says of a row. */
  about: 'deleted' | 'written' | 'expired';
}
