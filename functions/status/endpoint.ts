import type { Endpoint } from '../_shared/endpoint.ts';
import { json } from '../_shared/http.ts';
import { requireStatus } from './read.ts';

/** It is one indexed read; what takes longer is a database that does not answer. */
const budgetMs = 10_000;

/** `GET /status.json`: the snapshot of the last health check, with its age. */
export const statusDocument: Endpoint = {
  method: 'GET',
  path: '/status.json',
  isForReaders: true,
  budgetMs,
  async answer({ rpc, projectUrl, schedules }) {
    const status = await requireStatus(rpc, { projectUrl, schedules });
    const response = json(200, 'application/json', status);
    response.headers = { ...response.headers, 'cache-control': 'no-store' };
    return response;
  },
};

/** Where pages are handed on as plain text, this says where to see the same one. */
export const pageElsewhere: Endpoint = {
  method: 'GET',
  path: '/status',
  isOpen: true,
  budgetMs,
  async answer() {
    return {
      statusCode: 404,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
      body: 'Supabase hands the pages of Edge Functions on as plain text, so there is none here.\nThe same page: nightshift status --open\nThe same data: GET /status.json\n',
    };
  },
};
