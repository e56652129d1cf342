/** The Open Inference Protocol over HTTP: paths, datatypes, both ways of sending tensors, compression, errors. */
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { nn, tensor, zeros, type DType } from '../../lib/index.js';
import { ServeError, Strings, type ModelDefinition, type TensorSpec, type Values } from '../../lib/serve/index.js';
import { ask, infer, inferBytes, split, start } from './client.js';

const identity = (spec: Omit<TensorSpec, 'name'>): ModelDefinition => ({
  model: ({ x }: Values) => ({ y: x! }),
  inputs: [{ name: 'x', ...spec }],
  outputs: [{ name: 'y', ...spec }],
});

const echo = (dtype: DType | 'string'): ModelDefinition => identity({ dtype, shape: [-1, 2] });

const double: ModelDefinition = {
  model: ({ a, b }: Values) => ({ sum: (a as never as typeof t).add(b as never), a: a! }),
  inputs: [
    { name: 'a', dtype: 'float32', shape: [-1, 2] },
    { name: 'b', dtype: 'float32', shape: [-1, 2] },
  ],
  outputs: [
    { name: 'sum', dtype: 'float32', shape: [-1, 2] },
    { name: 'a', dtype: 'float32', shape: [-1, 2] },
  ],
};
const t = tensor([0]);

const one = (datatype: string, data: unknown, shape = [1, 2]): object => ({
  inputs: [{ name: 'x', datatype, shape, data }],
});

describe('what is asked about', () => {
  it('the server: metadata, live, ready', async () => {
    const server = await start({ models: { m: echo('float32') }, name: 'mine' });
    const metadata = (await ask(server, '/v2')).json as { name: string; version: string; extensions: string[] };
    expect(metadata.name).toBe('mine');
    expect(metadata.version).toBe('1');
    expect(metadata.extensions).toContain('binary_tensor_data');
    expect((await ask(server, '/v2/')).json).toEqual(metadata);
    expect((await ask(server, '/v2/health/live')).json).toEqual({ live: true });
    expect((await ask(server, '/v2/health/ready')).json).toEqual({ ready: true });
    const head = await ask(server, '/v2/health/live', { method: 'HEAD' });
    expect([head.status, head.body.length, head.headers['content-length']]).toEqual([200, 0, '13']);
  });

  it('a model: metadata, ready, configuration, statistics, versions', async () => {
    const server = await start({ models: { m: double } });
    expect((await ask(server, '/v2/models/m')).json).toEqual({
      name: 'm',
      versions: ['1'],
      platform: 'tenfold',
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [-1, 2] },
        { name: 'b', datatype: 'FP32', shape: [-1, 2] },
      ],
      outputs: [
        { name: 'sum', datatype: 'FP32', shape: [-1, 2] },
        { name: 'a', datatype: 'FP32', shape: [-1, 2] },
      ],
    });
    expect((await ask(server, '/v2/models/m/versions/1')).json.name).toBe('m');
    expect((await ask(server, '/v2/models/m/ready')).json).toEqual({ name: 'm', ready: true });
    expect((await ask(server, '/v2/models/m/versions/1/ready')).status).toBe(200);
    expect((await ask(server, '/v2/models')).json).toEqual({ models: ['m'] });
    const config = (await ask(server, '/v2/models/m/config')).json;
    expect(config.max_batch_size).toBe(32);
    expect(config.input[0]).toEqual({ name: 'a', data_type: 'TYPE_FP32', dims: [2] });
    const x = { datatype: 'FP32', shape: [1, 2], data: [1, 2] };
    await infer(server, 'm', { inputs: [{ name: 'a', ...x }, { name: 'b', ...x }] }); // prettier-ignore
    const [stats] = (await ask(server, '/v2/models/m/stats')).json.model_stats;
    expect([stats.inference_count, stats.execution_count, stats.inference_stats.success.count]).toEqual([1, 1, 1]);
    expect(stats.batch_stats.map((b: { batch_size: number }) => b.batch_size)).toEqual([1]);
    expect((await ask(server, '/v2/models/stats')).json.model_stats).toHaveLength(1);
    expect((await ask(server, '/v2/repository/index', { body: {} })).json).toEqual([
      { name: 'm', version: '1', state: 'READY', reason: '' },
    ]);
  });

  it('what is not there: 404, 405 and what would do', async () => {
    const server = await start({ models: { m: echo('float32') } });
    expect((await ask(server, '/v2/models/other')).json).toEqual({ error: "there is no model 'other'" });
    const version = await ask(server, '/v2/models/m/versions/7/infer', { body: {} });
    expect([version.status, version.json.error]).toEqual([404, "there is no model 'm' version '7'"]);
    expect((await ask(server, '/v2/nothing')).status).toBe(404);
    expect((await ask(server, '/elsewhere')).json).toEqual({ error: 'there is nothing at this path' });
    expect((await ask(server, '/v2/models/%zz')).status).toBe(404);
    const wrong = await ask(server, '/v2/models/m/infer');
    expect([wrong.status, wrong.headers.allow]).toEqual([405, 'POST']);
  });
});

