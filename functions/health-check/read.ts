import type { HealthDocument, HealthInput } from './schema.ts';

type Scope = Pick<HealthInput, 'only' | 'quick'>;

/**
 * Usually makes one call. A check that takes too long uses up the time of those behind it, so they are asked for again
 * while `mayContinue` allows; each call finishes at least one check.
 */
export async function readHealth(
  call: (scope: Scope) => Promise<HealthDocument>,
  scope: Scope,
  mayContinue: () => boolean = () => true,
): Promise<HealthDocument> {
  const document = await call(scope);
  while (document.notRun.length > 0 && mayContinue()) {
    const { checks, notRun } = await call({ only: document.notRun, quick: false });
    document.checks.push(...checks);
    document.notRun = notRun;
  }
  return document;
}
