import type { Rpc } from '../../functions/_shared/rpc.ts';

/** A document for scripts, and the same for people. */
interface Shown {
  document: unknown;
  show(): void;
}

/** How the command line shows a job. */
export interface Presenter<Report = never> {
  title: string;
  showReport(report: Report): void;
  /** What is declared, where a job goes by policies. */
  policies?(rpc: Rpc): Promise<Shown>;
  /** What the next run would do, where a job plans ahead. */
  plan?(rpc: Rpc): Promise<Shown>;
}
