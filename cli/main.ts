import { runCommandLine } from './command-line.ts';
import { printOnlyText } from './printable.ts';

printOnlyText();

// Whoever reads only the first lines, as head does, is done with us.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

await runCommandLine(process.argv.slice(2));
