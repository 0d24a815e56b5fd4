import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';

// Imported before a program, which then says what it removes, in this order.
const { rmSync } = fs;
fs.rmSync = (path, options) => {
  console.error(`removes ${path instanceof URL ? fileURLToPath(path) : path}`);
  rmSync(path, options);
};
syncBuiltinESMExports();
