/** Control flow, sequences and optionals. */
import { TenfoldError } from '../../errors.js';
import { cat, stack } from '../../ops/index.js';
import { tensor, zeros } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Integers, numberOf } from '../integers.js';
import { operator, operators, table, type Subgraph, type Value } from '../signature.js';
import { dtypeFor } from '../tensors.js';
import { wrapAxis } from './shape.js';

/** The most rounds that a loop makes: one without an end is an error, not a hang. */
const MOST_ROUNDS = 1e7;

const tensorOf = (value: Value): Tensor => (value instanceof Integers ? value.tensor : (value as Tensor));
const truth = (value: Value | undefined): boolean => numberOf(tensorOf(value ?? null)) !== 0;

/** Carried values and, stacked, those of each round. */
function loop(body: Subgraph, limit: Value, condition: Value, carried: Value[], outputs: number): Value[] {
  const rounds = limit === null ? MOST_ROUNDS : numberOf(tensorOf(limit));
  let state = carried;
  let on = condition === null || truth(condition);
  const scans: Tensor[][] = Array.from({ length: outputs - carried.length }, () => []);
  for (let i = 0; on && i < rounds; i++) {
    if (i >= MOST_ROUNDS) throw new TenfoldError('value', `Loop: no end after ${MOST_ROUNDS} rounds`);
    const results = body(new Integers([i], true), new Integers([on ? 1 : 0], true).tensor.to('bool'), ...state);
    on = truth(results[0]);
    state = results.slice(1, 1 + carried.length);
    scans.forEach((list, s) => list.push(tensorOf(results[1 + carried.length + s]!)));
  }
  return [...state, ...scans.map((list) => (list.length > 0 ? stack(list) : zeros([0])))];
}

interface ScanAttributes {
  body: Subgraph;
  num_scan_inputs: number;
  scan_input_axes: readonly number[] | null;
  scan_output_axes: readonly number[] | null;
  scan_input_directions: readonly number[] | null;
  scan_output_directions: readonly number[] | null;
  directions: readonly number[] | null;
  outputs: number;
  opset: number;
}

function scan(a: ScanAttributes, inputs: Value[]): Value[] {
  const m = a.num_scan_inputs;
  let state = inputs.slice(0, inputs.length - m);
  const sources = inputs.slice(inputs.length - m).map(tensorOf);
  const axes = sources.map((x, i) => wrapAxis('Scan', a.scan_input_axes?.[i] ?? 0, x.ndim));
  const backwards = a.scan_input_directions ?? a.directions ?? [];
  const length = m > 0 ? sources[0]!.shape[axes[0]!]! : 0;
  const outputs: Tensor[][] = Array.from({ length: a.outputs - state.length }, () => []);
  for (let t = 0; t < length; t++) {
    const slices = sources.map((x, i) => x.select(axes[i]!, backwards[i] ? length - 1 - t : t));
    const results = a.body(...state, ...slices);
    outputs.forEach((list, i) => list.push(tensorOf(results[state.length + i]!)));
    state = results.slice(0, state.length);
  }
  return [
    ...state,
    ...outputs.map((list, i) => {
      if (list.length === 0) return zeros([0]);
      const axis = a.scan_output_axes?.[i] ?? 0;
      return stack(a.scan_output_directions?.[i] ? list.toReversed() : list, axis);
    }),
  ];
}

/** Version 8: each sample of a batch is scanned by itself, sequences beside each other. */
function scanBatch(a: ScanAttributes, inputs: Value[]): Value[] {
  const [lengths, ...rest] = inputs;
  if (lengths) throw new TenfoldError('value', 'Scan: sequence_lens of version 8 is not known');
  const all = rest.map(tensorOf);
  const samples = Array.from({ length: all[0]!.shape[0]! }, (_, b) =>
    scan(
      a,
      all.map((x) => x.select(0, b)),
    ),
  );
  return Array.from({ length: a.outputs }, (_, i) => stack(samples.map((sample) => tensorOf(sample[i]!))));
}

// ---- sequences ---------------------------------------------------------------------------------------------------------

