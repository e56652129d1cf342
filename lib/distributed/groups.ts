/**
 * Process groups: how they begin and end, which there are, and who is in them.
 * (https://docs.pytorch.org/docs/stable/distributed.html)
 *
 *   groups.ts        this: the groups, and how a call finds its own
 *   rendezvous.ts    env://, tcp://, file://: the store by which ranks find each other
 *   interfaces.ts    on which address a rank listens
 *   collectives.ts   what all ranks of a group do together; messages.ts: what two do; objects.ts: for what is no tensor
 *   memory.ts        tensors' memory while another thread uses it
 *   work.ts          a call under way
 */
import { TenfoldError, show } from '../errors.js';
import {
  loadDistributed,
  type DistributedAddon,
  type NativeCall,
  type NativeGroup,
  type NativeMessage,
} from '../native/distributed.js';
import { signature, type Arguments } from '../op/schema.js';
import { listenAddress } from './interfaces.js';
import { readEnvironment } from './launcher/environment.js';
import { Loan } from './memory.js';
import { rendezvous } from './rendezvous.js';
import { PrefixStore, type BaseStore } from './stores/index.js';
import type { ProcessGroup } from './types.js';
import { GroupWork } from './work.js';

/** For how long a call waits for other ranks, by default: PyTorch's half hour. */
export const DEFAULT_TIMEOUT = 30 * 60 * 1000;

/** A group that this process is in. */
export class Group implements ProcessGroup {
  /** Works whose tensors are still held. */
  private readonly pending = new Set<GroupWork>();
  private open = true;

  constructor(
    readonly groupName: string,
    private readonly addon: DistributedAddon,
    private readonly native: NativeGroup,
    /** Global ranks, by the ranks in this group. */
    readonly ranks: readonly number[],
    private readonly own: number,
    readonly timeout: number,
    private readonly detail: boolean,
  ) {}

  rank(): number {
    return this.own;
  }
  size(): number {
    return this.ranks.length;
  }
  name(): string {
    return 'gloo';
  }

  /** Queues a collective. `what` is what all ranks must agree on, in words. */
  collective(call: Omit<NativeCall, 'agreement'>, what: string, loan: Loan): GroupWork {
    const agreement = this.detail ? `${call.name}${what === '' ? '' : ` ${what}`}` : '';
    return this.begin(call.name, loan, false, () => this.addon.submit(this.native, { ...call, agreement }));
  }

  /** Sends or receives. */
  message(message: Omit<NativeMessage, 'agreement'>, what: string, loan: Loan): GroupWork {
    const agreement = this.detail ? what : '';
    return this.begin(message.name, loan, true, () => this.addon.post(this.native, { ...message, agreement }));
  }

  private begin(
    call: string,
    loan: Loan,
    message: boolean,
    start: () => ReturnType<DistributedAddon['post']>,
  ): GroupWork {
    if (!this.open) throw new TenfoldError('distributed', `${call}: the group '${this.groupName}' was destroyed`);
    const { addon, native: group, ranks } = this;
    const ended = (work: GroupWork): void => void this.pending.delete(work);
    const work = new GroupWork({ call, addon, group, job: start(), loan, message, ranks, ended });
    this.pending.add(work);
    return work;
  }

  /** Ends it: what is queued is done first, messages that nobody waited for are given up. */
  destroy(): void {
    if (!this.open) return;
    this.open = false;
    this.addon.close(this.native);
    for (const work of [...this.pending]) if (!work.isCompleted()) this.addon.abort(this.native);
  }
}

/** What newGroup returns where this process isn't in the group; PyTorch's number. */
const NON_GROUP_MEMBER = -100;

const world = {
  group: null as Group | null,
  store: null as BaseStore | null,
  groups: new Set<Group>(),
  /** Groups made so far: all ranks make them in the same order, which names them. */
  made: 0,
};

/** The default group, and what stands for a group that this process isn't in. */
export const GroupMember = Object.freeze({
  get WORLD(): ProcessGroup | null {
    return world.group;
  },
  NON_GROUP_MEMBER,
});
/** What calls take for `group`, and newGroup returns. */
export type GroupLike = ProcessGroup | typeof NON_GROUP_MEMBER;

/** Whether the native part is there: tells without loading what it can't. */
export function isAvailable(): boolean {
  try {
    loadDistributed();
    return true;
  } catch {
    return false;
  }
}
/** The same for a backend; 'gloo' is the one that there is. */
export const isBackendAvailable = (backend: string): boolean => backend === 'gloo' && isAvailable();
export const isGlooAvailable = isAvailable;

