import { expect, it } from 'vitest';
import { jobNames } from '../../functions/registry.ts';
import { targetsOf } from '../../infra/local/event-targets.ts';
import { busEvent, continueEvent } from '../support/events.ts';

it.each(jobNames.filter((job) => job !== 'health-check'))(
  'an event that continues %s goes to its function alone, as function.yml says',
  (job) => {
    expect(targetsOf(continueEvent({ job, runId: 'r' }))).toEqual([job]);
  },
);

it.each([
  ['nightshift.run.finished', 'nightshift'],
  ['nightshift.run.failed', 'nightshift'],
  ['nightshift.run.continue', 'somebody.else'],
])('%s from %s goes to none', (type, source) => {
  const event = busEvent(type, source, { detail: { job: 'retention-purge' } });
  expect(targetsOf(event)).toEqual([]);
});
