import { toNightshiftError } from '../../functions/_shared/errors.ts';
import { installation } from '../installation/installed.ts';
import { styleText } from '../printable.ts';
import { say } from '../ui.ts';
import { broken, windowColumns } from '../window.ts';
import { onCommandLine } from '../words.ts';
import { examineApi } from './api.ts';
import { examineBus, examineFunctions, examineKey, examineToken } from './deployment.ts';
import { type Diagnosis, failed, type Patient } from './diagnosis.ts';
import { examineDirect } from './direct.ts';

/** Examines everything that a deployment needs, one thing after another. What cannot be reached does not stop the rest. */
export async function doctor(patient: Patient): Promise<Diagnosis[]> {
  const sentMs = patient.clock.nowMs();
  const api = await patient.rpc
    .call('describe_installation', {}, installation, { retry: () => false })
    .catch(toNightshiftError);
  const reached = 'database' in api ? api : undefined;
  return [
    ...('database' in api
      ? await examineApi(api, patient, { sentMs, answeredMs: patient.clock.nowMs() })
      : [
          failed('Data API', api.detail ? `${api.message} (${api.detail})` : api.message, api.hint),
        ]),
    examineKey(patient, api),
    await examineDirect(patient, reached),
    await examineBus(patient),
    examineToken(patient),
    ...(await examineFunctions(patient)),
  ];
}

const colours = { ok: 'green', skipped: 'dim', warning: 'yellow', failed: 'red' } as const;

/** Lines, not a table: what is found may be longer than a terminal is wide. */
export function showDiagnosis(findings: Diagnosis[]): void {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  for (const { subject, level, says, fix } of findings) {
    const indent = 'skipped '.length + width + 2;
    const lines = broken(says, windowColumns() - indent).join(`\n${' '.repeat(indent)}`);
    console.log(`${styleText(colours[level], level.padEnd(7))} ${subject.padEnd(width)}  ${lines}`);
    if (fix) say(`        Fix: ${onCommandLine(fix)}`);
  }
}
