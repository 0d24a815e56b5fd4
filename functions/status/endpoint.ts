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
  async answer({ rpc, projectUrl }) {
    const status = await requireStatus(rpc, projectUrl);
    const response = json(200, 'application/json', status);
    response.headers = { ...response.headers, 'cache-control': 'no-store' };
    return response;
  },
};
