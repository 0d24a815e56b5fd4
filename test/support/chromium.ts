import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';

/** Where Debian's package chromium has it, and where others put theirs. */
const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = places.find((path) => existsSync(path));

/** Why the browser tests are skipped; undefined where there is a browser. */
export const whyNoBrowser =
  executablePath === undefined ? 'there is no Chromium, which Debian has as chromium' : undefined;

export async function launchBrowser(): Promise<Browser> {
  // Loaded where it is needed: every test run begins by asking whether there is a browser.
  const { chromium } = await import('playwright-core');
  return chromium.launch({
    executablePath: executablePath ?? '',
    // Its sandbox refuses root, as which CI runs. It shows nothing but our own pages.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
}
