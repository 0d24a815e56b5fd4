import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { nextSteps } from './config.ts';
import { writeFunctions } from './functions.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const folder = resolve(positionals[0] ?? 'dist/supabase');
const names = await writeFunctions(folder);

for (const name of names) console.log(join(folder, 'functions', name));
console.log(`\n${nextSteps(join(folder, 'config.toml'), names)}`);
