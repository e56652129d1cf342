/**
 * What all ranks of a group do together. Every rank calls the same functions in the same order with tensors of the same shapes and
 * dtypes; anything else hangs until the timeout, or ends the process, as Gloo does (TENFOLD_DISTRIBUTED_DEBUG=detail finds it).
 *
 * Signatures are PyTorch's. Tensors are changed in place, without a part in any graph. All calls take `group` (all ranks by default),
 * `timeout` in milliseconds (the group's by default), and where PyTorch has it `asyncOp`, which returns a Work instead of blocking
 * (`wait()`, or `await`). They throw TenfoldError 'distributed' where another rank is gone or doesn't come in time; the group
 * is of no more use then, and later calls tell that reason. (https://docs.pytorch.org/docs/stable/distributed.html#collective-functions)
 */
import { TenfoldError, show } from '../errors.js';
import { Code, isFloatCode } from '../dtype.js';
import type { NativeCall } from '../native/distributed.js';
import { signature, type Arguments } from '../op/schema.js';
import { sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkTimeout, finished, groupHere, lending, rootOf, type Group } from './groups.js';
import type { Loan } from './memory.js';
import { ReduceOp, type Work } from './types.js';
import type { GroupWork } from './work.js';

/** Reductions of bits, which floats have not. */
const OF_BITS: readonly string[] = [ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR];

interface Reduction {
  reduce: string;
  average: boolean;
}

/** How values become one, checked against the dtype. */
function reduction(call: string, op: string, t: Tensor): Reduction {
  const word = op.toLowerCase();
  if (word === 'avg') {
    if (!isFloatCode(t.code))
      throw new TenfoldError(
        'dtype',
        `${call}: an average of ${t.dtype} has no place in ${t.dtype}; use ReduceOp.SUM, or floats`,
      );
    return { reduce: ReduceOp.SUM, average: true };
  }
  if (!Object.values<string>(ReduceOp).includes(word))
    throw new TenfoldError(
      'value',
      `${call}: op must be one of ${Object.values(ReduceOp).join(', ')}, got ${show(op)}`,
    );
  if (OF_BITS.includes(word) && isFloatCode(t.code))
    throw new TenfoldError('dtype', `${call}: op '${word}' is for bits of integers and bool, got ${t.dtype}`);
  return { reduce: word, average: false };
}

const describe = (t: Tensor): string => `${t.dtype} [${t.shape.join(', ')}]`;

const NOTHING: Omit<NativeCall, 'op' | 'name' | 'timeout' | 'agreement'> = {
  dtype: Code.f32,
  reduce: ReduceOp.SUM,
  average: false,
  waitForAll: false,
  root: 0,
  inputs: [],
  outputs: [],
  sent: [],
  received: [],
};

/** What the calls have in common: group, loan, timeout, and what they return. */
function run(
  call: string,
  { group, asyncOp, timeout }: { group: Group; asyncOp: boolean; timeout: number | null },
  op: NativeCall['op'],
  what: string,
  parts: (loan: Loan) => Partial<NativeCall>,
): GroupWork | null {
  const time = timeout === null ? group.timeout : checkTimeout(call, timeout);
  const work = lending(call, (loan) =>
    group.collective({ ...NOTHING, op, name: call, timeout: time, ...parts(loan) }, what, loan),
  );
  return finished(work, asyncOp);
}

function checkList(call: string, name: string, list: readonly Tensor[], size: number): void {
  if (list.length !== size)
    throw new RangeError(`${call}: ${name} must have a tensor for each of ${size} ranks, got ${list.length}`);
}
/** Refuses tensors of a list that aren't like `t`. */
function checkLike(call: string, name: string, list: readonly Tensor[], t: Tensor): void {
  list.forEach((one, i) => {
    if (one.code !== t.code)
      throw new TenfoldError('dtype', `${call}: ${name}[${i}] is ${one.dtype}, and the other tensor ${t.dtype}`);
    if (!sameShape(one.shape, t.shape))
      throw new TenfoldError(
        'shape',
        `${call}: ${name}[${i}] has the shape [${one.shape}], and the other tensor [${t.shape}]`,
      );
  });
}
function checkDtype(call: string, output: Tensor, input: Tensor): void {
  if (output.code !== input.code)
    throw new TenfoldError('dtype', `${call}: the output is ${output.dtype}, the input ${input.dtype}`);
}

const allReduceCall = signature(
  "allReduce(Tensor tensor, string op='sum', any group=null, bool asyncOp=false, float? timeout=null)",
);
/**
 * Every rank's `tensor` becomes the sum of all of them (or what `op`, a ReduceOp, says), the same bits on all ranks. Any dtype; 'avg' for
 * floats, 'band', 'bor', 'bxor' for integers and bool; bool adds as `or`; NaN wins in 'min' and 'max'.
 */
