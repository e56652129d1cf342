/** gRPC: messages both ways, what is refused and with which code, deadlines, tokens. */
import { connect, type ClientHttp2Session } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ServeOptions, ServerHandle, Values } from '../../lib/serve/index.js';
import { METHODS, type Method } from '../../lib/serve/grpc/messages.js';
import { decode, encode, type Field, type Message, type Table } from '../../lib/serve/grpc/wire.js';
import { start } from './client.js';
import { call, frame, framesOf, type Outcome } from './grpcClient.js';

const SPEC = { dtype: 'float32', shape: [-1, 2] } as const;
const models = {
  m: { model: ({ x }: Values) => ({ y: x! }), inputs: [{ name: 'x', ...SPEC }], outputs: [{ name: 'y', ...SPEC }] },
};
const open = (options: Partial<ServeOptions> = {}): Promise<ServerHandle> => start({ models, grpcPort: 0, ...options });
function connected(server: ServerHandle): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${server.grpcPort}`);
  onTestFinished(() => session.destroy());
  return session;
}
const path = (method: string): string => `/inference.GRPCInferenceService/${method}`;
const bytesOf = (method: Method, message: Message): Buffer => Buffer.concat(encode(message, METHODS[method][0]));
async function answered(
  server: ServerHandle,
  method: Method,
  message: Message,
  headers: Record<string, string> = {},
): Promise<Outcome & { reply: Message | null }> {
  const outcome = await call(connected(server), path(method), frame(bytesOf(method, message)), headers);
  const [bytes] = framesOf(outcome.body);
  return { ...outcome, reply: bytes === undefined ? null : decode(bytes, METHODS[method][1]) };
}
const request = {
  model_name: 'm',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp32: [1, 2] } }],
};
const refusal = ({ status, message }: Outcome): [number, string] => [status, decodeURIComponent(message ?? '')];

describe('the wire', () => {
  const table: Table = Object.fromEntries(
    (['bool', 'int32', 'int64', 'uint32', 'uint64', 'float', 'double', 'string', 'bytes'] as const).flatMap(
      (kind, i): [string, Field][] => [
        [kind, { no: i + 1, kind }],
        [`${kind}s`, { no: i + 21, kind, many: 'list' }],
      ],
    ),
  );
  it('has every kind of number and its extremes', () => {
    const message = {
      bool: true,
      int32: -(2 ** 31),
      int64: -(2n ** 63n),
      uint32: 2 ** 32 - 1,
      uint64: 2n ** 64n - 1n,
      float: 0.5,
      double: 1e300,
      string: 'käse',
      bytes: Buffer.from([0, 255]),
      bools: [true, false],
      int32s: [-1, 2 ** 31 - 1],
      int64s: [-1, 2 ** 53 - 1],
      uint32s: [0, 300],
      uint64s: [127, 128],
      floats: [1.5, -0],
      doubles: [NaN, Infinity],
      strings: ['', 'b'],
      bytess: [Buffer.from('x')],
    };
    const bytes = Buffer.concat(encode(message, table));
    expect(decode(bytes, table)).toEqual(message);
    // Unpacked lists, and fields that are not known, are read too.
    const loose = Buffer.from([0xa8 | 0x08, 0x01, 0x05, 0xa8 | 0x08, 0x01, 0x06]);
    expect(decode(loose, { n: { no: 21, kind: 'int32', many: 'list' } }).n).toEqual([5, 6]);
    expect(decode(bytes, { double: { no: 7, kind: 'double' } })).toEqual({ double: 1e300 });
  });
  it.each([
    ['cut off', [0x0a, 5, 1], 'a message of protocol buffers is cut off'],
    ['a number without end', new Array(12).fill(0xff), 'a number of protocol buffers is too long'],
    ['a wire type', [0x17], 'protocol buffers have no wire type 7'],
    ['another wire type', [0x08, 1], 'field s has wire type 0, expected 2'],
    ['no UTF-8', [0x0a, 1, 0xff], 'a string of protocol buffers is not UTF-8'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decode(Uint8Array.from(bytes), { s: { no: 1, kind: 'string' } })).toThrow(message);
  });
});

describe('calls', () => {
  it('are answered, in typed and in raw contents', async () => {
    const server = await open();
    const typed = await answered(server, 'ModelInfer', { ...request, id: '7' });
    expect(typed.reply).toMatchObject({ model_name: 'm', model_version: '1', id: '7', raw_output_contents: [] });
    expect((typed.reply!.outputs as Message[])[0]).toMatchObject({
      name: 'y',
      shape: [1, 2],
      contents: { fp32: [1, 2] },
    });
    const raw = Buffer.from(new Float32Array([3, 4]).buffer);
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2] }];
    const back = await answered(server, 'ModelInfer', { model_name: 'm', inputs, raw_input_contents: [raw] });
    expect(back.reply!.raw_output_contents).toEqual([raw]);
    const config = (await answered(server, 'ModelConfig', { name: 'm' })).reply!.config as Message;
    expect(config).toMatchObject({ name: 'm', max_batch_size: 32, input: [{ name: 'x', data_type: 11, dims: [2] }] });
    const stats = (await answered(server, 'ModelStatistics', {})).reply!.model_stats as Message[];
    expect(stats[0]).toMatchObject({ name: 'm', inference_count: 2, inference_stats: { success: { count: 2 } } });
  });
  it('are read when they are compressed', async () => {
    const server = await open();
    const body = frame(gzipSync(bytesOf('ModelInfer', request)), true);
    const good = await call(connected(server), path('ModelInfer'), body, { 'grpc-encoding': 'gzip' });
    expect(good.status).toBe(0);
    const other = await call(connected(server), path('ModelInfer'), body, { 'grpc-encoding': 'br' });
    expect(refusal(other)).toEqual([12, "grpc-encoding 'br' is not known; gzip and deflate are"]);
  });
  it('are refused with a code', async () => {
    const server = await open({ limits: { maxBodyBytes: 1000 } });
    const of = async (method: Method, message: Message): Promise<unknown> =>
      refusal(await answered(server, method, message));
    expect(await of('ModelInfer', { model_name: 'other' })).toEqual([5, "there is no model 'other'"]);
    expect(await of('ModelInfer', { model_name: 'm' })).toEqual([3, "input 'x' is missing"]);
    expect(await of('ModelInfer', { ...request, raw_input_contents: [Buffer.alloc(8), Buffer.alloc(8)] })).toEqual([
      3,
      '1 inputs, and raw contents of 2: all or none must have them',
    ]);
    const short = [{ name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp64: [1, 2] } }];
    expect(await of('ModelInfer', { model_name: 'm', inputs: short })).toEqual([
      3,
      "input 'x': shape [1, 2] needs 2 elements, data has 0",
    ]);
    expect((await answered(server, 'RepositoryModelUnload', { model_name: 'm' })).status).toBe(7);
    const session = connected(server);
    expect(refusal(await call(session, path('Nothing'), frame(Buffer.alloc(0))))).toEqual([
      12,
      "there is no method '/inference.GRPCInferenceService/Nothing'",
    ]);
    expect(refusal(await call(session, path('ModelInfer'), frame(Buffer.alloc(1001))))).toEqual([
      8,
      'the message is larger than 1000 bytes',
    ]);
    expect(refusal(await call(session, path('ServerLive'), Buffer.alloc(0)))).toEqual([3, 'a call without a message']);
    expect(refusal(await call(session, path('ServerLive'), Buffer.from([0, 0, 0, 0, 9, 1])))).toEqual([
      3,
      'the call ends inside of a message',
    ]);
    expect(refusal(await call(session, path('ServerLive'), frame(Buffer.from([0xff]))))).toEqual([
      3,
      'a message of protocol buffers is cut off',
    ]);
    expect((await answered(server, 'ServerReady', {})).reply).toEqual({ ready: true });
  });
  it('end at their deadline', async () => {
    const never = { ...models.m, model: () => new Promise<Values>(() => {}), timeout: 1e6, maxBatchSize: 1 };
    const server = await open({ models: { m: never }, shutdownDeadline: 50 });
    void answered(server, 'ModelInfer', request).catch(() => {});
    const late = await answered(server, 'ModelInfer', request, { 'grpc-timeout': '30m' });
    expect(refusal(late)).toEqual([4, 'the deadline is over']);
    const none = await answered(server, 'ServerLive', {}, { 'grpc-timeout': 'soon' });
    expect(refusal(none)).toEqual([3, "grpc-timeout 'soon' is none"]);
  });
  it('need the token, where there is one', async () => {
    const server = await open({ token: 'secret' });
    expect(refusal(await answered(server, 'ServerLive', {}))).toEqual([16, 'a bearer token is needed']);
    expect((await answered(server, 'ServerLive', {}, { authorization: 'Bearer secret' })).status).toBe(0);
  });
});
