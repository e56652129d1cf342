/** save and load: what comes back, files of Python's safetensors, hostile files, and crashes in the middle. */
import { fork } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import {
  type Tensor,
  TenfoldError,
  arange,
  load,
  loadAsync,
  loadMetadata,
  optim,
  save,
  saveAsync,
  tensor,
  zeros,
} from '../lib/index.js';
import { DTYPES } from '../lib/dtype.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'tenfold-save-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const leftovers = (): string[] => fs.readdirSync(folder).filter((f) => f.endsWith('.tmp'));
const bytesOf = (t: Tensor): unknown => [t.dtype, t.shape, (t.dense ? t : t.contiguous()).asTypedArray()];

// fs is frozen as a module; a namespace of our own can be spied on.
vi.mock('node:fs', async (original) => ({ ...(await original<typeof fs>()) }));

describe('round trip', () => {
  const dict = Object.fromEntries(DTYPES.map((dtype) => [dtype, tensor([0, 1, 2, 3, 120, 7]).to(dtype).reshape(2, 3)]));

  it.each(['save', 'saveAsync'])('%s keeps every dtype, shape and bit', async (how) => {
    const all = {
      ...dict,
      empty: zeros(0, 3),
      zeroDim: tensor(5),
      'weird "name"\n': tensor([NaN, -0, Infinity]),
      turned: arange(6).reshape(2, 3).t(),
    };
    if (how === 'save') save(all, at('a.safetensors'));
    else await saveAsync(all, at('a.safetensors'));
    for (const back of [load(at('a.safetensors')), await loadAsync(at('a.safetensors'))]) {
      expect(Object.keys(back).sort()).toEqual(Object.keys(all).sort());
      for (const [name, t] of Object.entries(all)) expect(bytesOf(back[name]!)).toEqual(bytesOf(t));
    }
    expect(leftovers()).toEqual([]);
  });

  it('keeps metadata', () => {
    save(dict, at('m.safetensors'), { metadata: { epoch: '12', note: 'Grüße' } });
    expect(loadMetadata(at('m.safetensors'))).toEqual({ epoch: '12', note: 'Grüße' });
    save({ step: 3, w: zeros(2) }, at('m.safetensors'));
    expect(loadMetadata(at('m.safetensors'))).toEqual({});
  });

  it('keeps nested objects', () => {
    const w = tensor([1, 2, 3]);
    const value = {
      model: { w, 'a.b': zeros(1), a: { b: zeros(2) }, __metadata__: zeros(3) },
      list: [1, 'two', null, true, [w, NaN, -Infinity, -0, 12n]],
      bytes: new Uint8Array([1, 2, 3]),
      $odd: { $tensor: 'no tensor' },
      ['__proto__']: 7,
    };
    save(value, at('n.safetensors'));
    const back = load<typeof value>(at('n.safetensors'));
    expect(Object.keys(back)).toEqual(Object.keys(value));
    expect(back.list.slice(0, 4)).toEqual(value.list.slice(0, 4));
    const inner = back.list[4] as unknown[];
    expect(inner.slice(1)).toEqual([NaN, -Infinity, -0, 12n]);
    expect((inner[0] as Tensor).tolist()).toEqual([1, 2, 3]);
    expect(back.model.a.b.shape).toEqual([2]);
    expect(back.model['a.b'].shape).toEqual([1]);
    expect(back.model.__metadata__.shape).toEqual([3]);
    expect(back.bytes).toEqual(value.bytes);
    expect(back.$odd).toEqual(value.$odd);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });

  it('carries an optimizer over', () => {
    const train = (steps: number, p: Tensor, o: optim.Optimizer): void => {
      for (let i = 0; i < steps; i++) {
        p.grad = p.detach().mul(0.3).add(1);
        o.step();
      }
    };
    const p = tensor([1, -2, 3], { requiresGrad: true });
    const adam = new optim.Adam([p], { lr: 0.1, betas: [0.8, 0.9] });
    train(3, p, adam);
    save({ p, adam: adam.stateDict() }, at('o.safetensors'));
    const back = load<{ p: Tensor; adam: ReturnType<typeof adam.stateDict> }>(at('o.safetensors'));
    const q = back.p.requiresGrad_();
    const resumed = new optim.Adam([q]);
    resumed.loadStateDict(back.adam);
    expect(resumed.paramGroups[0]!.betas).toEqual([0.8, 0.9]);
    train(3, p, adam);
    train(3, q, resumed);
    expect(q.tolist()).toEqual(p.tolist());
  });

  it('reads what Python wrote', () => {
    const path = fileURLToPath(new URL('fixtures/python.safetensors', import.meta.url));
    const back = load(path);
    const signed = [
      [-3.5, 0, 1],
      [2.25, 100, 7],
    ];
    for (const dtype of ['float32', 'float64', 'float16', 'bfloat16']) {
      expect(back[dtype]!.dtype).toBe(dtype);
      expect(back[dtype]!.tolist()).toEqual(signed);
    }
    for (const dtype of ['int64', 'int32', 'int16', 'int8'])
      expect(back[dtype]!.tolist()).toEqual([
        [-3, 0, 1],
        [2, 100, 7],
      ]);
    expect(back.uint8!.tolist()).toEqual([
      [253, 0, 1],
      [2, 100, 7],
    ]);
    expect(back.bool!.tolist()).toEqual([
      [true, false, true],
      [true, true, true],
    ]);
    expect(back.empty!.shape).toEqual([0, 4]);
    expect(back['0']!.itemBigInt()).toBe(2n ** 53n + 1n);
    expect(loadMetadata(path)).toEqual({ format: 'pt', note: 'Grüße' });
  });

  it('saves values as they are at the call, asynchronously too', async () => {
    const w = zeros(1000);
    const done = saveAsync({ w }, at('s.safetensors'));
    w.add_(1);
    await done;
    expect(load(at('s.safetensors')).w!.sum().item()).toBe(0);
  });
});