export function allReduce(...args: Arguments<typeof allReduceCall.schema>): Work | null {
  const [tensor, op, given, asyncOp, timeout] = allReduceCall.read(args);
  const call = 'allReduce';
  const group = groupHere(call, given);
  if (group === null) return null;
  const how = reduction(call, op, tensor);
  return run(call, { group, asyncOp, timeout }, 'allReduce', `${describe(tensor)} ${op}`, (loan) => ({
    dtype: tensor.code,
    ...how,
    outputs: [loan.output(tensor, true)],
  }));
}

const broadcastCall = signature(
  'broadcast(Tensor tensor, int? src=null, any group=null, bool asyncOp=false, int? groupSrc=null, float? timeout=null)',
);
/** Every rank's `tensor` becomes that of rank `src` (a global rank; `groupSrc`: the group's own). */
export function broadcast(...args: Arguments<typeof broadcastCall.schema>): Work | null {
  const [tensor, src, given, asyncOp, groupSrc, timeout] = broadcastCall.read(args);
  const call = 'broadcast';
  const group = groupHere(call, given);
  if (group === null) return null;
  const root = rootOf(call, ['src', 'groupSrc'], group, src, groupSrc);
  return run(call, { group, asyncOp, timeout }, 'broadcast', `${describe(tensor)} from ${root}`, (loan) => ({
    dtype: tensor.code,
    root,
    // The root's own is only read.
    outputs: [root === group.rank() ? loan.input(tensor) : loan.output(tensor, false)],
  }));
}

const reduceCall = signature(
  "reduce(Tensor tensor, int? dst=null, string op='sum', any group=null, bool asyncOp=false, int? groupDst=null, float? timeout=null)",
);
/** allReduce for rank `dst` alone; the other ranks' tensors stay as they are. */
export function reduce(...args: Arguments<typeof reduceCall.schema>): Work | null {
  const [tensor, dst, op, given, asyncOp, groupDst, timeout] = reduceCall.read(args);
  const call = 'reduce';
  const group = groupHere(call, given);
  if (group === null) return null;
  const root = rootOf(call, ['dst', 'groupDst'], group, dst, groupDst);
  const how = reduction(call, op, tensor);
  return run(call, { group, asyncOp, timeout }, 'reduce', `${describe(tensor)} ${op} to ${root}`, (loan) => ({
    dtype: tensor.code,
    ...how,
    root,
    outputs: [root === group.rank() ? loan.output(tensor, true) : loan.input(tensor)],
  }));
}

const allGatherCall = signature(
  'allGather(Tensor[] tensorList, Tensor tensor, any group=null, bool asyncOp=false, float? timeout=null)',
);
/** `tensorList[r]` becomes the `tensor` of rank r, on every rank. All of one shape and dtype. */
export function allGather(...args: Arguments<typeof allGatherCall.schema>): Work | null {
  const [list, tensor, given, asyncOp, timeout] = allGatherCall.read(args);
  const call = 'allGather';
  const group = groupHere(call, given);
  if (group === null) return null;
  checkList(call, 'tensorList', list, group.size());
  checkLike(call, 'tensorList', list, tensor);
  return run(call, { group, asyncOp, timeout }, 'allGather', describe(tensor), (loan) => ({
    dtype: tensor.code,
    outputs: [loan.outputs(list)],
    inputs: [loan.input(tensor)],
  }));
}

const intoCall = signature(
  'allGatherIntoTensor(Tensor outputTensor, Tensor inputTensor, any group=null, bool asyncOp=false, float? timeout=null)',
);
/** allGather into one tensor: the ranks' tensors one after the other along dim 0, or stacked along a new one. */
export function allGatherIntoTensor(...args: Arguments<typeof intoCall.schema>): Work | null {
  const [output, input, given, asyncOp, timeout] = intoCall.read(args);
  const call = 'allGatherIntoTensor';
  const group = groupHere(call, given);
  if (group === null) return null;
  checkDtype(call, output, input);
  checkWhole(call, group, output, input);
  return run(call, { group, asyncOp, timeout }, 'allGather', describe(input), (loan) => ({
    dtype: input.code,
    outputs: [loan.output(output, false)],
    inputs: [loan.input(input)],
  }));
}

/** Refuses a `whole` that isn't `part`, once for each rank, side by side or stacked. */
function checkWhole(call: string, group: Group, whole: Tensor, part: Tensor): void {
  const size = group.size();
  const [first = 1, ...rest] = part.shape;
  if (sameShape(whole.shape, [first * size, ...rest]) || sameShape(whole.shape, [size, ...part.shape])) return;
  throw new TenfoldError(
    'shape',
    `${call}: for ${size} ranks, [${part.shape}] each makes [${[first * size, ...rest]}] or [${[size, ...part.shape]}], got [${whole.shape}]`,
  );
}

