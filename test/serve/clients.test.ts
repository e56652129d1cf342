/**
 * What real clients said, said again: NVIDIA's tritonclient and KServe's, over HTTP and gRPC, as scripts/record/serving.ts has
 * recorded them. Answers must be those that the clients understood.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { gunzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve, type ServerHandle } from '../../lib/serve/index.js';
import { ask } from './client.js';
import { exchangeModels } from './exchangeModels.js';
import { call, framesOf } from './grpcClient.js';

interface Exchange {
  protocol: 'http' | 'grpc';
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  status: number;
  answerHeaders: Record<string, string>;
  answer: string;
}
const file = new URL('../fixtures/serving.json.gz', import.meta.url);
const recorded = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Record<string, Exchange[]>;

let server: ServerHandle;
beforeAll(async () => {
  server = await serve({ models: exchangeModels, port: 0, grpcPort: 0 });
});
afterAll(() => server.close());

/** Two versions of zlib may compress differently. */
function plain(bytes: Buffer, encoding: string | undefined): string {
  return (encoding === 'gzip' ? gunzipSync(bytes) : encoding === 'deflate' ? inflateSync(bytes) : bytes).toString(
    'base64',
  );
}

it.each([
  ['triton', 70],
  ['kserve', 48],
])('%s has %i exchanges over both protocols', (client, count) => {
  expect(recorded[client]).toHaveLength(count);
  expect(new Set(recorded[client]!.map((e) => e.protocol))).toEqual(new Set(['http', 'grpc']));
});

describe.each(Object.keys(recorded))('%s', (client) => {
  const of = (protocol: string): [string, Exchange][] =>
    recorded[client]!.filter((e) => e.protocol === protocol).map((e, i) => [`${i} ${e.path}`, e]);

  it.each(of('http'))('HTTP %s', async (_, exchange) => {
    const { method, path, headers, body, status, answerHeaders, answer } = exchange;
    const got = await ask(server, path, { method, headers, body: Buffer.from(body, 'base64') });
    expect(got.status).toBe(status);
    for (const [name, value] of Object.entries(answerHeaders)) expect(got.headers[name]).toBe(value);
    const encoding = answerHeaders['content-encoding'];
    expect(plain(got.body, encoding)).toBe(plain(Buffer.from(answer, 'base64'), encoding));
  });

  it.each(of('grpc'))('gRPC %s', async (_, { path, headers, body, status, answerHeaders, answer }) => {
    const session = connect(`http://127.0.0.1:${server.grpcPort}`);
    const got = await call(session, path, Buffer.from(body, 'base64'), headers).finally(() => session.close());
    expect([got.status, got.message]).toEqual([status, answerHeaders['grpc-message']]);
    // The answers of a stream come as they are ready.
    const sorted = (bytes: Buffer): string[] => framesOf(bytes).map((frame) => frame.toString('base64')).sort(); // prettier-ignore
    expect(sorted(got.body)).toEqual(sorted(Buffer.from(answer, 'base64')));
  });
});
