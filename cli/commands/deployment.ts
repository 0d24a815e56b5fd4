import { join } from 'node:path';
import type { Command } from 'commander';
import { version } from '../../functions/_shared/version.ts';
import { type CopiedDeployment, copyDeployment } from '../installation/deployment.ts';
import { folderOf } from '../options.ts';

export function addDeployment(program: Command): void {
  program
    .command('deployment')
    .description('the jobs as functions of AWS Lambda')
    .command('copy')
    .description('write what deploys them into a folder of its own, in place of an older copy')
    .requiredOption('--to <folder>', 'the folder: ../my-app/nightshift')
    .action(copy);
}

async function copy(options: { to: string }) {
  const folder = folderOf(options.to);
  show(folder, await copyDeployment(folder));
}

function show(folder: string, { written, removed, toMerge }: CopiedDeployment): void {
  if (written.length + removed.length + toMerge.length === 0) {
    console.log(`${folder} has the deployment of ${version} already. Nothing was changed.`);
    return;
  }
  console.log(`${folder} has the deployment of ${version} now. Files written: ${written.length}.`);
  for (const file of removed) console.log(`Removed ${join(folder, file)}`);
  for (const { file, ours } of toMerge) {
    console.log(
      `Kept ${join(folder, file)}, which has changes of yours. Bring over what is new in ${ours}, and delete that file.`,
    );
  }
  console.log(`
Set the parameters of your stages under params in serverless.yml, and commit the folder. Then, in it, with Node.js 22.18 or later:
npm install
npx osls deploy --stage prod`);
}
