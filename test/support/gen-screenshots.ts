import { fileURLToPath } from 'node:url';
import { documentOf } from '../../functions/_shared/document.ts';
import { newNonce } from '../../functions/_shared/message-page.ts';
import { statusPage } from '../../functions/status/page.ts';
import { launchBrowser, whyNoBrowser } from './chromium.ts';
import { failing, healthy } from './status-pages.ts';

/** Takes the pictures in docs/ of the states that the tests look at: the same page each time, with nobody's names in it. */
const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const viewer = { root: '', session: { access: 'steer' as const, name: 'Ada' }, canLeave: true };

const pictures = [
  { name: 'status-page', state: failing, width: 1200, height: 860, colorScheme: 'light' },
  { name: 'status-page-dark', state: healthy, width: 420, height: 860, colorScheme: 'dark' },
] as const;

if (whyNoBrowser !== undefined) throw new Error(`No picture can be taken: ${whyNoBrowser}.`);
const browser = await launchBrowser();
for (const { name, state, width, height, colorScheme } of pictures) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  await page.setContent(documentOf(statusPage(state(), viewer), { nonce: newNonce() }));
  await page.screenshot({ path: `${docs}${name}.png` });
}
await browser.close();