const gatherCall = signature(
  'gather(Tensor tensor, Tensor[]? gatherList=null, int? dst=null, any group=null, bool asyncOp=false, int? groupDst=null, float? timeout=null)',
);
/** allGather for rank `dst` alone (0 by default), which gives `gatherList`; the others don't. */
export function gather(...args: Arguments<typeof gatherCall.schema>): Work | null {
  const [tensor, list, dst, given, asyncOp, groupDst, timeout] = gatherCall.read(args);
  const call = 'gather';
  const group = groupHere(call, given);
  if (group === null) return null;
  const root = rootOf(call, ['dst', 'groupDst'], group, dst, groupDst, group.ranks[0]);
  if (root === group.rank()) {
    if (list === null) throw new TypeError(`${call}: gatherList must be given on the rank that gathers`);
    checkList(call, 'gatherList', list, group.size());
    checkLike(call, 'gatherList', list, tensor);
  } else if (list !== null && list.length > 0)
    throw new TypeError(`${call}: gatherList is for rank ${group.ranks[root]!}, which gathers; leave it out on others`);
  return run(call, { group, asyncOp, timeout }, 'gather', `${describe(tensor)} to ${root}`, (loan) => ({
    dtype: tensor.code,
    root,
    outputs: root === group.rank() ? [loan.outputs(list!)] : [],
    inputs: [loan.input(tensor)],
  }));
}

const scatterCall = signature(
  'scatter(Tensor tensor, Tensor[]? scatterList=null, int? src=null, any group=null, bool asyncOp=false, int? groupSrc=null, float? timeout=null)',
);
/** `tensor` of rank r becomes `scatterList[r]` of rank `src` (0 by default), which alone gives that list. */
export function scatter(...args: Arguments<typeof scatterCall.schema>): Work | null {
  const [tensor, list, src, given, asyncOp, groupSrc, timeout] = scatterCall.read(args);
  const call = 'scatter';
  const group = groupHere(call, given);
  if (group === null) return null;
  const root = rootOf(call, ['src', 'groupSrc'], group, src, groupSrc, group.ranks[0]);
  if (root === group.rank()) {
    if (list === null) throw new TypeError(`${call}: scatterList must be given on the rank that scatters`);
    checkList(call, 'scatterList', list, group.size());
    checkLike(call, 'scatterList', list, tensor);
  } else if (list !== null && list.length > 0)
    throw new TypeError(
      `${call}: scatterList is for rank ${group.ranks[root]!}, which scatters; leave it out on others`,
    );
  return run(call, { group, asyncOp, timeout }, 'scatter', `${describe(tensor)} from ${root}`, (loan) => ({
    dtype: tensor.code,
    root,
    outputs: [loan.output(tensor, false)],
    inputs: root === group.rank() ? list!.map((t) => loan.input(t)) : [],
  }));
}

const reduceScatterCall = signature(
  "reduceScatter(Tensor output, Tensor[] inputList, string op='sum', any group=null, bool asyncOp=false, float? timeout=null)",
);
/** `output` of rank r becomes the sum (or what `op` says) of all ranks' `inputList[r]`. */
export function reduceScatter(...args: Arguments<typeof reduceScatterCall.schema>): Work | null {
  const [output, list, op, given, asyncOp, timeout] = reduceScatterCall.read(args);
  const call = 'reduceScatter';
  const group = groupHere(call, given);
  if (group === null) return null;
  checkList(call, 'inputList', list, group.size());
  checkLike(call, 'inputList', list, output);
  const how = reduction(call, op, output);
  return run(call, { group, asyncOp, timeout }, 'reduceScatter', `${describe(output)} ${op}`, (loan) => ({
    dtype: output.code,
    ...how,
    outputs: [loan.output(output, false)],
    inputs: [loan.inputs(list)],
  }));
}

const scatterTensorCall = signature(
  "reduceScatterTensor(Tensor output, Tensor input, string op='sum', any group=null, bool asyncOp=false, float? timeout=null)",
);
/** reduceScatter from one tensor: the pieces for the ranks one after the other along dim 0, or stacked. */
export function reduceScatterTensor(...args: Arguments<typeof scatterTensorCall.schema>): Work | null {
  const [output, input, op, given, asyncOp, timeout] = scatterTensorCall.read(args);
  const call = 'reduceScatterTensor';
  const group = groupHere(call, given);
  if (group === null) return null;
  checkDtype(call, output, input);
  checkWhole(call, group, input, output);
  const how = reduction(call, op, output);
  return run(call, { group, asyncOp, timeout }, 'reduceScatter', `${describe(output)} ${op}`, (loan) => ({
    dtype: output.code,
    ...how,
    outputs: [loan.output(output, false)],
    inputs: [loan.input(input)],
  }));
}