/** Whether initProcessGroup was called, and the group not destroyed since. */
export const isInitialized = (): boolean => world.group !== null;

export function checkTimeout(call: string, timeout: unknown): number {
  if (typeof timeout !== 'number') throw new TypeError(`${call}: timeout must be a number of ms, got ${show(timeout)}`);
  if (!(timeout >= 1 && timeout < 2 ** 31))
    throw new RangeError(`${call}: timeout must be from 1 to ${2 ** 31 - 1} ms, got ${timeout}`);
  return Math.round(timeout);
}

function checkBackend(call: string, backend: string | null): void {
  if (backend === null || /^(cpu:)?gloo$/i.test(backend)) return;
  throw new TenfoldError('value', `${call}: backend must be 'gloo', the one that there is here, got ${show(backend)}`);
}

/** Whether each call is compared between the ranks before it begins. */
function detailAsked(call: string): boolean {
  const level = process.env.TENFOLD_DISTRIBUTED_DEBUG ?? process.env.TORCH_DISTRIBUTED_DEBUG ?? '';
  if (!/^(|off|info|detail)$/i.test(level))
    throw new TenfoldError(
      'value',
      `${call}: TENFOLD_DISTRIBUTED_DEBUG must be off, info or detail, got ${show(level)}`,
    );
  return level.toLowerCase() === 'detail';
}

/** Connects a group's ranks; on each of them at the same time. `ranks`: global ones. */
function connect(
  call: string,
  name: string,
  ranks: readonly number[],
  own: number,
  store: BaseStore,
  timeout: number,
): Group {
  const addon = loadDistributed();
  const detail = detailAsked(call);
  const native = addon.create(name, own, ranks.length);
  // The keys under which PyTorch's ranks look for each other.
  const keys = new PrefixStore('0', new PrefixStore('cpu/', new PrefixStore(`${name}/`, store)));
  const until = performance.now() + timeout;
  const left = (): number => Math.max(1, Math.round(until - performance.now()));
  const missing = (key: string, cause: unknown): Error => {
    const rank = /^(?:rank_)?(\d+)$/.exec(key);
    const who = rank ? `rank ${ranks[Number(rank[1])]!}` : `the key '${key}'`;
    return new TenfoldError(
      'distributed',
      `${call}: ${who} of ${ranks.length} didn't come within ${timeout} ms: ${(cause as Error).message}`,
      { cause },
    );
  };
  const waitFor = (key: string): void => {
    try {
      keys.wait([key], left());
    } catch (cause) {
      throw missing(key, cause);
    }
  };
  try {
    addon.connect(native, listenAddress(call, store), timeout, {
      set: (key, value) => keys.set(key, value),
      get: (key) => {
        waitFor(key);
        return keys.get(key);
      },
      wait: (list) => list.forEach(waitFor),
    });
  } catch (error) {
    addon.abort(native);
    const { message } = error as Error;
    if (message.startsWith(`${call}: `)) throw error;
    throw new TenfoldError('distributed', `${call}: ranks don't connect: ${message}`, { cause: error });
  }
  const group = new Group(name, addon, native, Object.freeze(ranks.slice()), own, timeout, detail);
  world.groups.add(group);
  return group;
}

const initCall = signature(
  "initProcessGroup(string? backend=null, string? initMethod=null, float? timeout=null, int worldSize=-1, int rank=-1, any store=null, string groupName='', any pgOptions=null, any deviceId=null)",
);
/**
 * Connects this process with the others, each of which calls it with its own rank; blocks until all are there.
 *
 * - `backend`: 'gloo', which is also the default.
 * - `initMethod`: 'env://' (MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE, as torchrun and tenfold-run set them; also Slurm's and
 *   mpirun's), 'tcp://host:port', 'file:///path' (a new file that all ranks see). 'env://' by default. Or a `store`.
 * - `worldSize`, `rank`: needed with a store, tcp:// and file://, unless the address says them (`?rank=0&world_size=2`).
 * - `timeout`: in milliseconds, for this call and as the default of all others; 30 minutes.
 *
 * @throws TenfoldError 'native' where tenfold/distributed isn't built; 'distributed' where ranks don't come in time, naming one.
 */
