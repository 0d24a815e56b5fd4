/**
 * Where this command line comes from. In the package it is one file of JavaScript, as deep below the root as this one is in
 * a clone, so that the same paths lead to what is read beside it.
 */
export const root = new URL('../../', import.meta.url);

export const isClone = import.meta.url.endsWith('.ts');

/** How it is called, for whoever is told what to call next. */
export const nightshift = isClone ? 'npm run nightshift --' : 'npx nightshift';

/** What the database and the functions say names the command of a clone. */
export function asCalled(text: string): string {
  return text.replaceAll('npm run nightshift --', nightshift);
}

/** What is upgraded when it is older than a database. */
export const here = isClone ? 'this checkout' : 'this package';

export function upgradeTo(version: string): string {
  return isClone
    ? 'Update this checkout, and deploy its functions: git pull'
    : `Install the package of that release, and deploy its functions: npm install --save-dev ./nightshift-${version}.tgz`;
}