describe('tensors', () => {
  const ROWS: [string, DType, unknown[], Uint8Array][] = [
    ['BOOL', 'bool', [true, false], new Uint8Array([1, 0])],
    ['UINT8', 'uint8', [0, 255], new Uint8Array([0, 255])],
    ['INT8', 'int8', [-128, 127], new Uint8Array(new Int8Array([-128, 127]).buffer)],
    ['INT16', 'int16', [-32768, 32767], new Uint8Array(new Int16Array([-32768, 32767]).buffer)],
    ['INT32', 'int32', [-(2 ** 31), 7], new Uint8Array(new Int32Array([-(2 ** 31), 7]).buffer)],
    ['INT64', 'int64', [-5, 2 ** 53 - 1], new Uint8Array(new BigInt64Array([-5n, 2n ** 53n - 1n]).buffer)],
    ['FP16', 'float16', [1.5, -2], new Uint8Array([0x00, 0x3e, 0x00, 0xc0])],
    ['BF16', 'bfloat16', [1.5, -2], new Uint8Array([0xc0, 0x3f, 0x00, 0xc0])],
    ['FP32', 'float32', [0.5, -1e10], new Uint8Array(new Float32Array([0.5, -1e10]).buffer)],
    ['FP64', 'float64', [0.1, -1e300], new Uint8Array(new Float64Array([0.1, -1e300]).buffer)],
  ];
  it.each(ROWS)('%s in JSON and in bytes, both ways', async (datatype, dtype, values, bytes) => {
    const server = await start({ models: { m: echo(dtype) } });
    const answer = await infer(server, 'm', one(datatype, values));
    expect(answer.json).toEqual({
      model_name: 'm',
      model_version: '1',
      outputs: [{ name: 'y', datatype, shape: [1, 2], data: values }],
    });
    const nested = await infer(server, 'm', one(datatype, [values, values], [2, 2]));
    expect(nested.json.outputs[0].data).toEqual([...values, ...values]);
    const head = {
      inputs: [{ name: 'x', datatype, shape: [1, 2], parameters: { binary_data_size: bytes.length } }],
      parameters: { binary_data_output: true },
    };
    const sent = await inferBytes(server, 'm', head, bytes);
    expect(sent.headers['content-type']).toBe('application/octet-stream');
    const { json, bytes: back } = split(sent);
    expect(json.outputs[0].parameters).toEqual({ binary_data_size: bytes.length });
    expect([...back]).toEqual([...bytes]);
  });

  it('BYTES for a model that takes strings, and only there', async () => {
    const models = { m: echo('string'), n: echo('float32') };
    const server = await start({ models });
    const texts = ['käse', ''];
    expect((await infer(server, 'm', one('BYTES', texts))).json.outputs[0]).toEqual({
      name: 'y',
      datatype: 'BYTES',
      shape: [1, 2],
      data: texts,
    });
    const bytes = Buffer.from('\x05\0\0\0k\xc3\xa4se\0\0\0\0', 'latin1');
    const head = {
      inputs: [{ name: 'x', datatype: 'BYTES', shape: [1, 2], parameters: { binary_data_size: bytes.length } }],
      outputs: [{ name: 'y', parameters: { binary_data: true } }],
    };
    expect(split(await inferBytes(server, 'm', head, bytes)).bytes).toEqual(bytes);
    const refused = await infer(server, 'n', one('BYTES', texts));
    expect([refused.status, refused.json.error]).toEqual([400, "input 'x': the model takes FP32, not strings (BYTES)"]);
    for (const [broken, message] of [
      [bytes.subarray(0, 8), "input 'x': the BYTES end inside of string 0"],
      [bytes.subarray(0, 9), "input 'x': shape [1, 2] needs 2 elements, data has 1"],
      [Buffer.concat([bytes, bytes.subarray(9)]), "input 'x': more than the 2 strings of its shape"],
      [Buffer.from('\x01\0\0\0\xff\0\0\0\0', 'latin1'), "input 'x': string 0 is not UTF-8"],
    ] as const) {
      head.inputs[0]!.parameters.binary_data_size = broken.length;
      expect((await inferBytes(server, 'm', head, broken)).json).toEqual({ error: message });
    }
  });

  it('NaN and infinities: bare words, strings and null come in, strings go out', async () => {
    const server = await start({ models: { m: identity({ dtype: 'float32', shape: [-1] }) } });
    const body =
      '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [7],' +
      '"data": [NaN, Infinity, -Infinity, "NaN", "-Infinity", null, 1.5]}]}';
    const answer = await ask(server, '/v2/models/m/infer', { body });
    expect(answer.json.outputs[0].data).toEqual(['NaN', 'Infinity', '-Infinity', 'NaN', '-Infinity', 'NaN', 1.5]);
  });

  it('an int64 beyond 2^53 keeps its digits', async () => {
    const server = await start({ models: { m: echo('int64') } });
    const body = '{"inputs":[{"name":"x","datatype":"INT64","shape":[1,2],"data":[9223372036854775807,-9007199254740993]}]}'; // prettier-ignore
    const answer = await ask(server, '/v2/models/m/infer', { body });
    expect(answer.body.toString()).toContain('"data":[9223372036854775807,-9007199254740993]');
  });

  it('a body that is all tensor', async () => {
    const models = { m: echo('float32'), s: identity({ dtype: 'string', shape: [-1] }), two: double };
    const server = await start({ models });
    const headers = { 'inference-header-content-length': '0' };
    const raw = (model: string, body: Uint8Array) => ask(server, `/v2/models/${model}/infer`, { headers, body });
    const { json, bytes } = split(await raw('m', new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer)));
    expect([json.outputs[0].shape, bytes.readFloatLE(12)]).toEqual([[2, 2], 4]);
    expect(split(await raw('s', Buffer.from('hello'))).bytes.toString('latin1')).toBe('\x05\0\0\0hello');
    expect((await raw('two', Buffer.alloc(8))).json.error).toBe(
      'a body that is all tensor needs a model with one input',
    );
    expect((await raw('m', Buffer.alloc(9))).json.error).toBe("input 'x': FP32 of shape [1, 2] has 8 bytes, got 9");
  });
});

