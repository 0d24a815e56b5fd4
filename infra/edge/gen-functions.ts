import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { configOf, writeFunctions } from './functions.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const folder = resolve(positionals[0] ?? 'dist/supabase');
const names = await writeFunctions(folder);

for (const name of names) console.log(join(folder, 'functions', name));
console.log(`
Put this into ${join(folder, 'config.toml')}, unless it is there:

${configOf(names)}
Then, in the folder above it: supabase functions deploy ${names.join(' ')}`);
