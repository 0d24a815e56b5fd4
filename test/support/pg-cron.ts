import { existsSync } from 'node:fs';

/** Where Debian has what its packages postgresql-15 and postgresql-15-cron bring. */
export const binariesWithCron = '/usr/lib/postgresql/15/bin';
const control = '/usr/share/postgresql/15/extension/pg_cron.control';

/** Why the tests with the real pg_cron are skipped; undefined where it is installed. */
export const whyNoCron = [`${binariesWithCron}/postgres`, control].every((path) => existsSync(path))
  ? undefined
  : 'postgresql-15-cron of Debian is not installed';
