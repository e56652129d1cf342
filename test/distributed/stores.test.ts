/** Stores: PyTorch's protocol byte for byte (recorded by scripts/record/store.py), and what every store must do. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FileStore, HashStore, PrefixStore, TCPStore, type BaseStore } from '../../lib/distributed/stores/index.js';
import { Relay } from './relay.js';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const folder = mkdtempSync(join(tmpdir(), 'tenfold-stores-'));
const server = new TCPStore('127.0.0.1', 0, { isMaster: true, waitForWorkers: false });
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});
const client = (timeout = 5000): TCPStore => new TCPStore('127.0.0.1', server.port, { timeout, waitForWorkers: false });

interface Row {
  call: [string, ...unknown[]];
  value?: unknown;
  error?: string;
  sent: string;
  received: string;
}
const { rows } = JSON.parse(readFileSync(new URL('../fixtures/distributed/store.json', import.meta.url), 'utf8')) as {
  rows: Row[];
};
// Numbers by which a client knows its answer: PyTorch's is its process, as ours.
const HELLO = /^00cef7853c0d[0-9a-f]{8}/;
const bytesAsHex = (value: unknown): unknown =>
  value instanceof Uint8Array
    ? { hex: Buffer.from(value).toString('hex') }
    : Array.isArray(value)
      ? value.map(bytesAsHex)
      : (value ?? null);
// LIST_KEYS gives them in the order of a hash table in C++.
const sorted = (row: Row, value: unknown): unknown =>
  row.call[0] === 'listKeys' ? [...(value as string[])].sort() : value;

describe('the protocol of PyTorch’s TCPStore', () => {
  it('a client sends the same bytes and understands the answers', async () => {
    const master = new TCPStore('127.0.0.1', 0, { isMaster: true, waitForWorkers: false });
    const relay = new Relay(master.port);
    let store!: TCPStore;
    for (const row of rows) {
      const [name, ...args] = row.call;
      let result: Partial<Row>;
      try {
        if (name === 'connect') {
          store = new TCPStore('127.0.0.1', relay.port, 1, false, 300);
          result = { value: null };
        } else {
          const method = store[name as 'get'].bind(store) as (...given: unknown[]) => unknown;
          result = { value: sorted(row, bytesAsHex(method(...args))) };
        }
      } catch (error) {
        result = { error: (error as { code: string }).code };
      }
      if (name === 'append' || name === 'set' || name === 'multiSet' || name === 'queuePush') store.check(['a fence']);
      const said = relay.said();
      const fence = '0501000000000000000800000000000000' + Buffer.from('/a fence').toString('hex');
      said.sent = said.sent.replace(fence, '');
      if (said.sent !== row.sent && HELLO.test(row.sent)) said.sent = said.sent.replace(HELLO, row.sent.slice(0, 20));
      expect(result, String(row.call)).toEqual(
        row.error ? { error: 'distributed' } : { value: sorted(row, row.value) },
      );
      expect(said.sent, String(row.call)).toBe(row.sent);
      if (name !== 'connect' && name !== 'listKeys' && said.received.length === row.received.length)
        expect(said.received, String(row.call)).toBe(row.received);
    }
    await relay.end();
    master.close();
  }, 20_000);

  it('a server gives the same answers to PyTorch’s client', async () => {
    const master = new TCPStore('127.0.0.1', 0, { isMaster: true, waitForWorkers: false });
    const socket = connect(master.port, '127.0.0.1');
    let received = '';
    socket.on('data', (piece: Buffer) => (received += piece.toString('hex')));
    for (const row of rows) {
      received = '';
      socket.write(Buffer.from(row.sent, 'hex'));
      const deadline = Date.now() + 5000;
      while (received.length < row.received.length && Date.now() < deadline) await new Promise((r) => setTimeout(r, 1));
      // The order of keys is nobody's business; which they are is seen by the test above.
      if (row.call[0] === 'listKeys') expect(received.slice(0, 16)).toBe(row.received.slice(0, 16));
      else expect(received, String(row.call)).toBe(row.received);
    }
    socket.destroy();
    master.close();
  }, 20_000);

  it('ends a connection that isn’t a store’s, too large, or adds to what is no number', async () => {
    const ends = (hex: string): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(server.port, '127.0.0.1', () => void socket.write(Buffer.from(hex, 'hex')));
        socket.on('error', () => {}).on('close', () => resolve());
      });
    const hello = '00cef7853c';
    await ends(Buffer.from('GET / HTTP/1.1\r\n\r\n').toString('hex'));
    await ends('00cef7853d');
    await ends(hello + '63');
    await ends(hello + '01ffffffffffffffff');
    await ends(hello + '0100000000000000ff');
    await ends(hello + '0601000200000000000');
    await ends(
      hello + '0105000000000000002f776f7264010000000000000078' + '0405000000000000002f776f72640100000000000000',
    );
    expect(text(client().get('word'))).toBe('x');
  });
});

describe.each<[string, () => BaseStore]>([
  ['TCPStore', () => client()],
  ['HashStore', () => new HashStore()],
  ['FileStore', () => new FileStore(join(folder, String(Math.random())))],
  ['PrefixStore', () => new PrefixStore('part', client())],
])('%s', (name, make) => {
  it('sets, gets, adds, compares, deletes, lists', () => {
    const store = new PrefixStore(`test of ${name}`, make());
    expect(store.set('a', 'é')).toBeUndefined();
    expect(text(store.get('a'))).toBe('é');
    expect(store.get('a')).toBeInstanceOf(Uint8Array);
    store.set('b', Uint8Array.of(0, 255));
    expect([...store.get('b')]).toEqual([0, 255]);
    store.set('empty', '');
    expect(store.get('empty').length).toBe(0);
    expect([store.add('n', 40), store.add('n', 2), store.add('n', 0), text(store.get('n'))]).toEqual([
      40,
      42,
      42,
      '42',
    ]);
    expect(store.add('big', Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
    expect(store.check(['a', 'b'])).toBe(true);
    expect(store.check(['a', 'c'])).toBe(false);
    store.wait(['a', 'n'], 10);
    expect(text(store.compareSet('a', 'x', 'y'))).toBe('é');
    expect(text(store.compareSet('a', 'é', 'y'))).toBe('y');
    expect(text(store.compareSet('new', '', 'z'))).toBe('z');
    expect(text(store.compareSet('none', 'x', 'z'))).toBe('x');
    expect([store.deleteKey('a'), store.deleteKey('a'), store.check(['a'])]).toEqual([true, false, false]);
    store.append('log', 'one');
    store.append('log', 'two');
    store.multiSet(['p', 'q'], ['1', '2']);
    expect(store.multiGet(['p', 'log']).map(text)).toEqual(['1', 'onetwo']);
    expect(store.listKeys().sort()).toEqual(['b', 'big', 'empty', 'log', 'n', 'new', 'p', 'q']);
    expect(store.numKeys()).toBeGreaterThanOrEqual(8);
    store.barrier('all', 1);
  });

  it('says what it waited for', async () => {
    const store = make();
    store.setTimeout(30);
    expect(() => store.get('nobody')).toThrow(`${name}.get: nobody set 'nobody' within 30 ms`);
    expect(() => store.wait(['nobody', 'no one'], 20)).toThrow(
      `${name}.wait: nobody set 'nobody', 'no one' within 20 ms`,
    );
    await expect(store.getAsync('nobody')).rejects.toThrow(`${name}.getAsync: nobody set 'nobody' within 30 ms`);
    expect(() => store.barrier('two', 2)).toThrow(`${name}.barrier: 1 of 2 came to 'two' within 30 ms`);
  });

  it('waits while the event loop goes on', async () => {
    const store = new PrefixStore(`async ${name}`, make());
    const value = store.getAsync('later');
    const both = store.waitAsync(['later', 'too']);
    store.set('later', 'here');
    expect(text(await value)).toBe('here');
    store.set('too', '');
    await both;
  });

  it('refuses what it can’t mean', () => {
    const store = make() as unknown as Record<string, (...args: unknown[]) => unknown>;
    expect(() => store.set!(1, 'x')).toThrow(`${name}.set: key must be a string, got 1`);
    expect(() => store.set!('x', 1)).toThrow('value must be a string or a Uint8Array, got 1');
    expect(() => store.add!('x', 1.5)).toThrow('amount must be an integer, got 1.5');
    expect(() => store.wait!('x')).toThrow("keys must be a list of strings, got 'x'");
    expect(() => store.wait!(['x'], -1)).toThrow('timeout must not be negative');
    expect(() => store.multiSet!(['x', 'y'], ['1'])).toThrow('needs a value for each of 2 keys');
    expect(() => store.barrier!('x', 0)).toThrow('worldSize must be at least 1, got 0');
  });
});

describe('queues', () => {
  it.each<[string, () => BaseStore]>([
    ['TCPStore', () => client()],
    ['HashStore', () => new HashStore()],
  ])('of a %s', (name, make) => {
    const store = make();
    store.queuePush('q', 'one');
    store.queuePush('q', 'two');
    expect(store.check(['q'])).toBe(true);
    expect([store.queueLen('q'), text(store.queuePop('q')), text(store.queuePop('q')), store.queueLen('q')]).toEqual(
      [2, 'one', 'two', 0], // prettier-ignore
    );
    expect(() => store.queuePop('q', false)).toThrow(`${name}.queuePop: the queue 'q' is empty`);
    store.setTimeout(20);
    expect(() => store.queuePop('q')).toThrow(`nobody set 'q' within 20 ms`);
  });
  it('are not there in a FileStore', () => {
    expect(() => new FileStore(join(folder, 'queue')).queuePush('q', '1')).toThrow('a FileStore has no queues');
  });
});

describe('TCPStore', () => {
  it('several processes meet: adds of all count, and a key that one sets wakes the other', async () => {
    const code = (rank: number): string => `
      import { TCPStore } from './lib/distributed/stores/index.ts';
      const store = new TCPStore('127.0.0.1', ${server.port}, { timeout: 20000, waitForWorkers: false });
      for (let i = 0; i < 100; i++) store.add('together', 1);
      store.barrier('after', 3);
      console.log(store.add('together', 0), new TextDecoder().decode(store.get('signal')), ${rank});`;
    const outputs = [1, 2].map(
      (rank) =>
        new Promise<string>((resolve) => {
          const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=tenfold-source', '--input-type=module', '-e', code(rank)]); // prettier-ignore
          let out = '';
          child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
          child.stderr.on('data', (piece: Buffer) => (out += piece.toString()));
          child.on('close', () => resolve(out.trim()));
        }),
    );
    const store = client(20_000);
    for (let i = 0; i < 100; i++) store.add('together', 1);
    await Promise.resolve();
    // This thread must not sleep in the barrier: the children's output comes through its event loop.
    store.add('after', 0);
    while (store.add('after', 0) < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    store.barrier('after', 3);
    store.set('signal', 'go');
    expect(await Promise.all(outputs)).toEqual(['300 go 1', '300 go 2']);
  }, 30_000);

  it('the master waits for its workers', () => {
    expect(() => new TCPStore('127.0.0.1', 0, 2, true, 100)).toThrow(/^TCPStore: 1 of 2 workers came within 100 ms$/);
    const alone = new TCPStore('127.0.0.1', 0, 1, true, 1000);
    expect(alone.port).toBeGreaterThan(0);
    alone.close();
  });

  it('says why it can’t begin', () => {
    expect(() => new TCPStore('127.0.0.1', server.port, { isMaster: true })).toThrow(
      `TCPStore: can't listen at 127.0.0.1:${server.port}: the port is in use`,
    );
    const port = new TCPStore('127.0.0.1', 0, { isMaster: true });
    port.close();
    expect(() => new TCPStore('127.0.0.1', port.port, { timeout: 60 })).toThrow(
      `TCPStore: no store answers at 127.0.0.1:${port.port} (ECONNREFUSED), tried for 60 ms`,
    );
    expect(() => new TCPStore('127.0.0.1', 70_000)).toThrow('port must be from 0 to 65535, got 70000');
    expect(() => new TCPStore('127.0.0.1', 0)).toThrow('port 0 is for the master');
    expect(() => new TCPStore('127.0.0.1', 1, { isServer: true } as never)).toThrow("unknown option 'isServer'");
    expect(() => new TCPStore('127.0.0.1', 1, 1, false, 'x' as never)).toThrow("'timeout' must be a number");
  });

  it('fails at once where its server has ended', () => {
    const master = new TCPStore('127.0.0.1', 0, { isMaster: true });
    const other = new TCPStore('127.0.0.1', master.port, { waitForWorkers: false });
    master.close();
    expect(() => master.get('x')).toThrow('TCPStore.get: the store is closed');
    expect(() => other.get('x')).toThrow(/^TCPStore\.get: the store at 127\.0\.0\.1:\d+ is gone/);
    expect(() => other.add('x', 1)).toThrow(/is gone/);
  });

  it('shares a server where both say multiTenant', () => {
    const first = new TCPStore('127.0.0.1', 0, { isMaster: true, multiTenant: true });
    const second = new TCPStore('127.0.0.1', first.port, { isMaster: true, multiTenant: true });
    second.set('x', '1');
    second.close();
    expect(text(first.get('x'))).toBe('1');
    first.close();
  });

  it('keeps a prefix’s keys apart', () => {
    const store = new PrefixStore('a', new PrefixStore('b', client()));
    store.set('k', 'v');
    expect(text(client().get('b/a/k'))).toBe('v');
    expect(store.underlyingNonPrefixStore).toBeInstanceOf(TCPStore);
    expect(() => new PrefixStore('a', {} as never)).toThrow('PrefixStore: expected a store, got an object');
  });
});

describe('FileStore', () => {
  it('two see each other, and the last one removes the file', () => {
    const path = join(folder, 'shared');
    const [a, b] = [new FileStore(path, 2), new FileStore(path, 2)];
    a.set('x', '1');
    expect(text(b.get('x'))).toBe('1');
    expect([b.add('n', 1), a.add('n', 1)]).toEqual([1, 2]);
    b.deleteKey('x');
    expect(a.check(['x'])).toBe(false);
    a.close();
    expect(readdirSync(folder)).toContain('shared');
    expect(() => a.get('n')).toThrow('FileStore.get: the store is closed');
    b.close();
    expect(readdirSync(folder)).not.toContain('shared');
  });
  it('writes PyTorch’s format, and goes on behind a record that was broken off', () => {
    const path = join(folder, 'format');
    const store = new FileStore(path, 2);
    store.set('a', 'b');
    store.deleteKey('a');
    const expected = '090000' + '00' + Buffer.from('refcount/').toString('hex') + '0100000031' + '020000002f610100000062' + '030000002d2f6100000000'; // prettier-ignore
    expect(readFileSync(path, 'hex')).toBe(expected);
    writeFileSync(path, Buffer.from('02000000', 'hex'), { flag: 'a' });
    store.set('c', 'd');
    expect(readFileSync(path, 'hex')).toBe(expected + '020000002f630100000064');
    expect(text(new FileStore(path, 2).get('c'))).toBe('d');
  });
  it('says what is wrong with the file', () => {
    expect(() => new FileStore(join(folder, 'no', 'such', 'folder'))).toThrow(/^FileStore: the store's file .*ENOENT/);
  });
});
