/**
 * One rank of four. In groups of 1 to 4 ranks it runs every collective with every dtype and compares what comes with what it
 * computes by itself from all ranks' inputs, which it knows. Tells: how many comparisons, and which differ.
 */
import * as tf from '../../../lib/index.js';
import * as dist from '../../../lib/distributed/index.js';
import type { DType } from '../../../lib/dtype.js';

const world = Number(process.env.WORLD_SIZE);
const me = Number(process.env.RANK);
dist.initProcessGroup('gloo', process.env.MEETING!, { rank: me, worldSize: world, timeout: 60_000 });

let checks = 0;
const failures: string[] = [];
function check(what: string, got: unknown, wanted: unknown): void {
  checks++;
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) failures.push(`rank ${me}, ${what}: ${a} instead of ${b}`);
}

const DTYPES: DType[] = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
];
const isFloat = (dtype: DType): boolean => /float/.test(dtype);
const N = 7;
/** What rank `r` has: small numbers, so that sums and products are exact in every dtype. */
const values = (r: number, dtype: DType, salt = 0): number[] =>
  Array.from({ length: N }, (_, i) => {
    const n = (i * 5 + r * 3 + salt * 2) % 4;
    if (dtype === 'bool') return n % 2;
    return isFloat(dtype) ? n - 1.5 : dtype === 'uint8' ? n : n - 1;
  });
const make = (list: number[], dtype: DType): tf.Tensor => tf.tensor(list, { dtype });
const numbers = (t: tf.Tensor): number[] => (t.tolist() as (number | boolean)[]).map(Number);

const OPS: Record<string, (a: number, b: number) => number> = {
  sum: (a, b) => a + b,
  product: (a, b) => a * b,
  min: Math.min,
  max: Math.max,
  band: (a, b) => a & b,
  bor: (a, b) => a | b,
  bxor: (a, b) => a ^ b,
};
/** A list of each rank's, as one. */
function joined(lists: number[][], op: string, dtype: DType): number[] {
  const fn = OPS[op === 'avg' ? 'sum' : op]!;
  const sums = lists.reduce((a, b) => a.map((x, i) => fn(x, b[i]!)));
  if (op === 'avg')
    return numbers(
      make(
        sums.map((x) => x / lists.length),
        dtype,
      ),
    );
  if (dtype === 'bool') return sums.map((x) => Number(x !== 0));
  return dtype === 'uint8' ? sums.map((x) => x & 255) : sums;
}
const opsOf = (dtype: DType): string[] =>
  isFloat(dtype) ? ['sum', 'product', 'min', 'max', 'avg'] : ['sum', 'product', 'min', 'max', 'band', 'bor', 'bxor'];