describe('requests', () => {
  const x = { datatype: 'FP32', shape: [1, 2], data: [1, 2] };
  const both = [
    { name: 'a', ...x },
    { name: 'b', ...x },
  ];

  it('id, outputs in the order asked for, each as JSON or bytes', async () => {
    const server = await start({ models: { m: double } });
    const answer = await infer(server, 'm', {
      id: 'r"1',
      inputs: both,
      outputs: [{ name: 'a', parameters: { binary_data: false } }, { name: 'sum' }],
      parameters: { binary_data_output: true },
    });
    const { json, bytes } = split(answer);
    expect(json.id).toBe('r"1');
    expect(json.outputs[0]).toEqual({ name: 'a', datatype: 'FP32', shape: [1, 2], data: [1, 2] });
    expect(json.outputs[1].parameters).toEqual({ binary_data_size: 8 });
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([2, 4]);
    expect((await infer(server, 'm', { inputs: both })).json.id).toBeUndefined();
  });

  it('classification: the best of a row, with labels', async () => {
    const model = {
      ...(identity({ dtype: 'float32', shape: [-1, 3] }) as object),
      labels: { y: ['cat', 'dog', 'cow'] },
    };
    const server = await start({ models: { m: model as never } });
    const answer = await infer(server, 'm', {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3], data: [0.25, 2, 1] }],
      outputs: [{ name: 'y', parameters: { classification: 2 } }],
    });
    expect(answer.json.outputs[0]).toEqual({
      name: 'y',
      datatype: 'BYTES',
      shape: [1, 2],
      data: ['2.000000:1:dog', '1.000000:2:cow'],
    });
  });

  it.each(['gzip', 'deflate'] as const)('%s in both directions', async (encoding) => {
    const server = await start({ models: { m: identity({ dtype: 'float32', shape: [-1, -1] }) } });
    const data = Array.from({ length: 2000 }, (_, i) => i / 8);
    const body = (encoding === 'gzip' ? gzipSync : deflateSync)(JSON.stringify(one('FP32', data, [1, 2000])));
    const headers = { 'content-encoding': encoding, 'accept-encoding': `br, ${encoding};q=0.5` };
    const answer = await ask(server, '/v2/models/m/infer', { headers, body });
    expect(answer.headers['content-encoding']).toBe(encoding);
    const text = (encoding === 'gzip' ? gunzipSync : inflateSync)(answer.body).toString();
    expect((JSON.parse(text) as { outputs: [{ data: number[] }] }).outputs[0].data).toEqual(data);
    const plain = await ask(server, '/v2/models/m/infer', {
      headers: { 'accept-encoding': 'gzip;q=0' },
      body: one('FP32', data, [1, 2000]),
    });
    expect(plain.headers['content-encoding']).toBeUndefined();
  });

  const REFUSED: [string, unknown, string][] = [
    ['a list', [], 'a request must be a JSON object, got []'],
    ['no JSON', '{"inputs": [', 'not JSON: Unexpected end of JSON input'],
    ['no JSON, with NaN', '{"inputs": [NaN', 'not JSON: it ends at position 15'],
    ['nothing after a comma', '[NaN,]', "not JSON: unexpected ']' at position 5"],
    ['no inputs', {}, 'inputs must be a list, got undefined'],
    ['an input too few', { inputs: [both[0]] }, "input 'b' is missing"],
    ['an input twice', { inputs: [...both, both[0]] }, 'an input is given twice'],
    ['an unknown input', { inputs: [{ name: 'c', ...x }] }, "input 'c' is none of the model's: 'a', 'b'"],
    ['__proto__', '{"inputs": [{"name": "__proto__"}]}', "input '__proto__' is none of the model's: 'a', 'b'"],
    ['an input that is none', { inputs: [3] }, 'an input must be an object, got 3'],
    ['another datatype', { inputs: [{ ...both[0], datatype: 'INT32' }] }, "input 'a': datatype INT32 where the model takes FP32"], // prettier-ignore
    ['UINT64', { inputs: [{ ...both[0], datatype: 'UINT64' }] }, "input 'a': datatype 'UINT64' has no tensor here; known are FP32, FP64, INT64, INT32, UINT8, BOOL, INT8, INT16, FP16, BF16 and BYTES"], // prettier-ignore
    ['another shape', { inputs: [{ ...both[0], shape: [2] }] }, "input 'a': shape [2] where the model takes [-1, 2]"],
    ['a shape that is none', { inputs: [{ ...both[0], shape: [1, -2] }] }, "input 'a': shape must be a list of sizes from 0, got [1, -2]"], // prettier-ignore
    ['too few elements', { inputs: [{ ...both[0], data: [1] }] }, "input 'a': shape [1, 2] needs 2 elements, data has 1"], // prettier-ignore
    ['too many elements', { inputs: [{ ...both[0], data: [[1, 2, 3]] }] }, "input 'a': shape [1, 2] needs 2 elements, data has 3"], // prettier-ignore
    ['a string for a number', { inputs: [{ ...both[0], data: [1, '2'] }] }, "input 'a': '2' is no FP32 value"],
    ['a number too large', { inputs: [{ ...both[0], data: [1, 1e300] }] }, "input 'a': 1e+300 is no FP32 value"],
    ['no data', { inputs: [{ name: 'a', datatype: 'FP32', shape: [1, 2] }] }, "input 'a' has neither data nor binary_data_size"], // prettier-ignore
    ['bytes without a header', { inputs: [{ name: 'a', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }] }, "input 'a' has binary_data_size, but the request no header Inference-Header-Content-Length"], // prettier-ignore
    ['shared memory', { inputs: [{ ...both[0], parameters: { shared_memory_region: 'r' } }] }, "input 'a': there is no shared memory here"], // prettier-ignore
    ['an unknown output', { inputs: both, outputs: [{ name: 'z' }] }, "output 'z' is none of the model's: 'sum', 'a'"],
    ['an output twice', { inputs: both, outputs: [{ name: 'a' }, { name: 'a' }] }, "output 'a' is asked for twice"],
    ['an id that is none', { id: 3, inputs: both }, 'id must be a string, got 3'],
    ['parameters that are none', { parameters: 3, inputs: both }, 'the request: parameters must be an object, got 3'],
    ['a timeout that is none', { parameters: { timeout: -1 }, inputs: both }, 'parameter timeout must be an integer from 0, got -1'], // prettier-ignore
    ['a priority that is none', { parameters: { priority: 2 }, inputs: both }, 'priority must be an integer from 1 to 1, got 2'], // prettier-ignore
    ['other row counts', { inputs: [both[0], { ...both[1], shape: [2, 2], data: [1, 2, 3, 4] }] }, "input 'b' has 2 rows, another input 1"], // prettier-ignore
    ['too many rows', { inputs: both.map((i) => ({ ...i, shape: [33, 2], data: new Array(66).fill(0) })) }, 'a request must have 1 to 32 rows, got 33'], // prettier-ignore
  ];
  it.each(REFUSED)('refused: %s', async (_, body, message) => {
    const server = await start({ models: { m: double } });
    const answer = await ask(server, '/v2/models/m/infer', { body: body as object });
    expect([answer.status, answer.json]).toEqual([400, { error: message }]);
    expect((await infer(server, 'm', { inputs: both })).status).toBe(200);
  });

  it('refused: numbers that an integer datatype has not', async () => {
    const server = await start({ models: { i: echo('int8'), u: echo('uint8'), b: echo('bool') } });
    const of = async (model: string, datatype: string, value: unknown): Promise<unknown> =>
      (await infer(server, model, one(datatype, [value, 0]))).json.error;
    expect(await of('i', 'INT8', 128)).toBe("input 'x': 128 is no INT8 value");
    expect(await of('i', 'INT8', 1.5)).toBe("input 'x': 1.5 is no INT8 value");
    expect(await of('u', 'UINT8', -1)).toBe("input 'x': -1 is no UINT8 value");
    expect(await of('b', 'BOOL', 2)).toBe("input 'x': 2 is no BOOL value");
    expect(await of('b', 'BOOL', null)).toBe("input 'x': null is no BOOL value");
  });

  it('refused: bytes that don’t fit', async () => {
    const server = await start({ models: { m: echo('float32'), b: echo('bool') } });
    const head = (size: unknown, datatype = 'FP32'): object => ({
      inputs: [{ name: 'x', datatype, shape: [1, 2], parameters: { binary_data_size: size } }],
    });
    const of = async (model: string, header: object, bytes: number | Uint8Array): Promise<unknown> =>
      (await inferBytes(server, model, header, typeof bytes === 'number' ? Buffer.alloc(bytes) : bytes)).json.error;
    expect(await of('m', head(8), 7)).toBe("input 'x': binary_data_size is 8, of the body 7 bytes are left");
    expect(await of('m', head(4), 4)).toBe("input 'x': FP32 of shape [1, 2] has 8 bytes, got 4");
    expect(await of('m', head(8), 9)).toBe('1 bytes of the body belong to no input');
    expect(await of('m', head(-8), 8)).toBe("input 'x': binary_data_size must be an integer from 0, got -8");
    expect(await of('b', head(2, 'BOOL'), new Uint8Array([1, 2]))).toBe("input 'x': BOOL bytes must be 0 or 1");
    for (const [length, message] of [
      ['999', 'Inference-Header-Content-Length is 999, the body has 2 bytes'],
      ['x', "Inference-Header-Content-Length must be a number, got 'x'"],
    ]) {
      const headers = { 'inference-header-content-length': length! };
      expect((await ask(server, '/v2/models/m/infer', { headers, body: '{}' })).json).toEqual({ error: message });
    }
  });
});

