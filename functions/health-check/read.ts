import type { HealthDocument, HealthInput } from './schema.ts';

type Scope = Pick<HealthInput, 'only' | 'quick'>;

/**
 * One call, as a rule. A check that takes too long stops the clock for those behind it, so they are asked for again, while
 * `mayGoOn`; each call finishes at least one of them.
 */
export async function readHealth(
  call: (scope: Scope) => Promise<HealthDocument>,
  scope: Scope,
  mayGoOn: () => boolean = () => true,
): Promise<HealthDocument> {
  const document = await call(scope);
  while (document.notRun.length > 0 && mayGoOn()) {
    const { checks, notRun } = await call({ only: document.notRun, quick: false });
    document.checks.push(...checks);
    document.notRun = notRun;
  }
  return document;
}
