/** Hostile files of every format: an error that says what is wrong, in bounded time and memory. See also fuzz.ts. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { afterAll, describe as group, expect, it } from 'vitest';
import {
  type Tensor,
  TenfoldError,
  arange,
  load,
  loadAsync,
  loadMetadata,
  save,
  toBytes,
  zeros,
} from '../../lib/index.js';
import { crc32, crc32Portable } from '../../lib/serialization/checksum.js';
import { encodeZip } from '../../lib/serialization/zip.js';
import { describe } from './describe.js';
import { READERS, fuzz } from './fuzz.js';

const fixture = (name: string): Buffer =>
  fs.readFileSync(fileURLToPath(new URL(`../fixtures/files/${name}`, import.meta.url)));
const folder = fs.mkdtempSync(join(tmpdir(), 'tenfold-hostile-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
/** A checkpoint with this pickle and these storages, checksums and all. */
const checkpoint = (pickle: string | Uint8Array, storages: Record<string, Uint8Array> = {}): Buffer =>
  Buffer.concat(
    encodeZip(
      [
        { name: 'a/data.pkl', pieces: [typeof pickle === 'string' ? latin1(pickle) : pickle] },
        ...Object.entries(storages).map(([key, bytes]) => ({ name: `a/data/${key}`, pieces: [bytes] })),
      ],
      64,
    ),
  );
const text = (s: string): string => `X${String.fromCharCode(s.length, 0, 0, 0)}${s}`;
const int = (n: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(n);
  return `J${bytes.toString('latin1')}`;
};
const tuple = (...items: string[]): string => `(${items.join('')}t`;
const storage = (type = 'FloatStorage', key = '0', numel = int(4)): string =>
  `${tuple(text('storage'), `ctorch\n${type}\n`, text(key), text('cpu'), numel)}Q`;
const tensorOf = (offset: string, size: string, stride: string, where = storage()): string =>
  `ctorch._utils\n_rebuild_tensor_v2\n${tuple(where, offset, size, stride, '\x89', 'ccollections\nOrderedDict\n)R')}R`;
const sixteen = { 0: new Uint8Array(16) };

