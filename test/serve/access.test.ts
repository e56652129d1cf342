/** What a server refuses before a model sees it: each limit, wrong tokens, foreign pages, slow and broken senders. */
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ServeOptions, type Values } from '../../lib/serve/index.js';
import { serve } from '../../lib/serve/index.js';
import { ask, infer, start, type Answer } from './client.js';

const SPEC = { dtype: 'float32', shape: [-1, -1] } as const;
const models = {
  m: { model: ({ x }: Values) => ({ y: x! }), inputs: [{ name: 'x', ...SPEC }], outputs: [{ name: 'y', ...SPEC }] },
};
const body = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] };
const PATH = '/v2/models/m/infer';
const start_ = (options: Partial<ServeOptions> = {}): ReturnType<typeof start> => start({ models, ...options });
const refusal = ({ status, json }: Answer): unknown => [status, json?.error];

describe('bodies', () => {
  it('larger than allowed: by what the head says, and by what comes', async () => {
    const server = await start_({ limits: { maxBodyBytes: 1000 } });
    const large = JSON.stringify({ ...body, id: 'x'.repeat(1000) });
    expect(refusal(await ask(server, PATH, { body: large }))).toEqual([413, 'the body is larger than 1000 bytes']);
    const headers = { 'transfer-encoding': 'chunked' };
    expect(refusal(await ask(server, PATH, { body: large, headers }))).toEqual([
      413,
      'the body is larger than 1000 bytes',
    ]);
    expect((await infer(server, 'm', body)).status).toBe(200);
  });
  it('that grow when decompressed', async () => {
    const bomb = gzipSync(Buffer.alloc(8 << 20, ' '));
    const headers = { 'content-encoding': 'gzip' };
    const ratio = await start_({ limits: { maxCompressionRatio: 50 } });
    expect(refusal(await ask(ratio, PATH, { headers, body: bomb }))).toEqual([
      413,
      'the body is compressed by more than 50 times',
    ]);
    const size = await start_({ limits: { maxBodyBytes: 1 << 20, maxCompressionRatio: 1e6 } });
    expect(refusal(await ask(size, PATH, { headers, body: bomb }))).toEqual([
      413,
      'the body is larger than 1048576 bytes',
    ]);
  });
  it('compressed in another way, or broken', async () => {
    const server = await start_();
    const br = await ask(server, PATH, { headers: { 'content-encoding': 'br' }, body: 'x' });
    expect([...(refusal(br) as unknown[]), br.headers['accept-encoding']]).toEqual([
      415,
      "content-encoding 'br' is not known; gzip and deflate are",
      'gzip, deflate',
    ]);
    const broken = await ask(server, PATH, { headers: { 'content-encoding': 'gzip' }, body: 'no gzip' });
    expect(refusal(broken)).toEqual([400, "the body can't be decompressed: incorrect header check"]);
    const cut = gzipSync(JSON.stringify(body)).subarray(0, 30);
    expect(refusal(await ask(server, PATH, { headers: { 'content-encoding': 'gzip' }, body: cut }))).toEqual([
      400,
      "the body can't be decompressed: unexpected end of file",
    ]);
  });
  it('with more tensors or elements than allowed, before memory is taken for them', async () => {
    const server = await start_({ limits: { maxTensors: 1, maxElements: 100 } });
    const two = await infer(server, 'm', { inputs: [body.inputs[0], body.inputs[0]] });
    expect(refusal(two)).toEqual([400, 'inputs has 2 entries, at most 1 are allowed']);
    const huge = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1e9, 1e9], data: [1] }] };
    const message = "input 'x': shape [1000000000, 1000000000] is more than the 100 elements of a request";
    expect(refusal(await infer(server, 'm', huge))).toEqual([400, message]);
  });
  it('nested without end, or not UTF-8', async () => {
    const server = await start_();
    const deep = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":${'['.repeat(5000)}NaN${']'.repeat(5000)}}]}`;
    expect(refusal(await ask(server, PATH, { body: deep }))).toEqual([400, 'the JSON is nested deeper than 64 levels']);
    const without = deep.replace('NaN', '1');
    expect(refusal(await ask(server, PATH, { body: without }))).toEqual([
      400,
      "input 'x': data is nested deeper than 32 levels",
    ]);
    expect(refusal(await ask(server, PATH, { body: Buffer.from([0x22, 0xff, 0x22]) }))).toEqual([
      400,
      'the JSON is not UTF-8',
    ]);
  });
  it('that would change prototypes', async () => {
    const server = await start_();
    const text = '{"__proto__":{"inputs":[1]},"constructor":{"prototype":{"polluted":1}},"parameters":{"__proto__":{"timeout":"x"}},"inputs":[]}'; // prettier-ignore
    expect(refusal(await ask(server, PATH, { body: text }))).toEqual([400, "input 'x' is missing"]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('senders', () => {
  /** What a server answers to these bytes, sent as they are. */
  const raw = (port: number, text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      let got = '';
      socket.setEncoding('utf8').on('data', (piece: string) => (got += piece));
      socket.on('close', () => resolve(got)).on('error', reject);
    });
  const HEAD = 'POST /v2/models/m/infer HTTP/1.1\r\nhost: 127.0.0.1\r\n';

  it('whose head is too large', async () => {
    const server = await start_({ maxHeaderSize: 2000 });
    const answer = await raw(server.port, `${HEAD}x: ${'y'.repeat(3000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
    expect(answer).toContain('{"error":"the head of the request is too large"}');
  });
  it('that speak no HTTP', async () => {
    const server = await start_();
    const answer = await raw(server.port, '\x16\x03\x01\0garbage\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('{"error":"this is no HTTP request"}');
  });
  it('that never end the head', async () => {
    const server = await start_({ headersTimeout: 100, requestTimeout: 200 });
    expect(await raw(server.port, HEAD)).toMatch(/^HTTP\/1.1 408 /);
  });
  it('that never end the body', async () => {
    const server = await start_({ limits: { bodyTimeout: 50 } });
    const answer = await raw(server.port, `${HEAD}content-length: 100\r\n\r\n{"inputs"`);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toContain('{"error":"the body took longer than 50 ms to arrive"}');
  });
  it('that go away: what they asked for is not computed', async () => {
    const seen: number[] = [];
    let release = (): void => {};
    const slow = async ({ x }: Values): Promise<Values> => {
      seen.push(x!.shape[1]!);
      if (seen.length === 1) await new Promise<void>((resolve) => (release = resolve));
      return { y: x! };
    };
    const server = await start({
      models: { m: { ...models.m, model: slow, maxBatchSize: 1 } },
      log: (e) => log.push(e),
    });
    const log: unknown[] = [];
    const first = infer(server, 'm', body);
    while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const text = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(`${HEAD}content-length: ${text.length}\r\n\r\n${text}`);
    const stats = async (): Promise<{ fail: { count: number } }> =>
      (await ask(server, '/v2/models/m/stats')).json.model_stats[0].inference_stats;
    await new Promise((resolve) => setTimeout(resolve, 30));
    socket.destroy();
    while ((await stats()).fail.count === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    release();
    expect((await first).status).toBe(200);
    expect((await infer(server, 'm', body)).status).toBe(200);
    expect(seen).toEqual([1, 1]);
    expect(log).toContainEqual(expect.objectContaining({ status: 499, model: 'm' }));
  });
});

describe('access', () => {
  it('needs the token, where there is one; health needs none', async () => {
    const server = await start_({ token: ['first', 'second'] });
    const of = (headers: Record<string, string>): Promise<Answer> => ask(server, PATH, { headers, body });
    const none = await of({});
    expect([...(refusal(none) as unknown[]), none.headers['www-authenticate']]).toEqual([
      401,
      'a bearer token is needed',
      'Bearer',
    ]);
    expect(refusal(await of({ authorization: 'Basic Zmlyc3Q=' }))).toEqual([401, 'a bearer token is needed']);
    expect(refusal(await of({ authorization: 'Bearer firs' }))).toEqual([401, 'the token is not the right one']);
    expect((await of({ authorization: 'Bearer first' })).status).toBe(200);
    expect((await of({ authorization: 'bearer second' })).status).toBe(200);
    expect((await ask(server, '/v2/health/ready')).status).toBe(200);
    for (const path of ['/v2', '/v2/models/m', '/v2/repository/index'])
      expect((await ask(server, path)).status).toBe(401);
  });
  it('may be decided by a hook', async () => {
    const authenticate = async (request: { header(name: string): string | undefined }): Promise<boolean> =>
      Promise.resolve(request.header('x-key') === 'k');
    const server = await start_({ authenticate });
    expect(refusal(await ask(server, '/v2'))).toEqual([401, 'not allowed']);
    expect((await ask(server, '/v2', { headers: { 'x-key': 'k' } })).status).toBe(200);
  });
  it('is not for pages of other origins, nor under other names', async () => {
    const server = await start_({ allowedOrigins: ['https://good.example'] });
    const from = (origin: string): Promise<Answer> => ask(server, PATH, { headers: { origin }, body });
    expect(refusal(await from('https://evil.example'))).toEqual([
      403,
      "origin 'https://evil.example' is not allowed; allowedOrigins lists those that are",
    ]);
    expect((await from(server.url)).status).toBe(200);
    const good = await from('https://good.example');
    expect([good.status, good.headers['access-control-allow-origin']]).toEqual([200, 'https://good.example']);
    const preflight = await ask(server, PATH, { method: 'OPTIONS', headers: { origin: 'https://good.example' } });
    expect([preflight.status, preflight.headers['access-control-allow-methods']]).toEqual([204, 'GET, POST']);
    const rebound = await ask(server, '/v2', { headers: { host: 'evil.example:80' } });
    expect(refusal(rebound)).toEqual([403, "host 'evil.example' is not allowed; allowedHosts lists those that are"]);
    const named = await start_({ allowedHosts: ['models.example'] });
    expect((await ask(named, '/v2', { headers: { host: 'models.example' } })).status).toBe(200);
  });
  it('to loading and unloading must be opened', async () => {
    const closed = await start_();
    expect(refusal(await ask(closed, '/v2/repository/models/m/unload', { method: 'POST' }))).toEqual([
      403,
      'models are not loaded and unloaded over the protocol here; the option modelControl allows it',
    ]);
    const server = await start_({ modelControl: true });
    const control = (action: string, parameters = {}): Promise<Answer> =>
      ask(server, `/v2/repository/models/m/${action}`, { body: { parameters } });
    expect((await control('unload', { unload_dependents: false })).status).toBe(200);
    expect(refusal(await infer(server, 'm', body))).toEqual([503, "model 'm' is not ready: unloaded"]);
    expect((await ask(server, '/v2/models/m/ready')).status).toBe(503);
    expect(refusal(await control('load', { config: '{}' }))).toEqual([400, "load takes no parameter 'config' here"]);
    expect((await control('load')).status).toBe(200);
    expect((await infer(server, 'm', body)).status).toBe(200);
    expect(refusal(await ask(server, '/v2/repository/models/other/load', { method: 'POST' }))).toEqual([
      404,
      "there is no model 'other' to load",
    ]);
  });
});

describe('options', () => {
  const WRONG: [object, string][] = [
    [{ hots: 'x' }, "serve: unknown option 'hots', did you mean 'host'?"],
    [{ port: 70000 }, 'serve: port must be an integer from 0 to 65535, got 70000'],
    [{ host: 3 }, 'serve: host must be a string, got 3'],
    [{ token: '' }, "serve: token must be a non-empty string or a list of them, got ''"],
    [{ token: [] }, 'serve: token is an empty list'],
    [{ authenticate: true }, 'serve: authenticate must be a function, got true'],
    [{ allowedOrigins: '*' }, "serve: allowedOrigins must be a list of strings, got '*'"],
    [{ limits: { maxBodyByte: 1 } }, "serve: limits: unknown option 'maxBodyByte', did you mean 'maxBodyBytes'?"],
    [{ limits: { maxElements: 0 } }, 'serve: limits.maxElements must be a number from 1, got 0'],
    [{ maxConcurrency: 0 }, 'maxConcurrency must be an integer from 1, got 0'],
    [{ log: 'yes' }, "serve: log must be a boolean or a function, got 'yes'"],
    [{ host: '192.0.2.1' }, "serve: can't listen on 192.0.2.1:0: "],
  ];
  it.each(WRONG)('refused: %o', async (options, message) => {
    await expect(serve({ models, port: 0, ...options })).rejects.toThrow(message);
  });
  it('a log line has what happened, and the trace', async () => {
    const log: unknown[] = [];
    const server = await start_({ log: (entry) => log.push(entry) });
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-01` };
    await ask(server, PATH, { headers, body: { ...body, id: 'r1' } });
    await ask(server, PATH, { headers: { traceparent: '00-xyz' }, body: {} });
    expect(log).toEqual([
      { time: expect.any(String), method: 'POST', path: PATH, status: 200, duration: expect.any(Number), model: 'm', version: '1', id: 'r1', traceId: trace }, // prettier-ignore
      { time: expect.any(String), method: 'POST', path: PATH, status: 400, duration: expect.any(Number), model: 'm', version: '1', error: 'inputs must be a list, got undefined' }, // prettier-ignore
    ]);
  });
});

describe('closing', () => {
  it('finishes what was begun, is not ready meanwhile, and then the port is free', async () => {
    let release = (): void => {};
    let entered = false;
    const slow = async ({ x }: Values): Promise<Values> => {
      entered = true;
      await new Promise<void>((resolve) => (release = resolve));
      return { y: x! };
    };
    const server = await start({ models: { m: { ...models.m, model: slow } } });
    const asked = infer(server, 'm', body);
    while (!entered) await new Promise((resolve) => setTimeout(resolve, 1));
    const closed = server.close();
    expect((await ask(server, '/v2/health/ready')).json).toEqual({ ready: false });
    expect((await ask(server, '/v2/health/live')).status).toBe(200);
    expect(refusal(await infer(server, 'm', body))).toEqual([503, 'the server ends']);
    release();
    expect((await asked).status).toBe(200);
    await closed;
    await expect(ask(server, '/v2')).rejects.toThrow('ECONNREFUSED');
  });
});
