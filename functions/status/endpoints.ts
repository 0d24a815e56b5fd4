import * as z from 'zod';
import { type Page, respondWithPage } from '../_shared/document.ts';
import type { Endpoint } from '../_shared/endpoint.ts';
import { NightshiftError, toNightshiftError } from '../_shared/errors.ts';
import { readForm } from '../_shared/form.ts';
import { type HttpResponse, json } from '../_shared/http.ts';
import { runDocument } from '../_shared/ledger.ts';
import { newNonce, respondWithProblem, rootOf, seeOther } from '../_shared/message-page.ts';
import { progressInWords } from '../_shared/progress.ts';
import { requireSameOrigin } from '../_shared/same-origin.ts';
import { accessOf, readSession, type Session, sealSession, setCookie } from '../_shared/session.ts';
import { admit, requireSteerer, requireSteering } from '../_shared/steering.ts';
import { bearerOf } from '../_shared/tokens.ts';
import { jobPage } from './job-page.ts';
import { loginPage } from './login-page.ts';
import { statusPage, type Viewer } from './page.ts';
import { requireStatus } from './read.ts';
import { runPage } from './run-page.ts';

const budgetMs = 10_000;

type Tools = Parameters<Endpoint['answer']>[0];

/** The status page, its login, and what can be done there. The functions of the jobs themselves answer its forms that start runs. */
export const statusPages: readonly Endpoint[] = [
  reading('/status', async (tools, viewer) => {
    return statusPage(await requireStatus(tools.rpc, tools), viewer);
  }),
  reading('/status/runs/{id}', async ({ rpc, id, clock }, viewer) => {
    const run = await rpc.call('find_run', { id }, runDocument);
    return runPage(run, viewer, clock.nowMs());
  }),
  reading('/status/jobs/{id}', async ({ rpc, id }, viewer) => {
    const { jobs } = await requireStatus(rpc);
    const job = jobs.items.find((each) => each.job === id);
    if (!job || viewer.session.access !== 'steer') {
      throw new NightshiftError('NS404', 'There is nothing to start here', {
        hint: 'Whoever logs in with NIGHTSHIFT_HTTP_TOKEN may start runs; the status page has the links.',
      });
    }
    return jobPage(job.job, job.purpose, viewer);
  }),
  answering('GET', '/status/runs/{id}/progress', progress),
  posting('/status/login', logIn),
  posting('/status/logout', async ({ request }) => {
    requireSameOrigin(request);
    return withCookie(seeOther(request, 'status'), setCookie(request, undefined));
  }),
  posting('/status/runs/{id}/cancel', async (tools) => {
    const { rpc, request, id } = tools;
    const requestedBy = await requireSteering(request, tools);
    const { id: run_id } = await rpc.call('find_run', { id }, runDocument);
    await rpc.call('cancel_run', { run_id, requested_by: requestedBy }, runDocument);
    return seeOther(request, `status/runs/${run_id}`);
  }),
  posting('/status/pause', async (tools) => {
    const reason = await requireSteering(tools.request, tools);
    await tools.rpc.call('pause', { reason }, z.null());
    tools.log.warn('Paused at the status page', { by: reason });
    return seeOther(tools.request, 'status');
  }),
  posting('/status/unpause', async (tools) => {
    const requested_by = await requireSteerer(tools.request, tools);
    await tools.rpc.call('unpause', { requested_by }, z.null());
    tools.log.warn('The pause was ended at the status page', { by: requested_by });
    return seeOther(tools.request, 'status');
  }),
];

/** A page for whoever may read; others are asked for a token, and told so by the status. */
function reading(path: string, make: (tools: Tools, viewer: Viewer) => Promise<Page>): Endpoint {
  return answering('GET', path, async (tools) => {
    const { request } = tools;
    const session = sessionOf(tools);
    if (!session) return respondWithPage(401, loginPage(rootOf(request)), { nonce: newNonce() });
    const viewer = {
      root: rootOf(request),
      session,
      canLeave: request.headers.authorization === undefined,
    };
    return respondWithPage(200, await make(tools, viewer), { nonce: newNonce() });
  });
}

function posting(path: string, act: (tools: Tools) => Promise<HttpResponse>): Endpoint {
  return answering('POST', path, act);
}

/** Whatever happens, a person gets a page that says it. */
function answering(
  method: Endpoint['method'],
  path: string,
  answer: (tools: Tools) => Promise<HttpResponse>,
): Endpoint {
  return {
    method,
    path,
    budgetMs,
    looksWhoItIs: true,
    async answer(tools) {
      try {
        requireTokens(tools);
        return await answer(tools);
      } catch (thrown) {
        const error = toNightshiftError(thrown);
        tools.log.warn('The status page could not be shown', { error: error.describe() });
        return respondWithProblem(error, tools.request);
      }
    },
  };
}

/** How far a run is, for the script of the pages. */
async function progress(tools: Tools): Promise<HttpResponse> {
  if (!sessionOf(tools)) {
    throw new NightshiftError('NS401', 'You are not logged in', {
      hint: 'Log in at the status page.',
    });
  }
  const { rpc, id } = tools;
  const run = await rpc.call('find_run', { id }, runDocument);
  const response = json(200, 'application/json', {
    status: run.status,
    progress: progressInWords(run.progress),
  });
  response.headers = {
    ...response.headers,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  };
  return response;
}

/** By the cookie, or by the token that a program sends. */
function sessionOf({ request, tokens, clock }: Tools): Session | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined) return readSession(request, tokens, clock);
  const access = accessOf(bearerOf(authorization), tokens);
  return access && { access, name: 'an HTTP call' };
}

async function logIn(tools: Tools): Promise<HttpResponse> {
  const { request, tokens, clock, rpc } = tools;
  requireSameOrigin(request);
  const { token = '', name } = readForm(request);
  await admit('login', request, rpc);
  const access = accessOf(token, tokens);
  if (!access) {
    const page = loginPage(rootOf(request), 'This is not the token.');
    return respondWithPage(401, page, { nonce: newNonce() });
  }
  const sealed = sealSession({ access, name: name || 'somebody' }, tokens, clock);
  return withCookie(seeOther(request, 'status'), setCookie(request, sealed));
}

function withCookie(response: HttpResponse, cookie: string): HttpResponse {
  return { ...response, headers: { ...response.headers, 'set-cookie': cookie } };
}

function requireTokens({ tokens: { httpToken, statusToken } }: Tools): void {
  if (httpToken || statusToken) return;
  throw new NightshiftError('NS503', 'The status page is switched off', {
    hint: 'Set NIGHTSHIFT_STATUS_TOKEN, with which it can be read, or NIGHTSHIFT_HTTP_TOKEN, with which runs can be started as well, and deploy again.',
  });
}