const place = (call: string, position: Tensor | null, length: number, missing: number): number => {
  const at = position === null ? missing : numberOf(position);
  const wrapped = at < 0 ? at + length : at;
  if (!(wrapped >= 0 && wrapped <= length)) throw new RangeError(`${call}: position ${at} of a sequence of ${length}`);
  return wrapped;
};

function splitToSequence(x: Tensor, sizes: Tensor | null, axis: number, keepdims: boolean): Value[] {
  const dim = wrapAxis('SplitToSequence', axis, x.ndim);
  const n = x.shape[dim]!;
  if (sizes === null) return x.split(1, dim).map((part) => (keepdims ? part : part.squeeze(dim)));
  if (sizes.ndim === 0) return n === 0 ? [] : x.split(numberOf(sizes), dim);
  return x.splitWithSizes(Array.from(sizes.toTypedArray() as ArrayLike<number | bigint>, Number), dim);
}

function sequenceMap(body: Subgraph, inputs: Value[], outputs: number): Value[] {
  const first = inputs[0] as Value[];
  const results = first.map((_, i) => body(...inputs.map((x) => (Array.isArray(x) ? x[i]! : x))));
  return Array.from({ length: outputs }, (_, o) => results.map((list) => list[o]!));
}

export const CONTROL = table(
  operators('If(Tensor cond; graph then_branch, graph else_branch)', (a, condition: Tensor) =>
    numberOf(condition) !== 0 ? a.then_branch() : a.else_branch(),
  ),
  operators(
    'Loop(value? M, value? cond, value* v_initial; graph body)',
    (a, limit: Value, condition: Value, ...carried: Value[]) =>
      loop(a.body, limit ?? null, condition ?? null, carried, a.outputs),
  ),
  operators(
    'Scan(value* inputs; graph body, int num_scan_inputs, ints? scan_input_axes, ints? scan_output_axes, ints? scan_input_directions, ints? scan_output_directions, ints? directions)',
    (a, ...inputs: Value[]) => (a.opset < 9 ? scanBatch(a, inputs) : scan(a, inputs)),
  ),

  operator('SequenceConstruct(value* inputs)', (_, ...inputs: Value[]) => inputs),
  operator('SequenceEmpty(; int? dtype)', (a) => (void (a.dtype === null || dtypeFor('SequenceEmpty', a.dtype)), [])),
  operator('SequenceLength(value sequence)', (_, list: Value[]) => new Integers([list.length], true)),
  operator('SequenceAt(value sequence, Tensor position)', (_, list: Value[], position: Tensor) => {
    const at = place('SequenceAt', position, list.length, 0);
    if (at === list.length) throw new RangeError(`SequenceAt: position ${at} of a sequence of ${list.length}`);
    return list[at]!;
  }),
  operator(
    'SequenceInsert(value sequence, value tensor, Tensor? position)',
    (_, list: Value[], value: Value, position: Tensor | null) =>
      list.toSpliced(place('SequenceInsert', position ?? null, list.length, list.length), 0, value),
  ),
  operator('SequenceErase(value sequence, Tensor? position)', (_, list: Value[], position: Tensor | null) =>
    list.toSpliced(place('SequenceErase', position ?? null, list.length, list.length - 1), 1),
  ),
  operator('ConcatFromSequence(value sequence; int axis, int new_axis=0)', (a, list: Value[]) => {
    const tensors = list.map(tensorOf);
    return a.new_axis ? stack(tensors, a.axis) : cat(tensors, a.axis);
  }),
  operator(
    'SplitToSequence(Tensor input, Tensor? split; int axis=0, int keepdims=1)',
    (a, x: Tensor, sizes: Tensor | null) => splitToSequence(x, sizes ?? null, a.axis, a.keepdims !== 0),
  ),
  operators('SequenceMap(value* inputs; graph body)', (a, ...inputs: Value[]) =>
    sequenceMap(a.body, inputs, a.outputs),
  ),

  operator('Optional(value? input; type? type)', (_, value: Value) => value ?? null),
  operator('OptionalHasElement(value? input)', (_, value: Value) => tensor((value ?? null) !== null)),
  operator('OptionalGetElement(value input)', (_, value: Value) => {
    if (value === null) throw new TenfoldError('value', 'OptionalGetElement: the optional is empty');
    return value;
  }),
);
