#!/usr/bin/env node
// What the package starts. It imports nothing, so that an older Node says what it lacks, and not where its parser stopped.
const needed = [20, 18] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  console.error(`Nightshift needs Node.js ${needed.join('.')} or later, and this is ${process.versions.node}.
  Fix: install a version of Node.js that is maintained, such as 24 (https://nodejs.org).`);
  process.exitCode = 2;
} else {
  await import(new URL('main.js', import.meta.url).href);
}
