/** As much as roles take of what is set for the provider of osls. */
export interface RoleSettings {
  tags?: Record<string, string>;
  iam?: { role?: { permissionsBoundary?: unknown } };
}

/** What osls does for a role that it makes itself: gives it the boundary and the tags of the provider. */
export function boundRoles(
  // biome-ignore lint/suspicious/noExplicitAny: each type of resource has properties of its own.
  resources: Record<string, { Type: string; Properties: any }>,
  { iam, tags = {} }: RoleSettings,
): void {
  const PermissionsBoundary = iam?.role?.permissionsBoundary;
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  for (const { Type, Properties } of Object.values(resources)) {
    if (Type !== 'AWS::IAM::Role') continue;
    if (PermissionsBoundary) Properties.PermissionsBoundary ??= PermissionsBoundary;
    if (Tags.length > 0) Properties.Tags ??= Tags;
  }
}