function everyCollective(group: dist.ProcessGroup, dtype: DType): void {
  const size = group.size();
  const rank = group.rank();
  const all = Array.from({ length: size }, (_, r) => values(r, dtype));
  const own = (): tf.Tensor => make(all[rank]!, dtype);
  const rooms = (): tf.Tensor[] => all.map(() => tf.zeros(N, { dtype }));
  const at = `${dtype} × ${size}`;
  const root = size - 1;

  for (const op of opsOf(dtype)) {
    const t = own();
    dist.allReduce(t, { op: op as dist.ReduceOp, group });
    check(`allReduce ${op} ${at}`, numbers(t), joined(all, op, dtype));
    const one = own();
    dist.reduce(one, { groupDst: root, op: op as dist.ReduceOp, group });
    check(`reduce ${op} ${at}`, numbers(one), rank === root ? joined(all, op, dtype) : all[rank]);
    const pieces = (r: number): number[][] => Array.from({ length: size }, (_, i) => values(r, dtype, i));
    const part = tf.zeros(N, { dtype });
    dist.reduceScatter(
      part,
      pieces(rank).map((list) => make(list, dtype)),
      { op: op as dist.ReduceOp, group },
    );
    const mine = joined(
      all.map((_, r) => pieces(r)[rank]!),
      op,
      dtype,
    );
    check(`reduceScatter ${op} ${at}`, numbers(part), mine);
    const whole = tf.stack(pieces(rank).map((list) => make(list, dtype)));
    const other = tf.zeros(N, { dtype });
    dist.reduceScatterTensor(other, whole, { op: op as dist.ReduceOp, group });
    check(`reduceScatterTensor ${op} ${at}`, numbers(other), mine);
  }

  const sent = own();
  dist.broadcast(sent, { groupSrc: root, group });
  check(`broadcast ${at}`, numbers(sent), all[root]);

  const list = rooms();
  dist.allGather(list, own(), group);
  check(`allGather ${at}`, list.map(numbers), all);
  const flat = tf.zeros(N * size, { dtype });
  dist.allGatherIntoTensor(flat, own(), group);
  check(`allGatherIntoTensor ${at}`, numbers(flat), all.flat());

  const gathered = rank === root ? rooms() : null;
  dist.gather(own(), gathered, { groupDst: root, group });
  if (gathered) check(`gather ${at}`, gathered.map(numbers), all);

  const got = tf.zeros(N, { dtype });
  dist.scatter(got, rank === root ? all.map((x) => make(x, dtype)) : null, { groupSrc: root, group });
  check(`scatter ${at}`, numbers(got), all[rank]);

  // Rank r has r + s + 1 elements for rank s.
  const counts = (from: number, to: number): number => from + to + 1;
  const piece = (from: number, to: number): number[] => values(from, dtype, to).slice(0, counts(from, to));
  const outputs = all.map((_, s) => tf.zeros(counts(s, rank), { dtype }));
  dist.allToAll(
    outputs,
    all.map((_, s) => make(piece(rank, s), dtype)),
    group,
  );
  check(
    `allToAll ${at}`,
    outputs.map(numbers),
    all.map((_, s) => piece(s, rank)),
  );
  const received = all.map((_, s) => counts(s, rank));
  const single = tf.zeros(
    received.reduce((a, b) => a + b),
    { dtype },
  );
  const input = make(
    all.flatMap((_, s) => piece(rank, s)),
    dtype,
  );
  dist.allToAllSingle(
    single,
    input,
    received,
    all.map((_, s) => counts(rank, s)),
    { group },
  );
  check(
    `allToAllSingle ${at}`,
    numbers(single),
    all.flatMap((_, s) => piece(s, rank)),
  );

  if (size > 1) {
    const [right, left] = [(rank + 1) % size, (rank + size - 1) % size];
    const into = tf.zeros(N, { dtype });
    const works = [
      dist.irecv(into, { groupSrc: left, group, tag: 3 })!,
      dist.isend(own(), { groupDst: right, group, tag: 3 })!,
    ];
    works.forEach((work) => work.wait());
    check(`isend and irecv ${at}`, numbers(into), all[left]);
  }
  dist.barrier(group);
  dist.monitoredBarrier(group);
}

/** The same bits on all ranks, of sums that depend on the order. */
function sameBits(group: dist.ProcessGroup): void {
  for (const dtype of ['float32', 'float64', 'float16', 'bfloat16'] as const) {
    tf.manualSeed(group.rank() + 1);
    const t = tf.randn(1003).to(dtype);
    const local = t.clone();
    dist.allReduce(t, { group });
    const bits: string[] = new Array<string>(group.size());
    const { buffer, byteOffset, byteLength } = t.toTypedArray();
    dist.allGatherObject(bits, Buffer.from(buffer, byteOffset, byteLength).toString('base64'), group);
    check(`bits of ${dtype} × ${group.size()}`, new Set(bits).size, 1);
    const lists: number[][] = new Array<number[]>(group.size());
    dist.allGatherObject(lists, numbers(local), group);
    const exact = lists.reduce((a, b) => a.map((x, i) => x + b[i]!));
    const tolerance = { float32: 1e-6, float64: 1e-15, float16: 4e-3, bfloat16: 3e-2 }[dtype];
    const off = Math.max(...numbers(t).map((x, i) => Math.abs(x - exact[i]!) / (1 + Math.abs(exact[i]!))));
    check(`sum of ${dtype} × ${group.size()} is near`, off < tolerance, true);
  }
}

