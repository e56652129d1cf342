/**
 * The collectives for values that are no tensors: what structuredClone takes (plain objects, lists, Maps, Sets, typed arrays,
 * dates, bigints, …), and tensors in it. They travel by Node's own serialization, so all ranks are Tenfold's; PyTorch's pickles
 * are something else. As with pickles, read such values from ranks only that you trust.
 * (https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.broadcast_object_list)
 */
import { deserialize, serialize } from 'node:v8';
import { randomUUID } from 'node:crypto';
import { TenfoldError, show } from '../errors.js';
import { Code, codeOf, type DType } from '../dtype.js';
import { bytesOf } from '../serialization/memory.js';
import { isTensor, Tensor } from '../tensor/tensor.js';
import { signature, type Arguments } from '../op/schema.js';
import { allGather, broadcast, gather, scatter } from './collectives.js';
import { groupHere, rootOf, type Group } from './groups.js';
import { recv, send } from './messages.js';

interface Packed {
  /** Under this key stand the numbers of tensors. */
  key: string;
  value: unknown;
  tensors: { dtype: DType; shape: number[]; bytes: Uint8Array; requiresGrad: boolean }[];
}

/** A copy of a value, with `leaf` in place of what it makes something of; undefined leaves a value as it is. */
function walk(value: unknown, leaf: (x: object) => unknown, done = new Map<object, unknown>()): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const before = done.get(value);
  if (before !== undefined) return before;
  const made = leaf(value);
  if (made !== undefined) {
    done.set(value, made);
    return made;
  }
  const enter = <T extends object>(copy: T): T => {
    done.set(value, copy);
    return copy;
  };
  const next = (x: unknown): unknown => walk(x, leaf, done);
  if (Array.isArray(value)) {
    const list = enter(new Array<unknown>(value.length));
    value.forEach((x, i) => (list[i] = next(x)));
    return list;
  }
  if (value instanceof Map) {
    const map = enter(new Map<unknown, unknown>());
    for (const [k, v] of value) map.set(next(k), next(v));
    return map;
  }
  if (value instanceof Set) {
    const set = enter(new Set<unknown>());
    for (const x of value) set.add(next(x));
    return set;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const object = enter({} as Record<string, unknown>);
  for (const [k, v] of Object.entries(value)) {
    Object.defineProperty(object, k, { value: next(v), enumerable: true, writable: true, configurable: true });
  }
  return object;
}

function pack(call: string, value: unknown): Tensor {
  const packed: Packed = { key: randomUUID(), value: null, tensors: [] };
  packed.value = walk(value, (x) => {
    if (!isTensor(x)) return undefined;
    const dense = x.dense ? x : x.rawClone();
    const { dtype, shape, requiresGrad } = x;
    return { [packed.key]: packed.tensors.push({ dtype, shape: [...shape], bytes: bytesOf(dense), requiresGrad }) - 1 };
  });
  let bytes: Buffer;
  try {
    bytes = serialize(packed);
  } catch (cause) {
    throw new TypeError(`${call}: ${show(value)} can't be sent: ${(cause as Error).message}`, { cause });
  }
  const tensor = Tensor.raw([bytes.length], Code.u8);
  bytesOf(tensor).set(bytes);
  return tensor;
}

function unpack(tensor: Tensor, length: number): unknown {
  const { key, value, tensors } = deserialize(bytesOf(tensor).subarray(0, length)) as Packed;
  const made = tensors.map(({ dtype, shape, bytes, requiresGrad }) => {
    const t = Tensor.raw(shape, codeOf('recv', dtype));
    bytesOf(t).set(bytes);
    t.requiresGrad = requiresGrad;
    return t;
  });
  return walk(value, (x) => {
    const at = (x as Record<string, unknown>)[key];
    return typeof at === 'number' ? made[at] : undefined;
  });
}

const numbers = (values: readonly number[]): Tensor =>
  Tensor.wrap(BigInt64Array.from(values, BigInt), [values.length], Code.i64);
const numberOf = (t: Tensor): number => Number(new BigInt64Array(bytesOf(t).slice().buffer)[0]);
const lengthsOf = (t: Tensor): number[] => Array.from(new BigInt64Array(bytesOf(t).slice().buffer), Number);

