import Table from 'cli-table3';
import { Command } from 'commander';
import { benchCatalog } from './catalog.ts';
import { benchColdStart } from './cold-start.ts';
import { benchHealth } from './health.ts';
import { benchLive } from './live.ts';
import { benchPartitions } from './partitions.ts';
import { benchPurge } from './purge.ts';
import { benchSoftDelete } from './soft-delete.ts';
import { benchViews } from './views.ts';

type Bench = (say: (text: string) => void) => Promise<object>;

const benches: Record<string, Bench> = {
  catalog: benchCatalog,
  'cold-start': benchColdStart,
  health: benchHealth,
  live: benchLive,
  partitions: benchPartitions,
  purge: benchPurge,
  'soft-delete': benchSoftDelete,
  views: benchViews,
};

const program = new Command('bench')
  .description('Measures Nightshift beside the other ways to do the same, in one run.')
  .argument('<name>', `one of: ${Object.keys(benches).join(', ')}`)
  .option('--json', 'print one JSON document')
  .action(async (name: string, { json }: { json?: true }) => {
    const bench = benches[name] ?? program.error(`There is no bench ${name}.`);
    const figures = await bench((text) => console.error(`  ${text} ...`));
    if (json) {
      console.log(JSON.stringify(figures, null, 2));
      return;
    }
    const table = new Table({
      style: { head: [], border: [], compact: true },
      colAligns: ['left', 'right'],
    });
    table.push(
      ...Object.entries(figures).map(([key, value]) => [
        inWords(key),
        typeof value === 'number' ? value.toLocaleString('en') : String(value),
      ]),
    );
    console.log(table.toString());
  });

function inWords(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

await program.parseAsync();
