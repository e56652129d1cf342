/**
 * On which address this rank listens for the others. Gloo neither authenticates nor encrypts, so it is the loopback interface
 * unless the ranks meet at another machine's address, or the user names one.
 */
import { isIP, isIPv6, BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { TenfoldError } from '../errors.js';
import { loadDistributed } from '../native/distributed.js';
import type { Store } from './types.js';

const LOOPBACK = /^(localhost(\..*)?|ip6-localhost|127(\.\d+){3}|::1|\[::1\]|::ffff:127(\.\d+){3})$/i;

interface Found {
  name: string;
  ip: string;
}

/** Addresses of this machine: IPv4 before IPv6 of the same interface; those of one link only are left out. */
function addresses(): Found[] {
  return Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? [])
      .filter(({ address }) => !/^fe80:/i.test(address))
      .sort((a, b) => Number(isIPv6(a.address)) - Number(isIPv6(b.address)))
      .map(({ address }) => ({ name, ip: address })),
  );
}

function inNetwork(network: string, address: string): boolean {
  const [base, bits] = network.split('/') as [string, string];
  const list = new BlockList();
  list.addSubnet(base, Number(bits), isIPv6(base) ? 'ipv6' : 'ipv4');
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/**
 * The address that GLOO_SOCKET_IFNAME asks for: an interface (`eth0`, also `=eth0`), an address of this machine (`10.0.0.5`),
 * a network (`10.0.0.0/8`), a list of such with commas, of which the first that is here counts; or after a caret beginnings of
 * names that are not to be taken (`^docker,lo`).
 */
export function chosenAddress(call: string, wanted: string, here: readonly Found[] = addresses()): string {
  const known = [...new Set(here.map(({ name }) => name))].join(', ');
  const refuse = (why: string): never => {
    throw new TenfoldError(
      'distributed',
      `${call}: GLOO_SOCKET_IFNAME is '${wanted}': ${why}; this machine has the interfaces ${known}`,
    );
  };
  const words = (text: string): string[] =>
    text
      .split(',')
      .map((word) => word.trim())
      .filter(Boolean);
  if (wanted.trim().startsWith('^')) {
    const refused = words(wanted.trim().slice(1));
    const left = here.find(({ name }) => !refused.some((prefix) => name.startsWith(prefix)));
    return left?.ip ?? refuse('none is left');
  }
  for (const word of words(wanted.trim().replace(/^=/, ''))) {
    const found = here.find(({ name, ip }) => {
      if (/^[\d.]+\/\d+$|^[\da-f:]+\/\d+$/i.test(word)) return inNetwork(word, ip);
      return isIP(word) ? ip === word : name === word;
    });
    if (found) return found.ip;
  }
  return refuse('there is no such interface, address or network');
}

/** The address to listen on: what GLOO_SOCKET_IFNAME names; else loopback, or the one from which the store's host is reached. */
export function listenAddress(call: string, store: Store, env: NodeJS.ProcessEnv = process.env): string {
  const wanted = env.GLOO_SOCKET_IFNAME?.trim();
  if (wanted) return chosenAddress(call, wanted);
  const host = hostOf(store) ?? env.MASTER_ADDR?.trim();
  if (!host || LOOPBACK.test(host)) return host && /^\[?::1\]?$/.test(host) ? '::1' : '127.0.0.1';
  const address = loadDistributed().localAddress(host);
  if (address === '')
    throw new TenfoldError(
      'distributed',
      `${call}: there is no way to '${host}': is the name right, is the network up?`,
    );
  return address;
}

/** The machine that serves a store, where it tells. */
function hostOf(store: Store): string | null {
  let at: unknown = store;
  for (let depth = 0; depth < 16 && typeof at === 'object' && at !== null; depth++) {
    const { host, underlyingStore } = at as { host?: unknown; underlyingStore?: unknown };
    if (typeof host === 'string') return host;
    at = underlyingStore;
  }
  return null;
}