group('pickles', () => {
  const cases: [string, Buffer, string][] = [
    ['empty', checkpoint(''), 'its pickle ends too soon'],
    [
      'a system call',
      checkpoint('cos\nsystem\n(X\x06\x00\x00\x00rm -rftR.'),
      'it holds a os.system, which only Python can make',
    ],
    ['a builtin', checkpoint('c__builtin__\neval\n(X\x01\x00\x00\x001tR.'), 'it holds a builtins.eval'],
    ['a name without an end', checkpoint('cos'), 'its pickle ends too soon'],
    ['a name of 2,000 bytes', checkpoint(`c${'a'.repeat(2000)}\nb\n.`), 'has a name of 2000 bytes'],
    ['a long name of a class', checkpoint(`cos\n${'a'.repeat(1000)}\n.`), 'it holds a os.aaa'],
    ['calling text', checkpoint('(X\x01\x00\x00\x00a)R.'), 'calls what is no function'],
    ['calling a dtype', checkpoint('ctorch\nfloat32\n)R.'), 'its pickle calls torch.float32'],
    ['an unknown instruction', checkpoint('\xff.'), 'has the instruction 0xff at byte 0'],
    ['instructions of protocol 0', checkpoint("S'a'\n."), 'has the instruction 0x53'],
    ['protocol 9', checkpoint('\x80\x09N.'), 'is of protocol 9'],
    ['nothing on the stack', checkpoint('.'), 'takes more than it has'],
    ['values left behind', checkpoint('NN.'), 'leaves values behind'],
    ['no mark', checkpoint('Nt.'), 'has no mark'],
    ['what the memo has not', checkpoint('h\x05.'), 'refers to a value 5'],
    ['a string longer than the pickle', checkpoint('X\xff\xff\xff\x7fabc.'), 'its pickle ends too soon'],
    ['a string of 2^63 bytes', checkpoint('\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.'), 'its pickle ends too soon'],
    [
      'an integer of a million bytes',
      checkpoint(`\x8b\x40\x42\x0f\x00${'1'.repeat(1_000_000)}.`),
      'has an integer of 1000000 bytes',
    ],
    ['no UTF-8', checkpoint('X\x02\x00\x00\x00\xff\xfe.'), 'has a string that is no UTF-8'],
    [
      '100,000 lists in each other',
      checkpoint(']'.repeat(100_000) + 'a'.repeat(99_999) + '.'),
      'is nested deeper than 500 levels',
    ],
    [
      '100,000 tuples in each other',
      checkpoint(')' + '\x85'.repeat(100_000) + '.'),
      'is nested deeper than 500 levels',
    ],
    [
      '100,000 dicts in each other',
      checkpoint('}' + 'K\x01}'.repeat(100_000) + 's'.repeat(100_000) + '.'),
      'is nested deeper than 500 levels',
    ],
    [
      'a list that is twice in a list, 600 times',
      checkpoint(`]q\x00${'0](h\x00h\x00eq\x00'.repeat(600)}.`),
      'is nested deeper than 500 levels',
    ],
    ['itself', checkpoint(']q\x00h\x00a.'), 'contains itself'],
    ['itself by a dict', checkpoint('}q\x00K\x01h\x00s.'), 'contains itself'],
    ['6 million lists', checkpoint(`](${']'.repeat(6_000_000)}e.`), 'has more than 4000000 containers'],
    ['a tuple as key', checkpoint('})Ns.'), 'a dict with a tuple as key'],
    ['a list as key', checkpoint('}]Ns.'), 'a dict with an object as key'],
    ['a key without a value', checkpoint('}(Nu.'), 'has a key without a value'],
    ['a set of what is no list', checkpoint('c__builtin__\nset\n(K\x01tR.'), 'a set of what is no list'],
    ['appending to a tuple', checkpoint(')Na.'), 'appends to what is no list'],
    ['the state of a list', checkpoint(']}b.'), 'sets the state of an object that has none'],
    [
      'a class as a value',
      checkpoint('ccollections\nOrderedDict\n.'),
      'holds a class, a function or a storage as a value',
    ],
    ['a persistent id that is text', checkpoint(`${text('x')}Q.`), 'refers to something outside that is no storage'],
    [
      'a text that is encoded 100,000 times',
      checkpoint(`c_codecs\nencode\nq\x000${text('a'.repeat(200))}q\x01](${`h\x00h\x01\x85R`.repeat(100_000)}e.`),
      'makes more bytes than it has',
    ],
    ['what goes on behind its end', checkpoint('N.N.'), 'its pickle goes on behind its end'],
  ];
  it.each(cases)('%s', async (_, bytes, message) => {
    const before = process.memoryUsage();
    for (const call of [() => load(bytes), () => loadAsync(bytes)]) {
      const error: unknown = await Promise.resolve()
        .then(call)
        .then(
          () => null,
          (e: unknown) => e,
        );
      expect(error).toBeInstanceOf(TenfoldError);
      expect((error as TenfoldError).code).toBe('state');
      expect((error as Error).message).toContain(message);
      expect((error as Error).message.length).toBeLessThan(2000);
    }
    expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(4 * bytes.length + (16 << 20));
  });

  it('keys that name prototypes are keys', () => {
    const back = load<Record<string, unknown>>(
      checkpoint(`}(${text('__proto__')}}${text('polluted')}\x88s${text('constructor')}Nu.`),
    );
    expect(Object.keys(back)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
  it('lists that are referred to 2^400 times are one each', () => {
    let back = load<unknown>(checkpoint(`]q\x00${'0](h\x00h\x00eq\x00'.repeat(400)}.`));
    for (let i = 0; i < 400; i++) {
      expect((back as unknown[])[0]).toBe((back as unknown[])[1]);
      back = (back as unknown[])[0];
    }
    expect(back).toEqual([]);
  });
});

group('tensors in checkpoints', () => {
  const one = tuple('K\x04');
  it.each<[string, string, string]>([
    ['an offset outside', tensorOf('K\x01', one, tuple('K\x01')), 'leaves its storage of 4 elements'],
    [
      'a negative offset',
      tensorOf(int(-1), one, tuple('K\x01')),
      'described by other than a storage, sizes and strides',
    ],
    ['a stride that leads outside', tensorOf('K\x00', one, tuple('K\x02')), 'leaves its storage of 4 elements'],
    [
      'a negative stride',
      tensorOf('K\x03', one, tuple(int(-1))),
      'described by other than a storage, sizes and strides',
    ],
    ['fewer strides than sizes', tensorOf('K\x00', one, ')'), 'it holds a tensor of shape [4], strides []'],
    [
      'sizes whose product overflows',
      tensorOf('K\x00', tuple(...Array<string>(8).fill(int(2 ** 31 - 1))), tuple(...Array<string>(8).fill('K\x00'))),
      'leaves its storage',
    ],
    [
      '65 dims',
      tensorOf('K\x00', tuple(...Array<string>(65).fill('K\x01')), tuple(...Array<string>(65).fill('K\x01'))),
      'it holds a tensor of shape',
    ],
    [
      'a storage that is not there',
      tensorOf('K\x00', one, tuple('K\x01'), storage('FloatStorage', '7')),
      "it has no storage '7'",
    ],
    [
      'a storage of another size',
      tensorOf('K\x00', one, tuple('K\x01'), storage('FloatStorage', '0', int(5))),
      'has 16 bytes, and should have 20',
    ],
    [
      'a storage of 2^62 elements',
      tensorOf('K\x00', one, tuple('K\x01'), storage('FloatStorage', '0', '\x8a\x08\0\0\0\0\0\0\0\x40')),
      'no storage',
    ],
    [
      'a key that leads elsewhere',
      tensorOf('K\x00', one, tuple('K\x01'), storage('FloatStorage', '../data.pkl')),
      "it has no storage '../data.pkl'",
    ],
    [
      'integers with a gradient',
      tensorOf('K\x00', one, tuple('K\x01'), storage('IntStorage')).replace('\x89', '\x88'),
      'a tensor of int32 that requires a gradient',
    ],
  ])('%s', (_, pickle, message) => {
    expect(() => load(checkpoint(`${pickle}.`, sixteen))).toThrow(TenfoldError);
    expect(() => load(checkpoint(`${pickle}.`, sixteen))).toThrow(message);
  });
  it('bools other than 0 and 1', () => {
    const pickle = tensorOf('K\x00', one, tuple('K\x01'), storage('BoolStorage'));
    expect(load<Tensor>(checkpoint(`${pickle}.`, { 0: Uint8Array.of(0, 1, 1, 0) })).tolist()).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(() => load(checkpoint(`${pickle}.`, { 0: Uint8Array.of(0, 1, 2, 0) }))).toThrow(
      'holds bytes other than 0 and 1',
    );
  });
});

/** An archive whose directory says whatever it is told. */
function archive(
  entries: { name: string; content: Uint8Array; deflate?: boolean; central?: object; at?: number }[],
  comment = '',
): Buffer {
  const pieces: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, deflate = false, central = {}, at: place } of entries) {
    const packed = deflate ? deflateRawSync(content) : Buffer.from(content);
    const fields = {
      flags: 0,
      method: deflate ? 8 : 0,
      crc: crc32(content),
      packed: packed.length,
      size: content.length,
      ...central,
    };
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(fields.method, 8);
    local.writeUInt16LE(name.length, 26);
    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50);
    record.writeUInt16LE(fields.flags, 8);
    record.writeUInt16LE(fields.method, 10);
    record.writeUInt32LE(fields.crc, 16);
    record.writeUInt32LE(fields.packed, 20);
    record.writeUInt32LE(fields.size, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt32LE(place ?? offset, 42);
    directory.push(record, Buffer.from(name));
    pieces.push(local, Buffer.from(name), packed);
    offset += 30 + name.length + packed.length;
  }
  const length = directory.reduce((n, b) => n + b.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...pieces, ...directory, end, Buffer.from(comment)]);
}

