/**
 * The second addon, tenfold_distributed.node: Gloo, from the system. It is built where it is to run, so it may not be there, and
 * then the error says how to get it. In order of precedence: the file that TENFOLD_DISTRIBUTED_BINARY names; what was built in
 * the package's folder.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TenfoldError } from '../errors.js';
import { here, type Host } from './host.js';

/** A group, as the addon holds it. */
export interface NativeGroup {
  readonly group: unique symbol;
}
/** A call under way, as the addon counts it, until `release`. */
export type NativeJob = number;

/** A collective; see native/distributed/collectives.h, which has these words and those of `reduce`. */
export interface NativeCall {
  op:
    | 'allReduce'
    | 'broadcast'
    | 'reduce'
    | 'allGather'
    | 'gather'
    | 'scatter'
    | 'reduceScatter'
    | 'allToAll'
    | 'barrier'
    | 'monitoredBarrier';
  name: string;
  dtype: number;
  reduce: string;
  average: boolean;
  waitForAll: boolean;
  root: number;
  timeout: number;
  agreement: string;
  inputs: readonly Uint8Array[];
  outputs: readonly Uint8Array[];
  sent: readonly number[];
  received: readonly number[];
}

/** A message; see native/distributed/group.h. */
export interface NativeMessage {
  sends: boolean;
  name: string;
  rank: number;
  tag: number;
  timeout: number;
  agreement: string;
  memory: Uint8Array;
}

/** What Gloo's rendezvous needs of a store. */
export interface NativeStore {
  set(key: string, value: Uint8Array): void;
  get(key: string): Uint8Array;
  wait(keys: string[]): void;
}

export interface DistributedAddon {
  create(name: string, rank: number, size: number): NativeGroup;
  /** Connects with all other ranks; blocks, and calls the store's functions meanwhile. */
  connect(group: NativeGroup, address: string, timeout: number, store: NativeStore): void;
  /** Queues a collective. The job holds the memory. */
  submit(group: NativeGroup, call: NativeCall): NativeJob;
  /** Sends or receives. The job holds the memory. */
  post(group: NativeGroup, message: NativeMessage): NativeJob;
  /** Blocks until the job is done, at most so long; whether it is. */
  wait(job: NativeJob, atMost: number): boolean;
  isDone(job: NativeJob): boolean;
  /** What it failed with; '' where it hasn't. */
  errorOf(job: NativeJob): string;
  sourceOf(job: NativeJob): number;
  /** Forgets a job that is done, and lets its memory go. */
  release(job: NativeJob): void;
  /** Calls `done` when the job is; `aside`: nobody does its work yet, so a thread is to. */
  notify(group: NativeGroup, job: NativeJob, done: () => void, aside: boolean): void;
  /** Lets queued collectives end, and disconnects. */
  close(group: NativeGroup): void;
  /** Fails all that waits, and disconnects. */
  abort(group: NativeGroup): void;
  /** What the group failed with first; '' where it hasn't. */
  failure(group: NativeGroup): string;
  /** This machine's address from which `host` is reached; '' where that can't be told. */
  localAddress(host: string): string;
}

/** The file's name, where it is built. */
export const DISTRIBUTED_BINARY = 'tenfold_distributed.node';
/** Where it is built: beside the addon of a clone. */
export const distributedFolder = (root: string): string => join(root, 'build', 'Release');

const HOW =
  'Debian, Ubuntu: `apt-get install -y libgloo-dev cmake g++ make`, then `npx tenfold build-distributed` ' +
  '(in a clone of the repository: `npm run build`).';

let loaded: DistributedAddon | null = null;

/** The addon; a TenfoldError that says what to install where it can't be loaded. */
export function loadDistributed(host: Host = here, named = process.env.TENFOLD_DISTRIBUTED_BINARY): DistributedAddon {
  if (loaded !== null && host === here) return loaded;
  if (host.platform !== 'linux') {
    throw new TenfoldError(
      'native',
      `tenfold/distributed: it runs on Linux only, where Gloo does what it needs; this is ${host.platform}-${host.arch}`,
    );
  }
  const file = named ? resolve(named) : join(distributedFolder(host.root), DISTRIBUTED_BINARY);
  if (!existsSync(file)) {
    throw new TenfoldError(
      'native',
      `tenfold/distributed: its native part isn't built here (there is no ${file}). It needs Gloo from the system. ${HOW}`,
    );
  }
  let addon: DistributedAddon;
  try {
    addon = host.load(file) as DistributedAddon;
  } catch (cause) {
    const lacking = /(libgloo[\w.]*): cannot open shared object file/.exec((cause as Error).message);
    throw new TenfoldError(
      'native',
      `tenfold/distributed: ${file} doesn't load: ${(cause as Error).message}. ` +
        (lacking ? `${lacking[1]!} is in Debian's libgloo0. ${HOW}` : `Build it again. ${HOW}`),
      { cause },
    );
  }
  if (host === here) loaded = addon;
  return addon;
}