export function initProcessGroup(...args: Arguments<typeof initCall.schema>): void {
  const [backend, initMethod, given, worldSize, rank, store, , pgOptions] = initCall.read(args);
  const call = 'initProcessGroup';
  checkBackend(call, backend);
  if (pgOptions !== null) throw new TenfoldError('value', `${call}: there are no pgOptions here; leave them out`);
  if (world.group !== null)
    throw new TenfoldError('distributed', `${call}: it was called before; destroyProcessGroup() ends that group first`);
  if (store !== null && initMethod !== null)
    throw new TypeError(`${call}: initMethod and store say the same thing; give one of them`);
  const timeout = given === null ? DEFAULT_TIMEOUT : checkTimeout(call, given);
  loadDistributed();
  const met = rendezvous(call, initMethod, store, worldSize, rank, timeout);
  const ranks = Array.from({ length: met.worldSize }, (_, i) => i);
  world.group = connect(call, String(world.made), ranks, met.rank, met.store, timeout);
  world.made++;
  // PyTorch's ranks look for further groups below the default one's keys.
  world.store = new PrefixStore('0/', met.store);
}

/** The group of a call: null for one that this process isn't in. */
export function groupOf(call: string, group: unknown): Group | null {
  if (group === null || group === undefined) return defaultGroup(call);
  if (group === NON_GROUP_MEMBER) return null;
  if (!(group instanceof Group)) throw new TypeError(`${call}: group must be a ProcessGroup, got ${show(group)}`);
  return group;
}

/** groupOf for calls that do nothing on other processes: they are told so once. */
export function groupHere(call: string, group: unknown): Group | null {
  const found = groupOf(call, group);
  if (found === null && !warned) {
    warned = true;
    process.emitWarning(`${call}: this process isn't in the given group; the call does nothing here`, 'TenfoldWarning');
  }
  return found;
}
let warned = false;

function defaultGroup(call: string): Group {
  if (world.group === null)
    throw new TenfoldError('distributed', `${call}: there is no process group; call initProcessGroup() first`);
  return world.group;
}

const newGroupCall = signature(
  'newGroup(int[]? ranks=null, float? timeout=null, string? backend=null, any pgOptions=null, bool useLocalSynchronization=false, string? groupDesc=null, any deviceId=null, bool sortRanks=true)',
);
/**
 * A further group of some ranks; all by default. Every process of the default group must call it, also those that won't be in
 * the group, and all in the same order: that names the groups. Returns GroupMember.NON_GROUP_MEMBER to those outside.
 * `useLocalSynchronization`: only the members call it; groups of the same ranks are then told apart by their order.
 */
export function newGroup(...args: Arguments<typeof newGroupCall.schema>): GroupLike {
  const [given, time, backend, pgOptions, local, , , sort] = newGroupCall.read(args);
  const call = 'newGroup';
  const whole = defaultGroup(call);
  checkBackend(call, backend);
  if (pgOptions !== null) throw new TenfoldError('value', `${call}: there are no pgOptions here; leave them out`);
  const timeout = time === null ? whole.timeout : checkTimeout(call, time);
  const ranks = given === null ? whole.ranks.slice() : typeof given === 'number' ? [given] : [...given];
  if (sort) ranks.sort((a, b) => a - b);
  if (ranks.length === 0) throw new RangeError(`${call}: a group has at least one rank`);
  for (const rank of ranks) {
    if (!(rank >= 0 && rank < whole.size()))
      throw new RangeError(`${call}: there is no rank ${rank}: the default group has ${whole.size()}`);
  }
  if (new Set(ranks).size !== ranks.length) throw new RangeError(`${call}: a rank is in the list twice: [${ranks}]`);
  const own = ranks.indexOf(whole.rank());
  let name: string;
  if (local) {
    if (own < 0) throw new TenfoldError('distributed', `${call}: with useLocalSynchronization only members call it`);
    const key = ranks.join('_');
    const order = localGroups.get(key) ?? 0;
    localGroups.set(key, order + 1);
    name = `ranks_${key}_${order}`;
  } else name = String(world.made++);
  if (own < 0) return NON_GROUP_MEMBER;
  return connect(call, name, ranks, own, world.store!, timeout);
}
const localGroups = new Map<string, number>();

const destroyCall = signature('destroyProcessGroup(any group=null)');
/**
 * Ends a group, or all of them: what is queued is done first. The other ranks' next call of that group fails, so every rank
 * ends it. Afterwards initProcessGroup may be called again.
 */
