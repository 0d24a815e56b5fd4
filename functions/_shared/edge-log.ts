import type { Log } from './log.ts';
import type { MetricName, Metrics } from './metrics.ts';

/** A line of JSON for each entry, which the Logs Explorer of Supabase can search by member. */
export function createEdgeLog(job: string): Log {
  const write =
    (level: 'info' | 'warn' | 'error') =>
    (message: string, fields: Record<string, unknown> = {}) =>
      console[level](JSON.stringify({ level, service: job, message, ...fields }));
  return { info: write('info'), warn: write('warn'), error: write('error') };
}

/** Nothing at Supabase turns a log into alarms, so the metrics are figures in the log, a line for each job they are of. */
export function createEdgeMetrics(job: string, log: Log): Metrics {
  let pending = new Map<string, Partial<Record<MetricName, number[]>>>();
  let described: Record<string, string> = {};
  const addFor: Metrics['addFor'] = (service, name, value) => {
    const metrics = pending.get(service) ?? {};
    metrics[name] = [...(metrics[name] ?? []), value];
    pending.set(service, metrics);
  };
  return {
    add: (name, value) => addFor(job, name, value),
    addFor,
    describe: (key, value) => {
      described[key] = value;
    },
    flush() {
      for (const [service, metrics] of pending) {
        log.info('Figures', { ...described, service, metrics });
      }
      pending = new Map();
      described = {};
    },
  };
}