/** Room for the longest, the value first. */
function padded(tensor: Tensor, length: number): Tensor {
  const room = Tensor.zeros([length], Code.u8);
  bytesOf(room).set(bytesOf(tensor));
  return room;
}
const rooms = (count: number, length: number): Tensor[] =>
  Array.from({ length: count }, () => Tensor.raw([length], Code.u8));
const counters = (count: number): Tensor[] => Array.from({ length: count }, () => numbers([0]));

function checkObjects(call: string, name: string, list: unknown, length?: number): asserts list is unknown[] {
  if (!Array.isArray(list)) throw new TypeError(`${call}: ${name} must be a list, got ${show(list)}`);
  if (length !== undefined && list.length !== length)
    throw new RangeError(`${call}: ${name} must have a place for each of ${length} ranks, got ${list.length}`);
}
function checkWeights(call: string, weightsOnly: boolean): void {
  if (weightsOnly)
    throw new TenfoldError('value', `${call}: weightsOnly is about pickles, which aren't used here; leave it out`);
}

const broadcastCall = signature(
  'broadcastObjectList(any objectList, int? src=null, any group=null, any device=null, int? groupSrc=null, bool weightsOnly=false)',
);
/** The values in `objectList` become those of rank `src`; the lists have the same length on all ranks. */
export function broadcastObjectList(...args: Arguments<typeof broadcastCall.schema>): void {
  const [list, src, given, , groupSrc, weightsOnly] = broadcastCall.read(args);
  const call = 'broadcastObjectList';
  checkObjects(call, 'objectList', list);
  checkWeights(call, weightsOnly);
  const group = groupHere(call, given);
  if (group === null) return;
  const root = rootOf(call, ['src', 'groupSrc'], group, src, groupSrc);
  const sends = root === group.rank();
  const packed = sends ? list.map((value) => pack(call, value)) : [];
  const lengths = numbers(sends ? packed.map((t) => t.count) : list.map(() => 0));
  if (list.length === 0) return;
  broadcast(lengths, { group, groupSrc: root });
  lengthsOf(lengths).forEach((length, i) => {
    const bytes = packed[i] ?? Tensor.raw([length], Code.u8);
    broadcast(bytes, { group, groupSrc: root });
    if (!sends) list[i] = unpack(bytes, length);
  });
}

/** Every rank's value, packed, with its length. */
function gatherLengths(call: string, value: unknown, group: Group): { packed: Tensor; lengths: number[] } {
  const packed = pack(call, value);
  const lengths = counters(group.size());
  allGather(lengths, numbers([packed.count]), { group });
  return { packed, lengths: lengths.map(numberOf) };
}

const allGatherCall = signature('allGatherObject(any objectList, any obj, any group=null, bool weightsOnly=false)');
/** `objectList[r]` becomes the `obj` of rank r, on every rank. */
export function allGatherObject(...args: Arguments<typeof allGatherCall.schema>): void {
  const [list, value, given, weightsOnly] = readWithValue(allGatherCall.read, args, 1);
  const call = 'allGatherObject';
  checkWeights(call, weightsOnly);
  const group = groupHere(call, given);
  if (group === null) return;
  checkObjects(call, 'objectList', list, group.size());
  const { packed, lengths } = gatherLengths(call, value, group);
  const longest = Math.max(...lengths);
  const parts = rooms(group.size(), longest);
  allGather(parts, padded(packed, longest), { group });
  parts.forEach((part, i) => (list[i] = unpack(part, lengths[i]!)));
}

const gatherCall = signature(
  'gatherObject(any obj, any objectGatherList=null, int? dst=null, any group=null, int? groupDst=null, bool weightsOnly=false)',
);
/** allGatherObject for rank `dst` alone (0 by default), which gives `objectGatherList`. */
export function gatherObject(...args: Arguments<typeof gatherCall.schema>): void {
  const [value, list, dst, given, groupDst, weightsOnly] = readWithValue(gatherCall.read, args, 0);
  const call = 'gatherObject';
  checkWeights(call, weightsOnly);
  const group = groupHere(call, given);
  if (group === null) return;
  const root = rootOf(call, ['dst', 'groupDst'], group, dst, groupDst, group.ranks[0]);
  const gathers = root === group.rank();
  if (gathers) checkObjects(call, 'objectGatherList', list, group.size());
  const { packed, lengths } = gatherLengths(call, value, group);
  const longest = Math.max(...lengths);
  const parts = gathers ? rooms(group.size(), longest) : null;
  gather(padded(packed, longest), parts, { groupDst: root, group });
  parts?.forEach((part, i) => ((list as unknown[])[i] = unpack(part, lengths[i]!)));
}

