import { Presets, SingleBar } from 'cli-progress';
import type { StepProgress } from '../functions/_shared/job.ts';
import { printableLine } from './printable.ts';

export interface ProgressBars {
  onProgress: (progress: StepProgress) => void;
  /** Prints a text on a line of its own; the bar goes on below it. */
  say(text: string): void;
  stop(): void;
}

const widestBar = 24;
/** A narrower one shows nothing. */
const narrowestBar = 5;
/** The figures beside it: the percentage, two numbers of millions, a unit, and a remark. */
const figuresColumns = 55;

/** A progress bar for each subject in turn, on a terminal only. */
export function progressBars(): ProgressBars {
  let bar: SingleBar | undefined;
  let current: string | undefined;
  const stop = () => {
    bar?.stop();
    bar = undefined;
    current = undefined;
  };
  return {
    onProgress: ({ subject, unit, done, total, remark }) => {
      if (subject !== current || !bar) {
        stop();
        const name = printableLine(subject);
        const room = (process.stderr.columns ?? 80) - name.length - figuresColumns;
        bar = new SingleBar(
          {
            format: `  ${name} {bar} {percentage}%  {value} of {total} ${unit}{remark}`,
            stream: process.stderr,
            barsize: Math.max(Math.min(room, widestBar), narrowestBar),
            forceRedraw: true,
          },
          Presets.shades_classic,
        );
        bar.start(Math.max(total, done), done, { remark: '' });
        current = subject;
      }
      bar.setTotal(Math.max(total, done));
      bar.update(done, { remark: remark ? `, ${remark}` : '' });
    },
    say(text) {
      // The bar ends with a new line, behind which the terminal may have written ^C.
      stop();
      console.error(text);
    },
    stop,
  };
}
