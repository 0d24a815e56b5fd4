import postgres from 'postgres';

/** Long enough for the end of a test file and the beginning of the next one. */
const idleSeconds = 1;

const sessions = new Map<string, postgres.Sql>();

/**
 * Asks a shared server as its superuser. A session costs more than what is asked of it, so files that follow each other share
 * one; it ends by itself.
 */
export function adminOf(serverUrl: string): postgres.Sql {
  const session =
    sessions.get(serverUrl) ??
    postgres(serverUrl, { max: 1, idle_timeout: idleSeconds, onnotice: () => {} });
  sessions.set(serverUrl, session);
  return session;
}
