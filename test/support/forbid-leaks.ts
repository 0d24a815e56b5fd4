import { afterAll } from 'vitest';
import { takeLeaks } from './record-output.ts';
import { takeChangedRoles } from './roles.ts';

// This runs for each test file. What it imports is loaded once in a process, which several files may share.
afterAll(async () => {
  const leaks = takeLeaks();
  const roles = await takeChangedRoles();
  if (leaks.length > 0) throw new Error(`Secrets were logged:\n${leaks.join('\n')}`);
  if (roles.length > 0) {
    throw new Error(`The roles of the server are not as they were:\n${roles.join('\n')}`);
  }
});
