/** handler(): the protocol inside of servers that are there already. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { handler, type Handler, type Values } from '../../lib/serve/index.js';
import { ask } from './client.js';

const SPEC = { dtype: 'float32', shape: [-1, 1] } as const;
const options = {
  models: {
    m: { model: ({ x }: Values) => ({ y: x! }), inputs: [{ name: 'x', ...SPEC }], outputs: [{ name: 'y', ...SPEC }] },
  },
};
const body = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] };

async function listening(listener: RequestListener): Promise<{ url: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
function made(): Handler {
  const models = handler(options);
  onTestFinished(() => models.close({ deadline: 100 }));
  return models;
}

it('in node:http', async () => {
  const models = made();
  const server = await listening(models);
  await models.ready;
  expect((await ask(server, '/v2/models/m/infer', { body })).json.outputs[0].data).toEqual([1]);
  expect((await ask(server, '/other')).status).toBe(404);
});

it('is not ready until its models are, and says what is wrong with one', async () => {
  const models = handler({ models: { m: () => ({}) } });
  const server = await listening(models);
  await expect(models.ready).rejects.toThrow("serve: model 'm' needs inputs");
  expect((await ask(server, '/v2/health/ready')).status).toBe(503);
  expect((await ask(server, '/v2/health/live')).status).toBe(200);
});

it('as middleware: other paths go on, parsers before it are told of', async () => {
  const models = made();
  await models.ready;
  const server = await listening((req, res) => {
    const next = (): void => void res.end('next');
    if (req.url!.startsWith('/ml')) {
      req.url = req.url!.slice(3);
      return models(req, res, next);
    }
    // As express.json() and express.raw() leave a request.
    const pieces: Buffer[] = [];
    req.on('data', (piece: Buffer) => pieces.push(piece));
    req.on('end', () => {
      const bytes = Buffer.concat(pieces);
      const parsed = req.url!.startsWith('/raw') ? bytes : (JSON.parse(bytes.toString()) as unknown);
      req.url = req.url!.slice(4);
      models(Object.assign(req, { body: parsed }), res, next);
    });
  });
  expect((await ask(server, '/ml/v2/models/m/infer', { body })).status).toBe(200);
  expect((await ask(server, '/ml/else')).body.toString()).toBe('next');
  expect((await ask(server, '/raw/v2/models/m/infer', { body })).status).toBe(200);
  const parsed = await ask(server, '/par/v2/models/m/infer', { body });
  expect([parsed.status, parsed.json.error]).toEqual([
    500,
    'handler: the body was read by a parser before; mount the handler in front of it, as JSON that was parsed has lost what is not JSON',
  ]);
});

it('with Request and Response', async () => {
  const models = made();
  await models.ready;
  const infer = new Request('http://any.example/ml/v2/models/m/infer', { method: 'POST', body: JSON.stringify(body) });
  const answer = await models.fetch(infer, '/ml');
  expect([answer.status, ((await answer.json()) as { id?: string; outputs: [{ data: number[] }] }).outputs[0].data]).toEqual([200, [1]]); // prettier-ignore
  expect((await models.fetch(new Request('http://any.example/x'))).status).toBe(404);
  const head = await models.fetch(new Request('http://any.example/v2/health/live'));
  expect(await head.json()).toEqual({ live: true });
});
