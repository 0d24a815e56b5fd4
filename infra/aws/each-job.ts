import { jobParameters, registry } from '../../functions/registry.ts';
import { alarmsOf } from './alarms.ts';
import { dashboardOf } from './dashboard.ts';
import { describedSchedules, schedulesOf } from './schedules.ts';

/** As much of osls as is needed here. */
interface Serverless {
  configurationInput: { params?: { default?: Record<string, unknown> } };
  extendConfiguration(path: string[], value: unknown): void;
  utils: { readFileSync(path: string): { events: object[] } };
}

/** A plugin of osls: adds to serverless.yml the functions, schedules, parameters, alarms and graphs of the jobs in the registry. */
export default class EachJob {
  constructor(serverless: Serverless) {
    const { configurationInput, utils } = serverless;
    const extend = (path: string[], value: unknown) => serverless.extendConfiguration(path, value);

    const given = configurationInput.params?.default ?? {};
    for (const [name, value] of Object.entries(jobParameters)) {
      if (!Object.hasOwn(given, name)) extend(['params', 'default', name], value);
    }
    for (const job of registry) {
      const { events, ...definition } = utils.readFileSync(`functions/${job.name}/function.yml`);
      const { name, purpose: description } = job;
      const deployed = { ...definition, description, events: [...schedulesOf(job), ...events] };
      extend(['custom', 'functions', name], { on: { [name]: deployed }, off: {} });
    }
    extend(
      ['functions'],
      registry.map(({ name }) => `\${self:custom.functions.${name}.\${param:${name}}}`),
    );
    extend(['custom', 'deployedSchedules'], JSON.stringify(registry.flatMap(describedSchedules)));
    const alarms = Object.assign({}, ...registry.map(alarmsOf));
    extend(['custom', 'jobAlarms'], { on: { Resources: alarms }, off: {} });
    const dashboard = dashboardOf(registry);
    extend(['custom', 'dashboard'], { on: { Resources: { Dashboard: dashboard } }, off: {} });
  }
}
