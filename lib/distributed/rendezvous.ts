/** How ranks find the store by which they find each other: env://, tcp://, file://, or one that is given. */
import { TenfoldError, show } from '../errors.js';
import { readEnvironment } from './launcher/environment.js';
import { BaseStore, FileStore, PrefixStore, TCPStore } from './stores/index.js';

/** Where ranks meet, and who this one is. */
export interface Meeting {
  store: BaseStore;
  rank: number;
  worldSize: number;
}

/** Keys of the default group, so that other things may use the same store. */
const prefixed = (store: BaseStore): BaseStore => new PrefixStore('default_pg', store);

export function rendezvous(
  call: string,
  initMethod: string | null,
  store: unknown,
  worldSize: number,
  rank: number,
  timeout: number,
): Meeting {
  if (store !== null) {
    if (!(store instanceof BaseStore))
      throw new TypeError(`${call}: store must be a store (TCPStore, FileStore, …), got ${show(store)}`);
    return { store, ...checked(call, rank, worldSize, "with a store, 'rank' and 'worldSize' must be given") };
  }
  const url = parsed(call, initMethod ?? 'env://');
  const given = (key: string, value: number): number =>
    value >= 0 ? value : number(call, key, url.searchParams.get(key));
  const own = given('rank', rank);
  const size = given('world_size', worldSize);
  switch (url.protocol) {
    case 'env:':
      return fromEnvironment(call, own, size, timeout);
    case 'tcp:': {
      if (url.hostname === '' || url.port === '')
        throw new TypeError(`${call}: '${initMethod}' must name a host and a port: 'tcp://10.0.0.1:29500'`);
      const who = checked(call, own, size, "with tcp://, 'rank' and 'worldSize' must be given");
      return { store: prefixed(tcpStore(url.hostname, Number(url.port), who, who.rank === 0, timeout)), ...who };
    }
    case 'file:': {
      const who = checked(call, own, size, "with file://, 'rank' and 'worldSize' must be given");
      const path = decodeURIComponent(url.pathname);
      if (path === '' || path === '/')
        throw new TypeError(`${call}: '${initMethod}' names no file: 'file:///tmp/meeting'`);
      const files = new FileStore(path, who.worldSize);
      files.setTimeout(timeout);
      return { store: prefixed(files), ...who };
    }
    default:
      throw new TenfoldError('value', `${call}: initMethod must be env://, tcp:// or file://, got ${show(initMethod)}`);
  }
}

function parsed(call: string, text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw new TypeError(
      `${call}: initMethod must be an address such as 'env://' or 'tcp://10.0.0.1:29500', got ${show(text)}`,
      { cause },
    );
  }
}

function number(call: string, key: string, text: string | null): number {
  if (text === null) return -1;
  if (!/^\d{1,9}$/.test(text)) throw new TypeError(`${call}: ${key} must be a number, got ${show(text)}`);
  return Number(text);
}

function checked(call: string, rank: number, worldSize: number, lacking: string): { rank: number; worldSize: number } {
  if (rank < 0 || worldSize < 0) throw new TypeError(`${call}: ${lacking}, got rank ${rank} of ${worldSize}`);
  if (worldSize < 1 || rank >= worldSize)
    throw new RangeError(`${call}: rank must be below worldSize, got rank ${rank} of ${worldSize}`);
  return { rank, worldSize };
}

function tcpStore(
  hostName: string,
  port: number,
  who: { worldSize: number },
  isMaster: boolean,
  timeout: number,
): TCPStore {
  const { worldSize } = who;
  // Who serves it waits until all have come, and all say that they have: PyTorch's ranks do.
  return new TCPStore(hostName.replace(/^\[|\]$/g, ''), port, {
    worldSize,
    isMaster,
    timeout,
    multiTenant: true,
  });
}

function fromEnvironment(call: string, ownRank: number, ownSize: number, timeout: number): Meeting {
  const env = readEnvironment(process.env);
  const lacking: string[] = [];
  const need = <T>(value: T | null, name: string): T => {
    if (value === null) lacking.push(name);
    return value as T;
  };
  const rank = ownRank >= 0 ? ownRank : need(env.rank, 'RANK');
  const worldSize = ownSize >= 0 ? ownSize : need(env.worldSize, 'WORLD_SIZE');
  const host = need(env.masterAddr, 'MASTER_ADDR');
  const port = need(env.masterPort, 'MASTER_PORT');
  if (lacking.length > 0)
    throw new TenfoldError(
      'distributed',
      `${call}: env:// needs ${lacking.join(', ')} in the environment; 'npx tenfold-run -n 2 ${process.argv[1] ?? 'train.mjs'}' sets them`,
    );
  const who = checked(call, rank, worldSize, 'RANK and WORLD_SIZE must be numbers');
  // A launcher that serves the store does so at the address that it names.
  const isMaster = rank === 0 && !env.agentStore;
  return { store: prefixed(tcpStore(host, port, who, isMaster, timeout)), ...who };
}
