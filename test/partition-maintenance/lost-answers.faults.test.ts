import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDatabase, startAfresh, type TestDatabase } from '../support/database.ts';
import { withDirect } from '../support/direct.ts';
import {
  createLogs,
  dueLogs,
  letGracePass,
  logs,
  runMaintenance,
  stepOf,
} from '../support/partitions.ts';

let db: TestDatabase;
let server: Server;
let lost: string[] = [];
beforeAll(async () => {
  db = await createDatabase();
  const { url } = await db.gateway();
  server = createServer(async (request, response) => {
    const answer = await fetch(url + request.url, {
      method: 'POST',
      headers: Object.fromEntries(
        Object.entries(request.headers).filter(
          ([name]) => !/^(host|connection|content-length)$/.test(name),
        ),
      ) as Record<string, string>,
      body: await text(request),
    });
    const name = request.url?.split('/').at(-1) ?? '';
    if (lost.includes(name)) {
      lost = lost.filter((other) => other !== name);
      request.socket.destroy();
      return;
    }
    response
      .writeHead(answer.status, { 'content-type': 'application/json' })
      .end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await db.drop();
});
beforeEach(() => startAfresh(db.sql));
afterEach(() => expect(lost).toEqual([]));

/** A run of which the first answer to a call never arrives, although the call has been done. */
async function runLosing(names: string[], direct?: Parameters<typeof runMaintenance>[2]) {
  lost = names;
  const { port } = server.address() as AddressInfo;
  const gateway = async () => ({ ...(await db.gateway()), url: `http://127.0.0.1:${port}` });
  return runMaintenance({ ...db, gateway }, {}, direct);
}

it('what is done and whose answer is lost is not reported as left undone', async () => {
  await createLogs(db.sql, {
    withDefault: true,
    policy: ", retention => '9 days', retire => 'drop'",
  });
  await runMaintenance(db);
  await letGracePass(db.sql);
  await db.sql.unsafe(
    `select nightshift.alter_partition_policy('${logs}', retention => '8 days', premake => 6)`,
  );
  const run = await runLosing([
    'create_partitions',
    'retire_partitions',
    'drop_retired_partitions',
  ]);
  expect(run.run.status).toBe('succeeded');
  expect(stepOf(run, logs).created.length).toBeGreaterThan(0);
  expect(stepOf(run, logs)).toMatchObject({
    status: 'succeeded',
    kept: [],
    missing: 0,
    retired: [{ partition: dueLogs[1] }],
    dropped: [{ partition: dueLogs[0] }],
  });
});

it('a partition that was detached over the direct connection is not reported as locked', async () => {
  await createLogs(db.sql, { policy: ", retention => '8 days'" });
  const run = await withDirect(db.url, (direct) =>
    runLosing(['begin_detach', 'finish_detach'], { direct }),
  );
  expect(run.run.status).toBe('succeeded');
  expect(stepOf(run, logs)).toMatchObject({
    status: 'succeeded',
    blocked: [],
    retired: dueLogs.map((partition) => ({ partition })),
  });
  const retired = await db.sql`select partition_name, status from nightshift.retired_partitions`;
  expect(retired).toHaveLength(dueLogs.length);
});