group('archives', () => {
  const npy = (t: Tensor): Uint8Array => toBytes(t, { format: 'npy' });
  const small = npy(arange(4));
  it('good ones are read, with a comment too', () => {
    expect(describe(load(archive([{ name: 'x.npy', content: small }])))).toEqual(describe({ x: arange(4) }));
    expect(describe(load(archive([{ name: 'x.npy', content: small, deflate: true }], 'a comment')))).toEqual(
      describe({ x: arange(4) }),
    );
  });
  const lying = (central: object, deflate = false): Buffer =>
    archive([{ name: 'x.npy', content: small, central, deflate }]);
  it.each<[string, Buffer, string]>([
    [
      'a name twice',
      archive([
        { name: 'x.npy', content: small },
        { name: 'x.npy', content: small },
      ]),
      "has the zip entry 'x.npy' twice",
    ],
    [
      'entries on top of each other',
      archive([
        { name: 'x.npy', content: small },
        { name: 'y.npy', content: small, at: 0 },
      ]),
      'overlap',
    ],
    [
      'an entry at a place where none is',
      archive([{ name: 'x.npy', content: small, at: 8 }]),
      "its zip entry 'x.npy' lies outside",
    ],
    ['a wrong checksum', lying({ crc: 1 }), 'is damaged: its checksum is another one'],
    ['a size that is too large', lying({ size: 1000, packed: 1000 }), 'lies outside'],
    ['two sizes of a stored entry', lying({ size: 1000 }), 'is stored, and has the sizes'],
    ['a packed entry of 4 GB', lying({ size: 2 ** 32 - 2 }, true), "can't unpack to 4294967294 bytes"],
    ['a packed entry that is larger than it says', lying({ size: 150 }, true), 'and 22 follow its header'],
    ['encryption', lying({ flags: 1 }), 'is encrypted'],
    ['another method', lying({ method: 14 }), 'is packed by method 14'],
    ['zip64 sizes that are not there', lying({ size: 2 ** 32 - 1, packed: 2 ** 32 - 1 }), 'lacks its zip64 sizes'],
    ['other files', archive([{ name: 'a.txt', content: small }]), 'it is a zip archive of 1 entries (a.txt'],
    [
      'two arrays and a text',
      archive([
        { name: 'x.npy', content: small },
        { name: 'a.txt', content: small },
      ]),
      'neither a .pt nor a .npz file',
    ],
    [
      'an array that is none',
      archive([{ name: 'x.npy', content: latin1('hello world') }]),
      "array 'x': it has no header of an array",
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => load(bytes)).toThrow(TenfoldError);
    expect(() => load(bytes)).toThrow(message);
  });

  it('bombs', async () => {
    // 100 KB that unpack to 100 MB, of an array that says it is small; then of one that says the truth, beyond maxBytes.
    const large = npy(zeros(25_000_000));
    const header = npy(zeros(4)).subarray(0, 128);
    const lie = new Uint8Array(large);
    lie.set(header);
    const before = process.memoryUsage().arrayBuffers;
    const files = [
      archive([{ name: 'x.npy', content: lie, deflate: true }]),
      archive([{ name: 'x.npy', content: lie, deflate: true, central: { size: 144 } }]),
    ];
    const made = process.memoryUsage().arrayBuffers - before;
    for (const bomb of files) {
      expect(() => load(bomb)).toThrow(TenfoldError);
      await expect(loadAsync(bomb)).rejects.toThrow(TenfoldError);
    }
    expect(process.memoryUsage().arrayBuffers - before - made).toBeLessThan(64 << 20);
    const honest = archive([{ name: 'x.npy', content: large, deflate: true }]);
    expect(() => load(honest, { maxBytes: 50_000_000 })).toThrow(
      'would unpack to 100000128 bytes, more than the 50000000 that maxBytes allows',
    );
    expect(load(honest).x!.shape).toEqual([25_000_000]);
  });
});

