import type { Registration } from '../../functions/registration.ts';

/** Events of osls. Schedule and time are in what they send, because the key of a run is made of them. */
export function schedulesOf({ schedules }: Pick<Registration, 'schedules'>) {
  return schedules.map(({ parameter, input }) => ({
    schedule: {
      method: 'scheduler',
      rate: [`\${param:${parameter}}`],
      timezone: '${param:schedule-timezone}',
      enabled: '${self:custom.schedules.${param:schedules}}',
      input: {
        scheduleArn: '<aws.scheduler.schedule-arn>',
        scheduledTime: '<aws.scheduler.scheduled-time>',
        ...(input ? { input } : {}),
      },
    },
  }));
}

/** What the status page is told of them, in an environment variable; osls puts the parameters in. */
export function describedSchedules({ name, schedules }: Pick<Registration, 'name' | 'schedules'>) {
  return schedules.map(({ parameter }) => ({
    job: name,
    expression: `\${param:${parameter}}`,
    timezone: '${param:schedule-timezone}',
    switches: [`\${param:${name}}`, '${param:schedules}'],
  }));
}
