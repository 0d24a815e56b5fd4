import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { respondWithPage } from '../../functions/_shared/document.ts';
import { newNonce } from '../../functions/_shared/message-page.ts';
import { statusPage } from '../../functions/status/page.ts';
import type { Status } from '../../functions/status/schema.ts';
import { launchBrowser, whyNoBrowser } from '../support/chromium.ts';
import { setUpHandler, token } from '../support/handler.ts';
import { type HttpHome, serveFunctions } from '../support/http-home.ts';
import { empty, failing, healthy, poisoned } from '../support/status-pages.ts';

const axe = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

const states: Record<string, () => Status> = {
  healthy,
  failing,
  empty,
  poisoned: () => poisoned(failing()),
};

describe.skipIf(whyNoBrowser)(
  `in a browser${whyNoBrowser ? `, skipped: ${whyNoBrowser}` : ''}`,
  () => {
    const suite = setUpHandler({ NIGHTSHIFT_EVENT_BUS: undefined }, 'health-check');
    let browser: Browser;
    let functions: HttpHome;
    let fixtures: { url: string; close(): void };

    beforeAll(async () => {
      browser = await launchBrowser();
      const purge = await import('../../functions/retention-purge/handler.ts');
      functions = await serveFunctions((path) =>
        path.startsWith('/jobs/retention-purge/') ? purge.handler : suite.handler,
      );
      fixtures = await serveFixtures();
    });
    afterAll(async () => {
      await browser?.close();
      await functions?.close();
      fixtures?.close();
    });
    beforeEach(() => suite.sql`truncate nightshift.status, nightshift.admissions, nightshift.runs`);

    /** A page that fails the test for whatever it complains of or asks for elsewhere. */
    async function open(options: BrowserContextOptions, look: (page: Page) => Promise<void>) {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      const complaints: string[] = [];
      const asked: string[] = [];
      page.on('console', (message) => {
        // The page that asks for a token says so by its status.
        if (!message.text().includes('status of 401')) complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('dialog', (dialog) => complaints.push(`dialog ${dialog.message()}`));
      page.on('request', (request) => asked.push(request.url()));
      try {
        await look(page);
        const ours = [fixtures.url, functions.url];
        expect(
          asked.filter(
            (url) => !ours.some((one) => url.startsWith(one)) && !url.startsWith('data:'),
          ),
        ).toEqual([]);
        expect(complaints).toEqual([]);
      } finally {
        await context.close();
      }
    }

    /** Evaluated past the policy of the page, which would let no such script in. */
    async function violations(page: Page) {
      await page.evaluate(axe);
      const { violations: found } = await page.evaluate(() =>
        // biome-ignore lint/suspicious/noExplicitAny: axe is there in the browser only.
        (globalThis as any).axe.run(document, { resultTypes: ['violations'] }),
      );
      return found.map(({ id, nodes }: { id: string; nodes: { html: string }[] }) => [
        id,
        nodes.map(({ html }) => html),
      ]);
    }

    const narrowAndLight = { colorScheme: 'light', viewport: { width: 375, height: 800 } } as const;
    const narrowAndDark = { ...narrowAndLight, colorScheme: 'dark' } as const;
    const wideAndLight = { colorScheme: 'light', viewport: { width: 1440, height: 900 } } as const;
    const wideAndDark = { ...wideAndLight, colorScheme: 'dark' } as const;

    it.each([
      ['healthy', [wideAndLight, narrowAndDark]],
      ['failing', [narrowAndLight, wideAndDark]],
      ['empty', [narrowAndLight, wideAndDark]],
      ['poisoned', [narrowAndLight, wideAndDark]],
    ] as const)(
      'the %s page has no violation, fits, and complains of nothing',
      async (name, looks) => {
        // In one tab, which keeps what it has compiled.
        await open({}, async (page) => {
          const json = { status: 'running', progress: 'nothing done yet' };
          await page.route('**/progress', (route) => route.fulfill({ json }));
          for (const { colorScheme, viewport } of looks) {
            await page.emulateMedia({ colorScheme });
            await page.setViewportSize(viewport);
            await page.goto(`${fixtures.url}/${name}`);
            expect(await violations(page)).toEqual([]);
            expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(
              viewport.width,
            );
            expect(await page.locator('img, iframe, object').count()).toBe(0);
            expect(await page.locator('script').count()).toBe(1);
            const background = await page.evaluate(
              () => getComputedStyle(document.body).backgroundColor,
            );
            expect(background).toBe(
              colorScheme === 'dark' ? 'rgb(19, 22, 25)' : 'rgb(251, 251, 250)',
            );
          }
        });
      },
    );

    it('is kept by its policy from running, styling, loading and sending what has not its nonce', async () => {
      const context = await browser.newContext();
      try {
        const page = await context.newPage();
        await page.goto(`${fixtures.url}/healthy`);
        const refused = await page.evaluate(async () => {
          const directives: string[] = [];
          const done = new Promise((resolve) => {
            document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
              directives.push(effectiveDirective);
              if (directives.length === 8) resolve(undefined);
            });
          });
          const elsewhere = 'https://evil.example/';
          const add = (name: string, attributes: Record<string, string>, text = '') => {
            const element = document.createElement(name);
            for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
            element.textContent = text;
            document.body.append(element);
            return element;
          };
          add('script', {}, 'document.title = "ran"');
          add('p', { onclick: 'document.title = "ran"' }).click();
          add('style', {}, 'body{display:none}');
          add('p', { style: 'color:red' });
          add('img', { src: elsewhere });
          add('iframe', { src: elsewhere });
          add('base', { href: elsewhere });
          (add('form', { action: elsewhere, method: 'post' }) as HTMLFormElement).submit();
          await done;
          return directives;
        });
        expect(refused.toSorted()).toEqual([
          'base-uri',
          'form-action',
          'frame-src',
          'img-src',
          'script-src-attr',
          'script-src-elem',
          'style-src-attr',
          'style-src-elem',
        ]);
        expect(await page.title()).not.toBe('ran');
      } finally {
        await context.close();
      }
    });

    it('says the same without a script', async () => {
      await open({ javaScriptEnabled: false }, async (page) => {
        await page.goto(`${fixtures.url}/failing`);
        expect(await page.locator('h1').innerText()).toContain('Retention has stalled');
        expect(await page.locator('h2').allInnerTexts()).toEqual(
          expect.arrayContaining([
            expect.stringMatching(/^Health/),
            expect.stringMatching(/^Jobs/),
          ]),
        );
      });
    });

    it('can be used with the keyboard alone, from the link past the head on', async () => {
      await open({}, async (page) => {
        await page.goto(`${fixtures.url}/healthy`);
        await page.keyboard.press('Tab');
        expect(await page.evaluate(() => document.activeElement?.textContent)).toBe(
          'To the content',
        );
        await page.keyboard.press('Enter');
        expect(page.url()).toContain('#main');
        const sought = ['<a class="good"', '<summary'];
        const found = new Set<string>();
        for (let n = 0; n < 50 && found.size < sought.length; n += 1) {
          await page.keyboard.press('Tab');
          const html = await page.evaluate(() => document.activeElement?.outerHTML ?? '');
          for (const start of sought) if (html.startsWith(start)) found.add(start);
        }
        expect([...found].toSorted()).toEqual(sought);
      });
    });

    it('logs in, looks at what would go, runs it once, and shows what went', async () => {
      await suite.fill('app.orders');
      await suite.send({ quick: true });
      await open({}, async (page) => {
        await page.goto(`${functions.url}/status`);
        expect(await violations(page)).toEqual([]);
        await logIn(page);
        await page.getByRole('link', { name: 'Run retention-purge' }).click();
        await page.getByLabel('Why').fill('the disk is <b>full</b>');
        await page.getByRole('button', { name: 'Dry run' }).click();
        await page.waitForURL('**/status/runs/*');
        expect(await page.locator('main').innerText()).toMatch(/\b10 rows purged/);
        expect(await page.locator('main').innerText()).toContain('Ada: the disk is <b>full</b>');
        expect(await violations(page)).toEqual([]);
        await page.getByLabel('Why').fill('as shown');
        // Both clicks of a double click are sent, as if the button had stayed as it was.
        await page.getByRole('button', { name: 'Run retention-purge now' }).dblclick();
        await page.waitForFunction(
          () => document.querySelector('h1')?.textContent === 'Run of retention-purge',
        );
        expect(await page.locator('main').innerText()).toMatch(/\b10 rows purged/);
        expect(await violations(page)).toEqual([]);
      });
      const [left] = await suite.sql<
        { n: number }[]
      >`select count(*)::integer as n from app.orders`;
      expect(left?.n).toBe(20);
      expect(
        (await suite.runs()).map(({ status, requested_by }) => [status, requested_by]),
      ).toEqual([
        ['succeeded', expect.any(String)],
        ['succeeded', 'Ada: the disk is <b>full</b>'],
        ['succeeded', 'Ada: as shown'],
      ]);
    });

    it('shows how far a run is without being loaded again, and that it has ended', async () => {
      await suite.send({ quick: true });
      const [begun] = await suite.sql<{ id: string }[]>`
      select nightshift.begin_run('retention-purge', 'schedule') #>> '{run,id}' as id`;
      await open({}, async (page) => {
        await page.clock.install();
        await logIn(page);
        await page.goto(`${functions.url}/status/runs/${begun?.id}`);
        await suite.sql`
        update nightshift.runs
        set progress = '{"backlogs": {"app.orders": {"dueRows": 50}}, "steps": {"app.orders": {"rowsPurged": 20}}}'`;
        await page.clock.runFor(5_000);
        await page.getByText('20 of about 50 due rows purged').waitFor();
        expect(await page.locator('[aria-live], [role=status], [role=alert]').count()).toBe(0);
        await suite.sql`update nightshift.runs set status = 'succeeded', finished_at = now()`;
        await page.clock.runFor(5_000);
        await page.getByText('It has ended: succeeded').waitFor();
      });
    });

    it('pauses, cancels, and ends the pause', async () => {
      await suite.send({ quick: true });
      const [begun] = await suite.sql<{ id: string }[]>`
      select nightshift.begin_run('retention-purge', 'schedule') #>> '{run,id}' as id`;
      await open({}, async (page) => {
        await logIn(page);
        await page.getByLabel('Why').fill('restoring a backup');
        const posted = page.waitForRequest('**/status/pause');
        await page.getByRole('button', { name: 'Pause all jobs' }).click();
        // All that a browser without Sec-Fetch-Site says of where it is.
        expect((await (await posted).allHeaders()).origin).toBe(functions.url);
        await page.getByText('Nightshift is paused').waitFor();
        await page.goto(`${functions.url}/status/runs/${begun?.id}`);
        await page.getByLabel('Why').fill('too slow');
        await page.getByRole('button', { name: 'Cancel this run' }).click();
        await page.getByText('Ada: too slow').waitFor();
        expect(await suite.sql`select paused_reason from nightshift.settings`).toEqual([
          { paused_reason: 'Ada: restoring a backup' },
        ]);
        await page.goto(`${functions.url}/status`);
        await page.getByRole('button', { name: 'Let jobs run again' }).click();
        await page.getByRole('button', { name: 'Pause all jobs' }).waitFor();
      });
    });

    it('does nothing for another site, whose form a browser sends', async () => {
      await suite.send({ quick: true });
      const elsewhere = createServer((_, response) => {
        response.setHeader('content-type', 'text/html');
        response.end(
          `<form method="post" action="${functions.url}/status/pause"><input name="why" value="x"><button>Win</button></form>`,
        );
      });
      await new Promise<void>((resolve) => elsewhere.listen(0, 'localhost', resolve));
      const address = elsewhere.address();
      const context = await browser.newContext();
      try {
        const page = await context.newPage();
        await logIn(page);
        await page.goto(`http://localhost:${typeof address === 'object' ? address?.port : ''}`);
        await page.getByRole('button', { name: 'Win' }).click();
        await page.getByText('does not come from the status page').waitFor();
      } finally {
        await context.close();
        elsewhere.closeAllConnections();
        elsewhere.close();
      }
      expect(await suite.sql`select paused from nightshift.settings`).toEqual([{ paused: false }]);
    });

    async function logIn(page: Page) {
      await page.goto(`${functions.url}/status`);
      await page.getByLabel('Token').fill(token);
      await page.getByLabel('Your name').fill('Ada');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.waitForURL(`${functions.url}/status`);
    }
  },
);

/** The pages of the states, as the function answers them to somebody who may steer. */
async function serveFixtures(): Promise<{ url: string; close(): void }> {
  const viewer = {
    root: '',
    session: { access: 'steer' as const, name: 'Ada' },
    canLeave: true,
  };
  const server = createServer(({ url = '' }, response) => {
    const state = states[url.slice(1)];
    if (!state) return response.writeHead(404).end();
    const answer = respondWithPage(200, statusPage(state(), viewer), { nonce: newNonce() });
    return response.writeHead(200, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