export function destroyProcessGroup(...args: Arguments<typeof destroyCall.schema>): void {
  const [given] = destroyCall.read(args);
  const group = groupOf('destroyProcessGroup', given);
  if (group === null) return;
  if (!world.groups.has(group))
    throw new TenfoldError(
      'distributed',
      `destroyProcessGroup: the group '${group.groupName}' has been destroyed already`,
    );
  const ending = group === world.group ? [...world.groups].reverse() : [group];
  for (const one of ending) {
    world.groups.delete(one);
    one.destroy();
  }
  if (group !== world.group) return;
  world.group = null;
  world.store = null;
  world.made = 0;
  localGroups.clear();
}

/** This process's rank in a group, the default one by default; -1 where it isn't in it. */
export const getRank = (group: GroupLike | null = null): number => groupOf('getRank', group)?.rank() ?? -1;
/** How many processes a group has; -1 where this one isn't in it. */
export const getWorldSize = (group: GroupLike | null = null): number => groupOf('getWorldSize', group)?.size() ?? -1;
/** 'gloo'. @throws TenfoldError where this process isn't in the group. */
export const getBackend = (group: GroupLike | null = null): string => member('getBackend', group).name();

function member(call: string, group: unknown): Group {
  const found = groupOf(call, group);
  if (found === null) throw new TenfoldError('distributed', `${call}: this process isn't in the group`);
  return found;
}

/** The global rank of a group's rank. RangeError where the group has none such. */
export function getGlobalRank(group: GroupLike | null, groupRank: number): number {
  const { ranks } = member('getGlobalRank', group);
  const rank = ranks[groupRank];
  if (rank === undefined)
    throw new RangeError(`getGlobalRank: there is no rank ${show(groupRank)} in a group of ${ranks.length}`);
  return rank;
}
/** The rank that a global rank has in a group. RangeError where it isn't in it. */
export function getGroupRank(group: GroupLike | null, globalRank: number): number {
  return groupRankOf('getGroupRank', 'globalRank', member('getGroupRank', group), globalRank);
}
/** The global ranks of a group, in the order of their ranks in it. */
export const getProcessGroupRanks = (group: GroupLike | null = null): number[] => [
  ...member('getProcessGroupRanks', group).ranks,
];

/** Local rank that torchrun, tenfold-run, Slurm or mpirun gave; `fallbackRank` without one. */
export function getNodeLocalRank(fallbackRank: number | null = null): number {
  const rank = readEnvironment(process.env).localRank ?? fallbackRank;
  if (rank !== null) return rank;
  throw new TenfoldError('distributed', 'getNodeLocalRank: LOCAL_RANK is not set; give a fallback');
}

/** A global rank as a group's. */
export function groupRankOf(call: string, name: string, group: Group, globalRank: unknown): number {
  if (!Number.isInteger(globalRank)) throw new TypeError(`${call}: ${name} must be a rank, got ${show(globalRank)}`);
  const rank = group.ranks.indexOf(globalRank as number);
  if (rank < 0) throw new RangeError(`${call}: ${name}: the group has no rank ${show(globalRank)}: [${group.ranks}]`);
  return rank;
}

/** The one rank that `src` (global) or `groupSrc` (the group's own) names; `fallback` where neither is given. */
export function rootOf(
  call: string,
  names: readonly [string, string],
  group: Group,
  globalRank: number | null,
  groupRank: number | null,
  fallback: number | null = null,
): number {
  if (globalRank !== null && groupRank !== null)
    throw new TypeError(`${call}: ${names[0]} and ${names[1]} name the same rank; give one of them`);
  if (globalRank !== null) return groupRankOf(call, names[0], group, globalRank);
  if (groupRank === null) {
    if (fallback === null) throw new TypeError(`${call}: ${names[0]} or ${names[1]} must name a rank`);
    return groupRankOf(call, names[0], group, fallback);
  }
  if (!(groupRank >= 0 && groupRank < group.size()))
    throw new RangeError(`${call}: ${names[1]} must be a rank of the group's ${group.size()}, got ${groupRank}`);
  return groupRank;
}

/** What a call returns: nothing when it has blocked until done, the work where that was asked for. */
export function finished(work: GroupWork, asyncOp: boolean): GroupWork | null {
  if (asyncOp) work.watch();
  else work.wait();
  return asyncOp ? work : null;
}
/** Runs a call with a loan, which ends with it where it doesn't come to a work. */
export function lending(call: string, begin: (loan: Loan) => GroupWork): GroupWork {
  const loan = new Loan(call);
  try {
    return begin(loan);
  } catch (error) {
    loan.end(false);
    throw error;
  }
}