/** Layouts, memory that is the user's, nothing at all, special values. */
function everyLayout(group: dist.ProcessGroup): void {
  const size = group.size();
  const factor = (size * (size + 1)) / 2;
  const mine = group.rank() + 1;
  const base = tf.arange(12).to('float32').mul(mine).reshape(3, 4);
  const view = base.t();
  dist.allReduce(view, { group });
  check(
    'a transposed tensor',
    base.flatten().tolist(),
    Array.from({ length: 12 }, (_, i) => i * factor),
  );
  const whole = tf.ones(10);
  dist.allReduce(whole.narrow(0, 2, 5), { group });
  check(
    'a part',
    whole.tolist(),
    Array.from({ length: 10 }, (_, i) => (i >= 2 && i < 7 ? size : 1)),
  );
  const memory = Float32Array.of(mine, 2 * mine);
  dist.allReduce(tf.fromTypedArray(memory), { group });
  check("a typed array's memory", [...memory], [factor, 2 * factor]);
  const nothing = tf.zeros(0);
  dist.allReduce(nothing, { group });
  dist.broadcast(nothing, { groupSrc: 0, group });
  check('an empty tensor', nothing.shape, [0]);
  const scalar = tf.tensor(mine);
  dist.allReduce(scalar, { group });
  check('a scalar', scalar.item(), factor);
  const list = Array.from({ length: size }, () => tf.zeros(2));
  list[group.rank()]!.fill_(mine);
  dist.allGather(list, list[group.rank()]!, group);
  check(
    'a tensor of the list itself',
    list.map((t) => t.tolist()),
    list.map((_, r) => [r + 1, r + 1]),
  );
  for (const op of ['min', 'max'] as const) {
    const t = tf.tensor(group.rank() === 0 ? [NaN, 1] : [1, NaN]);
    dist.allReduce(t, { op, group });
    check(`NaN in ${op}`, t.isnan().tolist(), size > 1 ? [true, true] : [true, false]);
  }
  const version = tf.ones(2).requiresGrad_();
  const y = version.mul(2);
  const z = y.mul(y);
  dist.allReduce(y, { group });
  let message = '';
  try {
    z.sum().backward();
  } catch (error) {
    message = (error as Error).message;
  }
  check('a saved tensor that was changed', /in-place/.test(message), true);
}

function everyObject(group: dist.ProcessGroup): void {
  const size = group.size();
  const rank = group.rank();
  const value = (r: number): unknown => ({ r, list: [1, 'a', null, [r]], map: new Map([[r, new Set([1n])]]) });
  const text = (x: unknown): string =>
    JSON.stringify(x, (_, v: unknown) =>
      v instanceof Map || v instanceof Set ? [...v] : typeof v === 'bigint' ? String(v) : v,
    );
  const all = Array.from({ length: size }, (_, r) => text(value(r)));
  const list: unknown[] = new Array(size).fill(null);
  dist.allGatherObject(list, value(rank), group);
  check('allGatherObject', list.map(text), all);
  const gathered: unknown[] | null = rank === 0 ? new Array<unknown>(size).fill(null) : null;
  dist.gatherObject(value(rank), gathered, { groupDst: 0, group });
  if (gathered) check('gatherObject', gathered.map(text), all);
  const out: unknown[] = [null];
  dist.scatterObjectList(out, rank === 0 ? all.map((_, r) => value(r)) : null, { groupSrc: 0, group });
  check('scatterObjectList', text(out[0]), all[rank]);
  const tensors: unknown[] =
    rank === 0 ? [{ w: tf.tensor([1, 2], { dtype: 'bfloat16', requiresGrad: true }) }, undefined, 3] : [1, 2, null];
  dist.broadcastObjectList(tensors, { groupSrc: 0, group });
  const [{ w }] = tensors as [{ w: tf.Tensor }];
  check(
    'broadcastObjectList',
    [w.dtype, w.requiresGrad, w.tolist(), tensors[1] === undefined, tensors[2]],
    ['bfloat16', true, [1, 2], true, 3],
  );
  if (size === 1) return;
  if (rank === 0) {
    dist.sendObjectList([value(0), 'x'], { groupDst: 1, group });
    const from = tf.zeros(1);
    check('recv from anybody', [dist.recv(from, { group, tag: 9 }), from.item()], [1, 5]);
  } else if (rank === 1) {
    const two: unknown[] = [null, null];
    check('recvObjectList', [dist.recvObjectList(two, { groupSrc: 0, group }), text(two)], [0, text([value(0), 'x'])]);
    dist.send(tf.tensor([5]), { groupDst: 0, group, tag: 9 });
  }
}

