import { afterAll } from 'vitest';
import { takeLeaks } from './record-output.ts';

// This runs for each test file. What it imports is loaded once in a process, which several files may share.
afterAll(() => {
  const leaks = takeLeaks();
  if (leaks.length > 0) throw new Error(`Secrets were logged:\n${leaks.join('\n')}`);
});
