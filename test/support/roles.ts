import { adminOf } from './admin.ts';

/** Where the roles of the file that is running are, and as they were when it first asked for a database. */
let found: { serverUrl: string; roles: Promise<string[]> } | undefined;

export async function noteRoles(serverUrl: string): Promise<void> {
  found ??= { serverUrl, roles: rolesOf(serverUrl) };
  await found.roles;
}

/**
 * Ends a test file: returns what it has changed of the roles of its server. The databases of a server share them, so that the
 * next file would find them: its health checks, say, speak of a role that may do what an API role may.
 */
export async function takeChangedRoles(): Promise<string[]> {
  if (!found) return [];
  const { serverUrl, roles } = found;
  found = undefined;
  const [before, after] = [await roles, await rolesOf(serverUrl)];
  return [
    ...after.filter((role) => !before.includes(role)).map((role) => `left: ${role}`),
    ...before.filter((role) => !after.includes(role)).map((role) => `gone: ${role}`),
  ];
}

async function rolesOf(serverUrl: string): Promise<string[]> {
  const rows = await adminOf(serverUrl)<{ role: string }[]>`
    select format('%I is a role %s', r.rolname, to_jsonb(r) - '{oid, rolname, rolpassword}'::text[]) as role
    from pg_roles r
    union
    select format('%s is a member of %s', m.member::regrole, m.roleid::regrole) from pg_auth_members m
    order by role`;
  return rows.map(({ role }) => role);
}
