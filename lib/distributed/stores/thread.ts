/**
 * The store thread of a process (storeThread.ts): its servers, and the connections of its stores. Those who call wait for it asleep,
 * without an event loop, so everything that goes wrong is caught and told. It loads nothing of the library but the protocol.
 */
import { workerData } from 'node:worker_threads';
import type { FromThread, Opening, Order, ThreadTask, ToThread } from './messages.js';
import { StoreClient, StoreError } from './protocol/client.js';
import { StoreServer } from './protocol/server.js';
import { Command, Writer, readByte, readBytes, readInt64, readKeys, type Reader } from './protocol/wire.js';

interface OpenStore {
  readonly client: StoreClient;
  readonly server: StoreServer | null;
}

const { port, signal } = workerData as ThreadTask;
const stores = new Map<number, OpenStore>();
/** Servers that several stores of this process may share, by port, with the number of those. */
const shared = new Map<number, { readonly server: StoreServer; users: number }>();

/** Counts who is there; PyTorch's key, without the prefix of users' keys. */
const WORKERS_KEY = 'init/';
const POLL_MS = 10;

const wildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

const WHY: Record<string, string> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'the port is for the system',
  ENOTFOUND: 'there is no such host',
};
async function startServer({ host, port, multiTenant, masterListenFd }: Opening): Promise<StoreServer> {
  const entry = multiTenant ? shared.get(port) : undefined;
  if (entry !== undefined) {
    entry.users++;
    return entry.server;
  }
  try {
    const server = await StoreServer.listen({ host, port, fd: masterListenFd });
    if (multiTenant) shared.set(server.port, { server, users: 1 });
    return server;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new StoreError(`can't listen at ${host}:${port}: ${WHY[code] ?? message}`);
  }
}
function stopServer(server: StoreServer): void {
  const entry = shared.get(server.port);
  if (entry !== undefined && --entry.users > 0) return;
  shared.delete(server.port);
  server.close();
}

async function open(id: number, opening: Opening): Promise<number> {
  const server = opening.isMaster ? await startServer(opening) : null;
  try {
    const host = server !== null && wildcard(opening.host) ? 'localhost' : opening.host;
    const client = await StoreClient.connect(host, server?.port ?? opening.port, opening.timeout);
    if (opening.waitForWorkers && opening.worldSize !== null) await gather(client, opening, server !== null);
    stores.set(id, { client, server });
    return client.port;
  } catch (error) {
    if (server !== null) stopServer(server);
    throw error;
  }
}

/** Says that this one is there. Where it has the server, waits for all others: else that might end before they came. */
async function gather(client: StoreClient, { worldSize, timeout }: Opening, isServer: boolean): Promise<void> {
  const add = (n: number): Promise<bigint> =>
    client.request(new Writer().byte(Command.ADD).key(WORKERS_KEY).int64(n).end(), readInt64, timeout);
  const deadline = Date.now() + timeout;
  let here = await add(1);
  while (isServer && here < worldSize!) {
    if (Date.now() > deadline) throw new StoreError(`${here} of ${worldSize} workers came within ${timeout} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    here = await add(0);
  }
}

function* readValues(count: number): Reader<Buffer[]> {
  const values: Buffer[] = [];
  for (let i = 0; i < count; i++) values.push(yield* readBytes());
  return values;
}
/** The value that a queue gave; null where it had none. */
function* readPopped(): Reader<Buffer | null> {
  return (yield* readInt64()) > 0n ? yield* readBytes() : null;
}

async function obey({ store, order }: ToThread): Promise<unknown> {
  if (order.op === 'open') return open(store, order.opening);
  const opened = stores.get(store);
  if (opened === undefined) throw new StoreError('the store is closed');
  const { client, server } = opened;
  if (order.op === 'close') {
    stores.delete(store);
    client.close();
    if (server !== null) stopServer(server);
    return null;
  }
  return call(client, order);
}
function call(client: StoreClient, order: Exclude<Order, { op: 'open' | 'close' }>): unknown {
  const request = Buffer.from(order.request);
  switch (order.op) {
    case 'send':
      return client.send(request);
    case 'bytes':
      return client.request(request, () => readBytes(), order.timeout);
    case 'byte':
      return client.request(request, readByte, order.timeout);
    case 'int64':
      return client.request(request, readInt64, order.timeout);
    case 'keys':
      return client.request(request, readKeys, order.timeout);
    case 'values':
      return client.request(request, () => readValues(order.count), order.timeout);
    case 'pop':
      return client.request(request, readPopped, order.timeout);
    case 'wait':
      return client.wait(request, order.timeout);
    case 'waitBeside':
      return client.beside(async (connection) => {
        if (!(await connection.wait(request, order.timeout))) return false;
        return order.then === null || connection.request(Buffer.from(order.then), () => readBytes(), order.timeout);
      });
  }
}

function tell(answer: FromThread): void {
  port.postMessage(answer);
  Atomics.add(signal, 0, 1);
  Atomics.notify(signal, 0);
}
port.on('message', (message: ToThread) => {
  void Promise.resolve()
    .then(() => obey(message))
    .then(
      (value) => tell({ id: message.id, value }),
      (error: unknown) => tell({ id: message.id, error: error instanceof Error ? error.message : String(error) }),
    );
});
