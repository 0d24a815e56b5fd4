import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { describe, expect, it } from 'vitest';
import { pages, readPage, root, withoutCode } from '../support/documents.ts';

interface Link {
  target: string;
  anchor: string | undefined;
}

/** Those inside the repository, by the path from its root. */
function linksOf(page: string): Link[] {
  const links = withoutCode(readPage(page)).matchAll(/\]\(([^)\s]+)\)/g);
  return [...links]
    .map(([, address = '']) => address)
    .filter((address) => !/^[a-z]+:/.test(address))
    .map((address) => {
      const [path = '', anchor] = address.split('#');
      return { target: path === '' ? page : join(dirname(page), path), anchor };
    });
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): string[] {
  const headings = readPage(page).matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/&lt;|&gt;/g, '')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/ /g, '-'),
  );
}

describe.each(pages)('%s', (page) => {
  it('has no dead link', () => {
    const dead = linksOf(page).filter(
      ({ target, anchor }) =>
        !existsSync(`${root}${target}`) || (anchor && !anchorsOf(target).includes(anchor)),
    );
    expect(dead).toEqual([]);
  });

  it('names no file that there is not', () => {
    const named = readPage(page).matchAll(
      /`((?:cli|docs|functions|infra|supabase|test)\/[\w./-]*\w)`/g,
    );
    const missing = [...named]
      .map(([, path]) => path)
      // The threat model names tests by their path in test/.
      .filter((path) => !existsSync(`${root}${path}`) && !existsSync(`${root}test/${path}`));
    expect(missing).toEqual([]);
  });

  it('names no npm script that there is not', () => {
    const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
    const named = readPage(page).matchAll(/npm run (?:-s )?([a-z][\w:-]*)/g);
    expect([...named].map(([, name = '']) => name).filter((name) => !(name in scripts))).toEqual(
      [],
    );
  });
});

describe('docs/README.md', () => {
  const linked = linksOf('docs/README.md').map(({ target }) => target);

  it('links every page in docs/', () => {
    const here = pages.filter(
      (page) => /^docs\/[^/]+\.md$/.test(page) && page !== 'docs/README.md',
    );
    expect(here.filter((page) => !linked.includes(page))).toEqual([]);
    expect(linked).toContain('docs/adr/README.md');
  });

  it('leads to every decision', () => {
    const decisions = pages.filter((page) => /^docs\/adr\/\d/.test(page));
    const listed = linksOf('docs/adr/README.md').map(({ target }) => target);
    expect(listed.toSorted()).toEqual(decisions);
  });
});

describe('README.md', () => {
  const lines = readPage('README.md').trimEnd().split('\n');

  it('is short enough to be read, and fits a terminal of 100 columns', () => {
    expect(lines.length).toBeLessThanOrEqual(160);
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
  });

  it('leads to the table of contents', () => {
    expect(linksOf('README.md').map(({ target }) => target)).toContain('docs/README.md');
  });
});