describe('what is refused at save', () => {
  it.each([
    [
      () => save({ f: () => 1 }, at('x')),
      TypeError,
      "save: f is a function, which can't be saved; tensors, typed arrays, numbers, strings, lists and plain objects can",
    ],
    [() => save({ a: [new Date(0)] }, at('x')), TypeError, "save: a.0 is a Date, which can't be saved"],
    [() => save(tensor([1]), at('x')), TypeError, 'save: expected an object with tensors'],
    [() => save({ __metadata__: tensor([1]) }, at('x')), TypeError, "save: a tensor can't be called __metadata__"],
    [() => save({}, ''), TypeError, "save: expected a path, got ''"],
    [
      () => save({}, at('x'), { metadata: { a: 1 as unknown as string } }),
      TypeError,
      "save: metadata 'a' must be a string, got 1",
    ],
    [() => save({}, at('x'), { meta: {} } as object), TypeError, "save: unknown option 'meta'"],
    [() => save({}, at('no/such/folder/x')), TenfoldError, "save: could not write '"],
  ])('%s', (call, type, message) => {
    expect(call).toThrow(type);
    expect(call).toThrow(message);
    expect(fs.existsSync(at('x'))).toBe(false);
  });
  it('an object inside itself', () => {
    const loop: Record<string, unknown> = { n: 1 };
    loop.self = loop;
    expect(() => save(loop, at('x'))).toThrow('or in itself');
  });
  it('a freed tensor, before the old file is touched', () => {
    save({ a: zeros(1) }, at('freed'));
    const t = zeros(5000);
    t.dispose();
    expect(() => save({ t }, at('freed'))).toThrow('freed');
    expect(Object.keys(load(at('freed')))).toEqual(['a']);
  });
});

describe('a crash in the middle', () => {
  const path = at('old.safetensors');
  const old = { w: arange(10) };

  it.each(['writeSync', 'fsyncSync', 'renameSync'] as const)('an error in %s leaves the old file whole', (name) => {
    save(old, path);
    const spy = vi.spyOn(fs, name).mockImplementation(() => {
      throw new Error('ENOSPC: no space left on device');
    });
    expect(() => save({ w: zeros(100) }, path)).toThrow('ENOSPC');
    spy.mockRestore();
    expect(load(path).w!.tolist()).toEqual(old.w.tolist());
    expect(leftovers()).toEqual([]);
  });

  it('a killed process leaves the old file whole', async () => {
    save(old, path);
    // The child dies where a chosen call of fs would run, as by kill -9.
    const script = at('child.mjs');
    fs.writeFileSync(
      script,
      `import fs from 'node:fs';
       import { syncBuiltinESMExports } from 'node:module';
       const real = fs.writeSync;
       let calls = 0;
       fs.writeSync = (...args) => (++calls === 2 ? (real(args[0], args[1], 0, 100), process.kill(process.pid, 'SIGKILL')) : real(...args));
       syncBuiltinESMExports();
       const { save, zeros } = await import(process.argv[2]);
       save({ w: zeros(100000) }, process.argv[3]);`,
    );
    const lib = new URL('../lib/index.ts', import.meta.url).href;
    const child = fork(script, [lib, path], {
      execArgv: ['--import', 'tsx'],
      cwd: fileURLToPath(new URL('..', import.meta.url)),
    });
    const signal = await new Promise((resolve) => child.on('exit', (_, s) => resolve(s)));
    expect(signal).toBe('SIGKILL');
    expect(leftovers()).toHaveLength(1); // it was in the middle
    expect(load(path).w!.tolist()).toEqual(old.w.tolist());
  }, 30_000);

  it('replaces what a link points to, and keeps its mode', () => {
    save(old, path);
    fs.chmodSync(path, 0o640);
    fs.symlinkSync(path, at('link'));
    save({ w: zeros(1) }, at('link'));
    expect(fs.lstatSync(at('link')).isSymbolicLink()).toBe(true);
    expect(load(path).w!.shape).toEqual([1]);
    expect(fs.statSync(path).mode & 0o777).toBe(0o640);
  });
});