describe('models', () => {
  it('a module with an example: names, dtypes and shapes are found', async () => {
    const model = new nn.Sequential(new nn.Linear(3, 2), new nn.Dropout(0.5));
    const server = await start({ models: { net: { model, example: zeros(1, 3) } } });
    const metadata = (await ask(server, '/v2/models/net')).json;
    expect(metadata.inputs).toEqual([{ name: 'input', datatype: 'FP32', shape: [-1, 3] }]);
    expect(metadata.outputs).toEqual([{ name: 'output', datatype: 'FP32', shape: [-1, 2] }]);
    const x = tensor([[1, 2, 3]]);
    const body = { inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] }] };
    const { data } = (await infer(server, 'net', body)).json.outputs[0];
    expect(data).toEqual(Array.from(model.forward(x).toTypedArray())); // eval(): without dropout
  });

  it('an async function, which refuses by itself', async () => {
    const model = async ({ x }: Values): Promise<Strings> => {
      await Promise.resolve();
      const { data } = x as Strings;
      if (data.includes('bad')) throw new ServeError(413, 'no');
      if (data.includes('worse')) throw new Error('a secret');
      return new Strings(data.map((s) => s.toUpperCase()));
    };
    const spec = { dtype: 'string', shape: [-1] } as const;
    const definition = { model, inputs: [{ name: 'x', ...spec }], outputs: [{ name: 'y', ...spec }] };
    const ask_ = async (exposeErrors: boolean, text: string): Promise<[number, unknown]> => {
      const server = await start({ models: { m: definition }, exposeErrors });
      const { status, json } = await infer(server, 'm', one('BYTES', [text], [1]));
      return [status, status === 200 ? json.outputs[0].data : json.error];
    };
    expect(await ask_(false, 'a')).toEqual([200, ['A']]);
    expect(await ask_(false, 'bad')).toEqual([413, 'no']);
    expect(await ask_(false, 'worse')).toEqual([500, 'the model failed']);
    expect(await ask_(true, 'worse')).toEqual([500, 'the model failed: a secret']);
  });

  it('results that are not those declared are the server’s failure', async () => {
    const spec = { name: 'x', dtype: 'float32', shape: [-1, 2] } as const;
    const of = async (model: ModelDefinition): Promise<unknown> => {
      const server = await start({ models: { m: model } });
      return (await infer(server, 'm', one('FP32', [1, 2]))).json.error;
    };
    const made = (model: (v: Values) => unknown): ModelDefinition => ({
      model: model as never,
      inputs: [spec],
      outputs: [{ ...spec, name: 'y' }],
    });
    expect(await of(made(() => ({})))).toBe("the model failed: the model returned no output 'y' (its outputs: none)");
    expect(await of(made(() => ({ y: zeros(1, 3) })))).toBe(
      "the model failed: the model's output 'y' is float32 of shape [1, 3], declared as float32 of [-1, 2]",
    );
    expect(await of(made(() => zeros(2, 2)))).toBe(
      "the model failed: output 'y' has shape [2, 2] for a batch of 1 rows: its first size must be the batch's",
    );
    expect(await of(made(() => 3))).toBe(
      'the model failed: the model returned 3; expected tensors by name, a tensor, or a list of them',
    );
  });

  const spec = [{ name: 'x', dtype: 'float32', shape: [2] }] as const;
  const WRONG: [string, unknown, string][] = [
    ['no model', { m: { inputs: spec } }, "serve: model 'm': a model must be an nn.Module, a compiled plan or a function, got undefined"], // prettier-ignore
    ['a name', { 'a/b': () => ({}) }, "serve: the name of a model must be letters, digits, '_', '-' and '.', 1 to 128 of them, beginning with a letter or digit; got 'a/b'"], // prettier-ignore
    ['an option', { m: { model: () => ({}), maxBatchSizes: 3 } }, "serve: model 'm': unknown option 'maxBatchSizes', did you mean 'maxBatchSize'?"], // prettier-ignore
    ['no inputs', { m: () => ({}) }, "serve: model 'm' needs inputs: [{ name, dtype, shape }] or an example, as its inputs can't be known"], // prettier-ignore
    ['a dtype', { m: { model: () => ({}), inputs: [{ name: 'x', dtype: 'float23', shape: [] }] } }, "serve: model 'm': inputs[0]: unknown dtype 'float23', did you mean 'float32'?"], // prettier-ignore
    ['a batch without a dim', { m: { model: () => ({}), inputs: spec, maxBatchSize: 4 } }, "serve: model 'm': maxBatchSize 4 needs inputs and outputs whose first size is open (-1)"], // prettier-ignore
    ['an example', { m: { model: new nn.Linear(3, 2), example: zeros(1, 4) } }, "serve: model 'm' can't compute its example: linear: "], // prettier-ignore
    ['models', 3, 'serve: models must be an object of models by name, or a folder; got 3'],
  ];
  it.each(WRONG)('refused at the start: %s', async (_, models, message) => {
    await expect(start({ models: models as never })).rejects.toThrow(message);
  });
});