group('arrays', () => {
  const npy = (dict: string, data = 0, version = 1, length?: number): Buffer => {
    const head = Buffer.alloc(10);
    head.write('\x93NUMPY', 'latin1');
    head[6] = version;
    head.writeUInt16LE(length ?? dict.length, 8);
    return Buffer.concat([head, Buffer.from(dict, 'latin1'), Buffer.alloc(data)]);
  };
  const header = (shape: string, descr = "'<f4'", order = 'False'): string =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
  it('good ones', () => {
    expect(load<Tensor>(npy(header('(2, 3)'), 24)).shape).toEqual([2, 3]);
    expect(load<Tensor>(npy(header('(2L, 3L)'), 24)).shape).toEqual([2, 3]);
    expect(load<Tensor>(npy(`{"shape":(),"fortran_order":False,"descr":"<f4"}`, 4)).shape).toEqual([]);
  });
  it.each<[string, Buffer, string]>([
    ['version 9', npy(header('()'), 4, 9), 'it is of version 9.0'],
    ['a header past the end', npy(header('()'), 0, 1, 500), 'its header should end at byte 510'],
    ['a header of 60,000 bytes', npy(' '.repeat(60_000)), '10000 are the most'],
    ['no dict', npy('hello'), 'its header is no dict'],
    [
      'code in the dict',
      npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': (), }"),
      "its header can't be parsed",
    ],
    [
      'a key twice',
      npy("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (), }", 4),
      "has the key 'descr' twice",
    ],
    [
      'a key too many',
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'a': True, }", 4),
      'should have descr, fortran_order and shape',
    ],
    ['a shape of one without its comma', npy(header('(3)'), 12), 'has the shape (3)'],
    ['a negative size', npy(header('(-3,)'), 12), 'should have descr, fortran_order and shape'],
    ['a size of 10^30', npy(header(`(${'9'.repeat(30)},)`), 12), 'it holds an array of shape'],
    ['sizes whose product overflows', npy(header('(4294967296, 4294967296)'), 12), 'it holds an array of shape'],
    ['too few elements', npy(header('(3,)'), 11), 'has 12 bytes, and 11 follow its header'],
    ['too many elements', npy(header('(3,)'), 13), 'has 12 bytes, and 13 follow its header'],
    ['an array of 400 GB', npy(header('(100000000000,)'), 13), 'and 13 follow its header'],
    ['a dtype that is none', npy(header('()', "'<q7'"), 4), 'is no dtype here'],
    [
      'bools other than 0 and 1',
      Buffer.concat([npy(header('(2,)', "'|b1'")), Buffer.from([1, 7])]),
      'holds bytes other than 0 and 1',
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => load(bytes)).toThrow(TenfoldError);
    expect(() => load(bytes)).toThrow(message);
  });
});