describe('hostile files', () => {
  const f32 = (shape: number[], begin: number, end: number, dtype = 'F32'): object => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  const file = (header: string | object, data = 0, length?: bigint): Buffer => {
    const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
    const first = Buffer.alloc(8);
    first.writeBigUInt64LE(length ?? BigInt(text.length));
    return Buffer.concat([first, text, Buffer.alloc(data)]);
  };
  const structure = (s: unknown): object => ({
    __metadata__: { 'tenfold.structure': typeof s === 'string' ? s : JSON.stringify(s) },
    a: f32([1], 0, 4),
  });
  const deep = (n: number): string => '['.repeat(n) + ']'.repeat(n);

  const cases: [string, Buffer, string][] = [
    ['empty', Buffer.alloc(0), 'it has 0 bytes, which is too short'],
    ['shorter than the length', Buffer.alloc(7), 'it has 7 bytes, which is too short'],
    ['header length past the end', file('{}', 0, 3n), 'its header should take 3 bytes, and only 2 follow'],
    ['header length of 2^60', file('{}', 0, 1n << 60n), `its header should take ${1n << 60n} bytes`],
    ['header length of 2^64 - 1', file('{}', 0, (1n << 64n) - 1n), 'truncated, or no safetensors file'],
    ['a pickle', Buffer.from('\x80\x02}q\x00(X\x06\x00\x00\x00weight'), 'truncated, or no safetensors file'],
    ['no JSON', file('{"a":'), 'its header is no JSON'],
    ['no UTF-8', file('{"\xff"}'.replace('ÿ', 'ÿ')).fill(0xff, 9, 11), 'its header is no JSON'],
    ['nothing', file(''), 'its header is no JSON'],
    ['a list', file('[]'), 'its header is [], and should be an object'],
    ['null', file('null'), 'its header is null'],
    ['a number', file('1'), 'its header is 1'],
    ['10,000 brackets', file(`{"a":${deep(10_000)}}`), "tensor 'a' is described by"],
    [
      'a key twice',
      file(`{"a":${JSON.stringify(f32([1], 0, 4))},"\\u0061":${JSON.stringify(f32([1], 4, 8))}}`, 8),
      "the key 'a' twice",
    ],
    [
      'a field twice',
      file('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}', 8),
      "the key 'shape' twice",
    ],
    ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), "the key '__metadata__' twice"],
    ['metadata of numbers', file({ __metadata__: { a: 1 } }), 'its metadata should be an object of strings'],
    ['an entry that is null', file({ a: null }), "tensor 'a' is described by null"],
    [
      'an unknown field',
      file({ a: { ...f32([1], 0, 4), strides: [1] } }, 4),
      "tensor 'a' has an unknown field 'strides'",
    ],
    ['an unknown dtype', file({ a: f32([1], 0, 4, 'F4') }, 4), "tensor 'a' has dtype 'F4'; known are F32, F64"],
    ['a dtype without a place here', file({ a: f32([1], 0, 8, 'U64') }, 8), "tensor 'a' has dtype 'U64'"],
    ['no dtype', file({ a: { shape: [1], data_offsets: [0, 4] } }, 4), "tensor 'a' has dtype undefined"],
    ['a prototype key as dtype', file({ a: f32([1], 0, 4, 'constructor') }, 4), "has dtype 'constructor'"],
    ['a negative size', file({ a: f32([-1], 0, 4) }, 4), "tensor 'a' has shape [-1]"],
    ['a fractional size', file({ a: f32([1.5], 0, 4) }, 4), "tensor 'a' has shape [1.5]"],
    ['a size of 2^60', file({ a: f32([2 ** 60], 0, 4) }, 4), "tensor 'a' has shape [1152921504606847000]"],
    ['sizes whose product overflows', file({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4), "doesn't fill its 4 bytes"],
    ['sizes that wrap around to 0', file({ a: f32([2 ** 32, 2 ** 32], 0, 0) }, 0), "doesn't fill its 0 bytes"],
    [
      'a shape that is no list',
      file({ a: { dtype: 'F32', shape: 3, data_offsets: [0, 12] } }, 12),
      "tensor 'a' has shape 3",
    ],
    ['one offset', file({ a: { dtype: 'F32', shape: [1], data_offsets: [0] } }, 4), "tensor 'a' has data_offsets [0]"],
    [
      'offsets that are strings',
      file({ a: { dtype: 'F32', shape: [1], data_offsets: ['0', '4'] } }, 4),
      'expected [begin, end]',
    ],
    ['negative offsets', file({ a: f32([1], -4, 0) }, 4), 'expected [begin, end]'],
    ['offsets past the end', file({ a: f32([2], 0, 8) }, 4), 'should lie in bytes 0 to 8 of the data, which has 4'],
    ['offsets in the wrong order', file({ a: f32([1], 4, 0) }, 4), 'should lie in bytes 4 to 0'],
    [
      'fewer bytes than the shape says',
      file({ a: f32([3], 0, 8) }, 8),
      "tensor 'a' of shape [3] and dtype float32 doesn't fill its 8 bytes",
    ],
    ['overlapping tensors', file({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12), "tensors 'a' and 'b' overlap"],
    ['two tensors in one place', file({ a: f32([1], 0, 4), b: f32([1], 0, 4) }, 4), "tensors 'a' and 'b' overlap"],
    ['a gap', file({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), 'bytes 4 to 8 of the data belong to no tensor'],
    ['a gap in front', file({ a: f32([1], 4, 8) }, 8), 'bytes 0 to 4 of the data belong to no tensor'],
    ['bytes at the end', file({ a: f32([1], 0, 4) }, 9), 'the last 5 bytes of the data belong to no tensor'],
    [
      'a bool that is 0',
      Buffer.concat([file({ a: f32([2], 0, 2, 'BOOL') }), Buffer.from([1, 2])]),
      "bool tensor 'a' holds bytes other than 0 and 1",
    ],
    ['a structure that is no JSON', file(structure('{'), 4), 'its structure is no JSON'],
    ['a structure without the tensor', file(structure({ x: 1 }), 4), "its structure has no place for tensor 'a'"],
    [
      'a structure with another tensor',
      file(structure({ x: { $tensor: 'b' } }), 4),
      "its structure names a tensor 'b', which isn't there",
    ],
    [
      'a structure with an unknown mark',
      file(structure({ x: { $eval: '1' } }), 4),
      "its structure has an entry '$eval'",
    ],
    ['a structure 100,000 levels deep', file(structure(deep(100_000)), 4), 'its structure is nested deeper than'],
  ];

  it.each(cases)('%s', async (_, content, message) => {
    fs.writeFileSync(at('hostile'), content);
    const before = process.memoryUsage().arrayBuffers;
    for (const call of [() => load(at('hostile')), () => loadMetadata(at('hostile')), () => loadAsync(at('hostile'))]) {
      let error: unknown = null;
      try {
        await call();
      } catch (e) {
        error = e;
      }
      // loadMetadata looks at the header alone.
      if (error === null && /bool|structure/.test(message)) continue;
      expect(error).toBeInstanceOf(TenfoldError);
      expect((error as TenfoldError).code).toBe('state');
      expect((error as Error).message).toContain(message);
      expect((error as Error).message).toMatch(/^load(Async|Metadata)?: '.*hostile' can't be read: /);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
  });

  it('every truncation and every flipped byte of a header', () => {
    save({ a: arange(3), b: zeros(2, 2) }, at('good'));
    const good = fs.readFileSync(at('good'));
    const tries: Buffer[] = [];
    for (let n = 0; n < good.length; n++) tries.push(good.subarray(0, n));
    for (let i = 0; i < good.length - 40; i++) {
      for (const byte of [0x22, 0x39]) {
        const bad = Buffer.from(good);
        bad[i] = byte;
        tries.push(bad);
      }
    }
    let refused = 0;
    for (const bad of tries) {
      fs.writeFileSync(at('bad'), bad);
      try {
        load(at('bad'));
      } catch (error) {
        expect(error).toBeInstanceOf(TenfoldError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(good.length);
  }, 60_000);

  it('no file, a folder', () => {
    expect(() => load(at('nothing'))).toThrow(/^load: '.*nothing' can't be read: ENOENT/);
    expect(() => load(folder)).toThrow('it is not a file');
    expect(() => load(7 as unknown as string)).toThrow(TypeError);
  });
});
