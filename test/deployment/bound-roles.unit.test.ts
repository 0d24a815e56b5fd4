import { expect, it } from 'vitest';
import { boundRoles } from '../../infra/aws/bound-roles.ts';

const resources = () => ({
  Role: { Type: 'AWS::IAM::Role', Properties: { Policies: [] } },
  Queue: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'q' } },
});

it('every role has the boundary and the tags of the provider, and nothing else changes', () => {
  const given = resources();
  const permissionsBoundary = 'arn:aws:iam::123456789012:policy/boundary';
  boundRoles(given, { iam: { role: { permissionsBoundary } }, tags: { team: 'night' } });
  expect(given).toEqual({
    ...resources(),
    Role: {
      Type: 'AWS::IAM::Role',
      Properties: {
        Policies: [],
        PermissionsBoundary: permissionsBoundary,
        Tags: [{ Key: 'team', Value: 'night' }],
      },
    },
  });
});

it('a role stays as it is where nothing is set', () => {
  const given = resources();
  boundRoles(given, {});
  expect(given).toEqual(resources());
});