const allToAllCall = signature(
  'allToAll(Tensor[] outputTensorList, Tensor[] inputTensorList, any group=null, bool asyncOp=false, float? timeout=null)',
);
/** `outputTensorList[r]` becomes what rank r has for this rank in its `inputTensorList`. Sizes may differ from pair to pair. */
export function allToAll(...args: Arguments<typeof allToAllCall.schema>): Work | null {
  const [outputs, inputs, given, asyncOp, timeout] = allToAllCall.read(args);
  const call = 'allToAll';
  const group = groupHere(call, given);
  if (group === null) return null;
  checkList(call, 'outputTensorList', outputs, group.size());
  checkList(call, 'inputTensorList', inputs, group.size());
  const [first] = outputs;
  for (const t of [...outputs, ...inputs]) checkDtype(call, first!, t);
  return run(call, { group, asyncOp, timeout }, 'allToAll', first!.dtype, (loan) => ({
    dtype: first!.code,
    outputs: [loan.outputs(outputs)],
    inputs: [loan.inputs(inputs)],
    sent: inputs.map((t) => t.count),
    received: outputs.map((t) => t.count),
  }));
}

const allToAllSingleCall = signature(
  'allToAllSingle(Tensor output, Tensor input, int[]? outputSplitSizes=null, int[]? inputSplitSizes=null, any group=null, bool asyncOp=false, float? timeout=null)',
);
/** allToAll of pieces along dim 0: of equal size, or of `inputSplitSizes` to and `outputSplitSizes` from each rank. */
export function allToAllSingle(...args: Arguments<typeof allToAllSingleCall.schema>): Work | null {
  const [output, input, received, sent, given, asyncOp, timeout] = allToAllSingleCall.read(args);
  const call = 'allToAllSingle';
  const group = groupHere(call, given);
  if (group === null) return null;
  checkDtype(call, output, input);
  return run(call, { group, asyncOp, timeout }, 'allToAll', output.dtype, (loan) => ({
    dtype: output.code,
    received: split(call, 'outputSplitSizes', output, received, group.size()),
    sent: split(call, 'inputSplitSizes', input, sent, group.size()),
    outputs: [loan.output(output, false)],
    inputs: [loan.input(input)],
  }));
}

/** Elements of each rank's piece. */
function split(
  call: string,
  name: string,
  t: Tensor,
  sizes: number | readonly number[] | null,
  ranks: number,
): number[] {
  const [rows = 1] = t.shape;
  const row = rows === 0 ? 0 : t.count / rows;
  const list = typeof sizes === 'number' ? [sizes] : sizes;
  if (list === null || list.length === 0) {
    if (rows % ranks !== 0)
      throw new TenfoldError('shape', `${call}: ${rows} rows can't be split evenly over ${ranks} ranks; give ${name}`);
    return Array.from({ length: ranks }, () => (rows / ranks) * row);
  }
  if (list.length !== ranks || list.some((n) => n < 0) || list.reduce((a, b) => a + b, 0) !== rows)
    throw new TenfoldError('shape', `${call}: ${name} must be ${ranks} sizes that add to ${rows} rows, got [${list}]`);
  return list.map((n) => n * row);
}

const barrierCall = signature(
  'barrier(any group=null, bool asyncOp=false, int[]? deviceIds=null, float? timeout=null)',
);
/** Waits until every rank has come here. */
export function barrier(...args: Arguments<typeof barrierCall.schema>): Work | null {
  const [given, asyncOp, deviceIds, timeout] = barrierCall.read(args);
  const call = 'barrier';
  if (deviceIds !== null) throw new TenfoldError('value', `${call}: there are no other devices than the processor`);
  const group = groupHere(call, given);
  return group && run(call, { group, asyncOp, timeout }, 'barrier', '', () => ({}));
}

const monitoredCall = signature('monitoredBarrier(any group=null, float? timeout=null, bool waitAllRanks=false)');
/**
 * A barrier whose error, on rank 0, names the first rank that doesn't come within `timeout`, or with `waitAllRanks` all of them.
 */
export function monitoredBarrier(...args: Arguments<typeof monitoredCall.schema>): void {
  const [given, timeout, waitForAll] = monitoredCall.read(args);
  const call = 'monitoredBarrier';
  const group = groupHere(call, given);
  // What isn't there in time is this call's own to find, not the comparison's before it.
  if (group !== null) run(call, { group, asyncOp: false, timeout }, 'monitoredBarrier', '', () => ({ waitForAll }));
}