const scatterCall = signature(
  'scatterObjectList(any scatterObjectOutputList, any scatterObjectInputList=null, int? src=null, any group=null, int? groupSrc=null, bool weightsOnly=false)',
);
/** The first place of `scatterObjectOutputList` becomes, on rank r, `scatterObjectInputList[r]` of rank `src` (0 by default). */
export function scatterObjectList(...args: Arguments<typeof scatterCall.schema>): void {
  const [out, list, src, given, groupSrc, weightsOnly] = scatterCall.read(args);
  const call = 'scatterObjectList';
  checkWeights(call, weightsOnly);
  const group = groupHere(call, given);
  if (group === null) return;
  checkObjects(call, 'scatterObjectOutputList', out);
  if (out.length === 0) throw new RangeError(`${call}: scatterObjectOutputList must have a place for the value`);
  const root = rootOf(call, ['src', 'groupSrc'], group, src, groupSrc, group.ranks[0]);
  const sends = root === group.rank();
  if (sends) checkObjects(call, 'scatterObjectInputList', list, group.size());
  const packed = sends ? (list as unknown[]).map((value) => pack(call, value)) : [];
  const longest = numbers([Math.max(0, ...packed.map((t) => t.count))]);
  broadcast(longest, { group, groupSrc: root });
  const length = numbers([0]);
  scatter(length, sends ? packed.map((t) => numbers([t.count])) : null, { groupSrc: root, group });
  const room = Tensor.raw([numberOf(longest)], Code.u8);
  scatter(room, sends ? packed.map((t) => padded(t, room.count)) : null, { groupSrc: root, group });
  out[0] = unpack(room, numberOf(length));
}

const sendCall = signature(
  'sendObjectList(any objectList, int? dst=null, any group=null, any device=null, int? groupDst=null)',
);
/** Sends the values in `objectList` to rank `dst`. */
export function sendObjectList(...args: Arguments<typeof sendCall.schema>): void {
  const [list, dst, given, , groupDst] = sendCall.read(args);
  const call = 'sendObjectList';
  checkObjects(call, 'objectList', list);
  const group = groupHere(call, given);
  if (group === null) return;
  const to = { group, groupDst: rootOf(call, ['dst', 'groupDst'], group, dst, groupDst) };
  const packed = list.map((value) => pack(call, value));
  if (packed.length === 0) return;
  send(numbers(packed.map((t) => t.count)), to);
  for (const t of packed) send(t, to);
}

const recvCall = signature(
  'recvObjectList(any objectList, int? src=null, any group=null, any device=null, int? groupSrc=null)',
);
/** Receives as many values as `objectList` has places, from rank `src` or from anybody; the global rank that they came from. */
export function recvObjectList(...args: Arguments<typeof recvCall.schema>): number {
  const [list, src, given, , groupSrc] = recvCall.read(args);
  const call = 'recvObjectList';
  checkObjects(call, 'objectList', list);
  const group = groupHere(call, given);
  if (group === null || list.length === 0) return -1;
  const lengths = numbers(list.map(() => 0));
  const source = recv(lengths, { src, group, groupSrc });
  lengthsOf(lengths).forEach((length, i) => {
    const bytes = Tensor.raw([length], Code.u8);
    recv(bytes, { src: source, group });
    list[i] = unpack(bytes, length);
  });
  return source;
}

/** Reads a call one of whose values is anybody's own: null and undefined are values, and a plain object isn't the options. */
function readWithValue<T extends unknown[]>(
  read: (args: readonly unknown[]) => T,
  args: readonly unknown[],
  at: number,
): T {
  if (args.length <= at) return read(args);
  const shielded: unknown[] = args.slice();
  shielded[at] = new Shield();
  const values = read(shielded);
  values[at] = args[at];
  return values;
}
class Shield {}
