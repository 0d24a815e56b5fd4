import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { createAdaptorServer } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { isoTime, timeMs } from '../../functions/_shared/clock.ts';
import { type Resource, resourcesOf, type Template } from './template.ts';

interface DeployedFunction {
  codeSha256: string;
  /** As CloudFormation names it. */
  properties: Record<string, unknown>;
  modified: string;
}

interface StoredObject {
  body: Buffer;
  hash: string;
  modified: string;
}

const bucket = 'deployments';
const stackId = 'arn:aws:cloudformation:eu-central-1:123456789012:stack/nightshift-prod/1';
const sha256 = (body: Buffer) => createHash('sha256').update(body).digest('base64');

/**
 * As much of AWS as osls talks to when it deploys. CloudFormation changes of a function what is other than in the template
 * before, and nothing that was changed past it: AWS promises no more.
 */
export class LocalAws {
  readonly functions = new Map<string, DeployedFunction>();
  readonly #objects = new Map<string, StoredObject>();
  #template: Template | undefined;
  #templateBefore: Template = { Resources: {}, Outputs: {} };
  #changes: Template = { Resources: {}, Outputs: {} };
  #updates = 0;
  #seconds = 0;
  readonly #server = createAdaptorServer({ fetch: this.#routes().fetch });

  /** What a shell needs in which osls deploys to this. */
  async listen(): Promise<Record<string, string>> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    return {
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
      SLS_AWS_MONITORING_FREQUENCY: '1',
    };
  }

  async close(): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** All roles, as the template has them now. */
  get roles(): Resource[] {
    return this.#template ? resourcesOf(this.#template, 'AWS::IAM::Role') : [];
  }

  /** CloudFormation goes back to the template before, as after a deployment that failed. */
  takeBack(): void {
    this.#changes = this.#templateBefore;
    this.#execute();
  }

  /** Each is later than the one before. */
  #moment(): string {
    this.#seconds += 1;
    return isoTime(timeMs('2026-11-29T00:00:00Z') + this.#seconds * 1_000);
  }

  #routes(): Hono {
    const app = new Hono({ strict: false });
    app.get('/2015-03-31/functions/:name', (c) => this.#describe(c));
    app.put('/2015-03-31/functions/:name/code', async (c) => {
      const { ZipFile } = await c.req.json<{ ZipFile: string }>();
      this.#change(c.req.param('name'), { codeSha256: sha256(Buffer.from(ZipFile, 'base64')) });
      return this.#describe(c);
    });
    app.put('/2015-03-31/functions/:name/configuration', async (c) => {
      this.#change(c.req.param('name'), { properties: await c.req.json() });
      return this.#describe(c);
    });
    app.get(`/${bucket}`, (c) => c.body(this.#list(c.req.query('prefix') ?? '')));
    app.post(`/${bucket}`, (c) => c.body('<DeleteResult/>'));
    app.put(`/${bucket}/:key{.+}`, async (c) => {
      const body = Buffer.from(await c.req.arrayBuffer());
      const hash = c.req.header('x-amz-meta-filesha256') ?? '';
      this.#objects.set(c.req.param('key'), { body, hash, modified: this.#moment() });
      return c.body(null, 200, { ETag: '"1"' });
    });
    app.get(`/${bucket}/:key{.+}`, (c) =>
      c.body(null, 200, {
        'x-amz-meta-filesha256': this.#objects.get(c.req.param('key'))?.hash ?? '',
      }),
    );
    app.post('/', async (c) => {
      const asked = new URLSearchParams(await c.req.text());
      const action = asked.get('Action') ?? '';
      const result = this.#answer(action, asked);
      if (result !== undefined) {
        return c.body(
          `<${action}Response><${action}Result>${result}</${action}Result></${action}Response>`,
        );
      }
      const message = `Stack with id ${asked.get('StackName')} does not exist`;
      return c.body(
        `<ErrorResponse><Error><Code>ValidationError</Code><Message>${message}</Message></Error></ErrorResponse>`,
        400,
      );
    });
    return app;
  }

  /** Of CloudFormation and STS, which are asked in the same way. Undefined where there is no stack. */
  #answer(action: string, asked: URLSearchParams): string | undefined {
    switch (action) {
      case 'GetCallerIdentity':
        return '<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/test</Arn>';
      case 'CreateChangeSet':
        this.#changes = JSON.parse(asked.get('TemplateBody') ?? this.#uploaded(asked));
        return `<StackId>${stackId}</StackId>`;
      case 'DescribeChangeSet':
        return isDeepStrictEqual(this.#changes, this.#template)
          ? "<Status>FAILED</Status><StatusReason>The submitted information didn't contain changes.</StatusReason>"
          : `<Status>CREATE_COMPLETE</Status><StackId>${stackId}</StackId>`;
      case 'ExecuteChangeSet':
        this.#execute();
        return '';
      case 'DescribeStackEvents':
        return `<StackEvents>${this.#event('COMPLETE')}${this.#event('IN_PROGRESS')}</StackEvents>`;
      case 'DescribeStackResource':
        return `<StackResourceDetail><PhysicalResourceId>${bucket}</PhysicalResourceId></StackResourceDetail>`;
      case 'DescribeStacks':
        return (
          this.#template &&
          `<Stacks><member><StackId>${stackId}</StackId><StackName>nightshift-prod</StackName><StackStatus>UPDATE_COMPLETE</StackStatus></member></Stacks>`
        );
      default:
        return '';
    }
  }

  #uploaded(asked: URLSearchParams): string {
    const [, key = ''] = (asked.get('TemplateURL') ?? '').split(`/${bucket}/`);
    return `${this.#objects.get(key)?.body}`;
  }

  #execute(): void {
    this.#updates += 1;
    if (this.#template) this.#templateBefore = this.#template;
    this.#template = this.#changes;
    const { Resources: before } = this.#templateBefore;
    for (const [id, { Type, Properties }] of Object.entries(this.#template.Resources)) {
      if (Type !== 'AWS::Lambda::Function') continue;
      const changed = Object.entries(Properties).filter(
        ([name, value]) => !isDeepStrictEqual(value, before[id]?.Properties[name]),
      );
      const { Code, ...properties } = Object.fromEntries(changed) as { Code?: { S3Key: string } };
      const code = Code && this.#objects.get(Code.S3Key);
      const codeSha256 = code && sha256(code.body);
      if (changed.length === 0) continue;
      this.#change(Properties.FunctionName, { properties, ...(codeSha256 && { codeSha256 }) });
    }
  }

  #event(status: string): string {
    const kind = this.#updates > 1 ? 'UPDATE' : 'CREATE';
    const type = 'AWS::CloudFormation::Stack';
    const name = 'nightshift-prod';
    return `<member><EventId>${this.#updates}-${status}</EventId><StackName>${name}</StackName><LogicalResourceId>${name}</LogicalResourceId><ResourceType>${type}</ResourceType><ResourceStatus>${kind}_${status}</ResourceStatus></member>`;
  }

  #change(name: string, { properties, ...rest }: Partial<DeployedFunction>): void {
    const before = this.functions.get(name) ?? { codeSha256: '', properties: {} };
    this.functions.set(name, {
      ...before,
      ...rest,
      properties: { ...before.properties, ...properties },
      modified: this.#moment(),
    });
  }

  #describe(c: Context): Response {
    const found = this.functions.get(c.req.param('name') ?? '');
    if (!found) {
      return c.json({}, 404, { 'x-amzn-errortype': 'ResourceNotFoundException' });
    }
    const { codeSha256: CodeSha256, modified: LastModified, properties } = found;
    const isSettled = { State: 'Active', LastUpdateStatus: 'Successful', PackageType: 'Zip' };
    return c.json({ Configuration: { ...properties, ...isSettled, CodeSha256, LastModified } });
  }

  #list(prefix: string): string {
    const contents = [...this.#objects]
      .filter(([key]) => key.startsWith(prefix))
      .map(
        ([key, { modified }]) =>
          `<Contents><Key>${key}</Key><LastModified>${modified}</LastModified></Contents>`,
      );
    return `<ListBucketResult>${contents.join('')}</ListBucketResult>`;
  }
}
