import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { newestRelease } from '../../cli/installation/release.ts';
import { version } from '../../functions/_shared/version.ts';
import { root } from '../support/documents.ts';

it('is one for the package, the functions and the schema', async () => {
  const file = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  expect(version, 'functions/_shared/version.ts').toBe(file.version);
  expect((await newestRelease()).version, 'npm run gen:migration').toBe(file.version);
});