group('files that are known and not read', () => {
  it.each<[string, Buffer, string]>([
    ['GGUF', Buffer.from('GGUF\x03\0\0\0\0\0\0\0'), 'it is a GGUF file'],
    ['HDF5', Buffer.from('\x89HDF\r\n\x1a\n....', 'latin1'), 'it is an HDF5 file'],
    ['gzip', Buffer.from('\x1f\x8b\x08\0\0\0\0\0', 'latin1'), 'load(zlib.gunzipSync(bytes))'],
    ['TensorFlow Lite', Buffer.from('\x1c\0\0\0TFL3....', 'latin1'), 'it is a TensorFlow Lite model'],
    ['ONNX', Buffer.from('\x08\x07\x12\x07pytorch\x1a\x05', 'latin1'), 'onnx.load(path) makes a module of it'],
    ['tar', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0')]), 'a checkpoint of PyTorch before 0.1.10'],
    ['a plain pickle', Buffer.from('\x80\x04]\x94.', 'latin1'), 'it is a pickle, and none that torch.save made'],
    ['JSON', Buffer.from('{"a": 1}'), 'it is JSON without a weight_map'],
    ['half of JSON', Buffer.from('{"weight_map": '), 'it begins as JSON and is none'],
    ['text', Buffer.from('hello, world, hello, world'), 'no safetensors file'],
    ['nothing', Buffer.alloc(0), 'it has 0 bytes'],
  ])('%s', (_, bytes, message) => {
    expect(() => load(bytes)).toThrow(TenfoldError);
    expect(() => load(bytes)).toThrow(message);
  });
  it('what is no file', () => {
    expect(() => load(7 as unknown as string)).toThrow("load: expected a path or a file's bytes, got 7");
    expect(() => load('')).toThrow(TypeError);
    expect(() => load(Buffer.alloc(3), { maxBytes: '1' as unknown as number })).toThrow('maxBytes must be a number');
    expect(() => load(Buffer.alloc(3), { maxBytes: -1 })).toThrow(RangeError);
    expect(() => load(Buffer.alloc(3), { weightsOnly: false as unknown as true })).toThrow('weightsOnly must be true');
    expect(() => load(Buffer.alloc(3), { mapLocation: 'cuda' as 'cpu' })).toThrow("mapLocation must be 'cpu'");
    expect(() => load(Buffer.alloc(3), { mmap: true } as object)).toThrow("load: unknown option 'mmap'");
  });
});

group('sharded files', () => {
  const index = (map: object): void =>
    fs.writeFileSync(at('m.index.json'), JSON.stringify({ metadata: { total_size: 20 }, weight_map: map }));
  save({ a: zeros(2), c: zeros(1) }, at('m-1.safetensors'));
  save({ b: arange(3) }, at('m-2.safetensors'));
  it('load as one, in the order of the index', async () => {
    index({ a: 'm-1.safetensors', b: 'm-2.safetensors', c: 'm-1.safetensors' });
    for (const back of [load(at('m.index.json')), await loadAsync(at('m.index.json'))]) {
      expect(Object.keys(back)).toEqual(['a', 'b', 'c']);
      expect(back.b!.tolist()).toEqual([0, 1, 2]);
    }
    expect(loadMetadata(at('m.index.json'))).toEqual({ total_size: '20' });
    expect(() => load(fs.readFileSync(at('m.index.json')))).toThrow("give the index's path");
  });
  it.each<[string, object, string]>([
    ['a file elsewhere', { a: '../m-1.safetensors' }, 'files must lie beside the index'],
    ['an absolute path', { a: '/etc/passwd' }, 'files must lie beside the index'],
    ['a folder', { a: '..' }, 'files must lie beside the index'],
    ['a file that is not there', { a: 'm-3.safetensors' }, 'ENOENT'],
    ['a tensor that is not there', { b: 'm-1.safetensors' }, "it has no tensor 'b'"],
    ['a number', { a: 7 }, 'should be in 7'],
  ])('%s', (_, map, message) => {
    index(map);
    expect(() => load(at('m.index.json'))).toThrow(message);
  });
});

group('every reader', () => {
  it.each(['tensor.pt', 'old-shared-legacy.pt', 'f4.npy', 'stored.npz', 'deflated.npz', '../python.safetensors'])(
    '%s, cut off at every byte',
    (name) => {
      const good = fixture(name);
      for (let n = 0; n < good.length; n++) expect(() => load(good.subarray(0, n)), `${n} bytes`).toThrow(TenfoldError);
    },
    60_000,
  );
  it.each(Object.keys(READERS))('%s: 300 mutated files', (name) => {
    const { files, faults } = fuzz(name, 300, 42);
    expect(files).toBe(300);
    expect(faults).toEqual([]);
  });
});

it('checksums without the help of zlib', () => {
  expect(crc32Portable(Buffer.from('123456789'))).toBe(0xcbf43926);
  for (let n = 0; n < 40; n++) {
    const bytes = Uint8Array.from({ length: n }, (_, i) => (i * 37 + n) & 255);
    expect(crc32Portable(bytes)).toBe(crc32(bytes));
    expect(crc32Portable(bytes.subarray(n >> 1), crc32Portable(bytes.subarray(0, n >> 1)))).toBe(crc32(bytes));
  }
});