/** Works: in order, awaited or waited for, their tensors held. */
async function everyWork(group: dist.ProcessGroup): Promise<void> {
  const size = group.size();
  const tensors = Array.from({ length: 20 }, (_, i) => tf.full([50], i));
  const works = tensors.map((t) => dist.allReduce(t, { group, asyncOp: true })!);
  await Promise.all(works.filter((_, i) => i % 2 === 0));
  works.forEach((work) => check('wait', work.wait(), true));
  check(
    'twenty works',
    tensors.map((t) => t.sum().item()),
    tensors.map((_, i) => 50 * i * size),
  );
  check(
    'their ends',
    works.map((w) => w.isCompleted() && w.isSuccess() && w.exception() === null),
    works.map(() => true),
  );
  check('their results', (await works[3]!.getFuture())[0] === tensors[3], true);

  // Tensors of a call that hasn't ended: rank 0 comes when it is told to.
  const held = [tf.ones(100), tf.ones(100_000)];
  const begin = (): dist.Work[] => held.map((t) => dist.allReduce(t, { group, asyncOp: true })!);
  const refusals: string[] = [];
  const refused = (act: () => unknown): void => {
    try {
      act();
      refusals.push('nothing');
    } catch (error) {
      refusals.push((error as Error).message.replace(/: .*/, ''));
    }
  };
  if (group.rank() !== 0 || size === 1) {
    const pending = begin();
    if (size > 1) {
      for (const t of held) {
        refused(() => t.add_(1));
        refused(() => t.dispose());
        refused(() => t.asTypedArray());
        refused(() => dist.allReduce(t, { group }));
      }
      check(
        'held tensors',
        refusals,
        [...Array(2)].flatMap(() => ['add_', 'dispose', 'asTypedArray', 'allReduce']),
      );
      dist.send(tf.ones(1), { groupDst: 0, group, tag: 77 });
    }
    await Promise.all(pending);
  } else {
    for (let r = 1; r < size; r++) dist.recv(tf.zeros(1), { groupSrc: r, group, tag: 77 });
    await Promise.all(begin());
  }
  held.forEach((t) => check('held, and then given back', t.add_(1).sum().item(), t.numel() * (size + 1)));
}

for (let size = 1; size <= world; size++) {
  const ranks = Array.from({ length: size }, (_, r) => r);
  const group = dist.newGroup(ranks);
  if (typeof group === 'number') {
    check('not a member', [group, me >= size, dist.getRank(group), dist.getWorldSize(group)], [-100, true, -1, -1]);
    continue;
  }
  check('sizes', [group.size(), group.rank(), dist.getProcessGroupRanks(group)], [size, me, ranks]);
  for (const dtype of DTYPES) everyCollective(group, dtype);
  sameBits(group);
  everyLayout(group);
  everyObject(group);
  await everyWork(group);
}

// Ranks of a group are not those of the world.
const turned = dist.newGroup({ ranks: [3, 1], sortRanks: false });
if (typeof turned !== 'number') {
  check(
    'ranks',
    [turned.rank(), dist.getGlobalRank(turned, 0), dist.getGroupRank(turned, 1)],
    [me === 3 ? 0 : 1, 3, 1],
  );
  const t = tf.tensor([me]);
  dist.broadcast(t, 3, turned);
  check('from a global rank', t.item(), 3);
}
dist.barrier();
dist.destroyProcessGroup();
check('destroyed', dist.isInitialized(), false);
console.log(JSON.stringify({ checks, failures }));
