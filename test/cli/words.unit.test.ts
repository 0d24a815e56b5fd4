import { describe, expect, it } from 'vitest';
import { onCommandLine } from '../../cli/words.ts';
import { callOf } from '../../functions/_shared/fix.ts';

describe('a call over HTTP that is meant for callers over HTTP', () => {
  it.each<[object, string]>([
    [{ force: ['public.orders'] }, '--force public.orders'],
    [{ dryRun: true, only: ['a', 'b'], force: false }, '--dry-run --only a b'],
    [{ only: ['public."Product"'] }, `--only 'public."Product"'`],
    [{ only: ['public."it\'s, {odd}"'] }, `--only 'public."it'\\''s, {odd}"'`],
    [{ parallelism: 2 }, '--parallelism 2'],
  ])('is a command in a terminal: %j', (input, options) => {
    const text = `If it is meant: ${callOf('view-refresh', input)}, or not.`;
    expect(onCommandLine(text)).toBe(
      `If it is meant: npm run nightshift -- run view-refresh ${options}, or not.`,
    );
  });

  it('is found as the database writes it, at the end and more than once', () => {
    expect(
      onCommandLine(
        'POST /jobs/a/runs with {"only": ["x"], "force": true}; POST /jobs/b/runs with {}',
      ),
    ).toBe('npm run nightshift -- run a --only x --force; npm run nightshift -- run b');
  });

  it('leaves every other text as it is', () => {
    for (const text of ['POST /runs/1/cancel', 'POST /jobs/a/runs with {broken}', '']) {
      expect(onCommandLine(text)).toBe(text);
    }
  });
});
