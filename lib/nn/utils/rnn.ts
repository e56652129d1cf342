/** Sequences of different lengths for recurrent layers, padded or packed, as torch.nn.utils.rnn. */
import { TenfoldError, show } from '../../errors.js';
import { Code } from '../../dtype.js';
import { argsort, cat } from '../../ops/index.js';
import { fromTypedArray, full } from '../../ops/creation.js';
import { signature, tensorsOf, type Arguments } from '../../op/schema.js';
import { formatShape } from '../../tensor/shape.js';
import { Tensor, checkIsTensor } from '../../tensor/tensor.js';

/** Lengths of a batch's sequences: numbers, or an int64 tensor. */
export type Lengths = readonly number[] | Tensor;

/**
 * Sequences of different lengths, without padding: the first steps of all of them, then the second steps of those that have
 * one, … `data` is [sum of lengths, *], `batchSizes` (int64) how many sequences have each step, falling. Where they were not
 * sorted by length, `sortedIndices` says which is where, and `unsortedIndices` the way back; else both are null.
 *
 * RNN, LSTM and GRU take one for their input and give one; their states keep the sequences' own order. Made by
 * packPaddedSequence and packSequence. See torch.nn.utils.rnn.PackedSequence.
 */
export class PackedSequence {
  readonly data: Tensor;
  readonly batchSizes: Tensor;
  readonly sortedIndices: Tensor | null;
  readonly unsortedIndices: Tensor | null;
  constructor(
    data: Tensor,
    batchSizes: Tensor,
    sortedIndices: Tensor | null = null,
    unsortedIndices: Tensor | null = null,
  ) {
    checkIsTensor('PackedSequence', 'data', data);
    checkIsTensor('PackedSequence', 'batchSizes', batchSizes);
    this.data = data;
    this.batchSizes = batchSizes;
    this.sortedIndices = sortedIndices;
    this.unsortedIndices = unsortedIndices ?? (sortedIndices === null ? null : invertPermutation(sortedIndices));
    checkPacked('PackedSequence', this);
  }
  private with(data: Tensor): PackedSequence {
    return data === this.data
      ? this
      : new PackedSequence(data, this.batchSizes, this.sortedIndices, this.unsortedIndices);
  }
  /** With the data in another dtype: the arguments are Tensor.to's. */
  to(...args: Parameters<Tensor['to']>): PackedSequence {
    return this.with(this.data.to(...args));
  }
  /** With the data as float64. */
  double(): PackedSequence {
    return this.with(this.data.double());
  }
  /** With the data as float32. */
  float(): PackedSequence {
    return this.with(this.data.float());
  }
  /** With the data as float16. */
  half(): PackedSequence {
    return this.with(this.data.half());
  }
  /** With the data as bfloat16. */
  bfloat16(): PackedSequence {
    return this.with(this.data.bfloat16());
  }
  /** Itself: all memory is the processor's. */
  cpu(): PackedSequence {
    return this;
  }
  /** `const [data, batchSizes, sortedIndices, unsortedIndices] = packed`. */
  *[Symbol.iterator](): Iterator<Tensor | null> {
    yield* [this.data, this.batchSizes, this.sortedIndices, this.unsortedIndices];
  }
}

const numbersOf = (t: Tensor): number[] => Array.from(t.toTypedArray(), Number);
const indices = (numbers: readonly number[]): Tensor => fromTypedArray(BigInt64Array.from(numbers, BigInt));

/** The sizes of a packed sequence's steps, checked: positive, falling, and as many rows as there are. */
export function checkPacked(call: string, packed: PackedSequence): number[] {
  if (!(packed instanceof PackedSequence))
    throw new TypeError(`${call}: expected a PackedSequence, got ${show(packed)}`);
  const { data, batchSizes } = packed;
  if (batchSizes.code !== Code.i64 || batchSizes.shape.length !== 1)
    throw new TypeError(`${call}: batchSizes must be a list of int64, got ${show(batchSizes)} of ${batchSizes.dtype}`);
  const sizes = numbersOf(batchSizes);
  if (sizes.length === 0 || sizes.some((n, i) => n < 1 || n > (sizes[i - 1] ?? n)))
    throw new TenfoldError('value', `${call}: batchSizes must be positive and not rise, got ${show(sizes)}`);
  const total = sizes.reduce((a, b) => a + b, 0);
  if (data.shape.length === 0 || data.shape[0] !== total)
    throw new TenfoldError('shape', `${call}: batchSizes make ${total} rows, data is ${formatShape(data.shape)}`);
  for (const order of [packed.sortedIndices, packed.unsortedIndices]) {
    if (order !== null && (!(order instanceof Tensor) || order.code !== Code.i64 || order.count !== sizes[0]))
      throw new TypeError(`${call}: an order of the sequences must be ${sizes[0]} int64 indices, got ${show(order)}`);
  }
  return sizes;
}

const invert = signature('invertPermutation(Tensor? permutation)');
/** The permutation that undoes one; null of null. See torch.nn.utils.rnn.invert_permutation. */
export function invertPermutation(...args: Arguments<typeof invert.schema>): Tensor | null {
  const [permutation] = invert.read(args);
  return permutation === null ? null : argsort(permutation);
}

function lengthsOf(call: string, lengths: unknown): number[] {
  const list = lengths instanceof Tensor && lengths.shape.length === 1 ? numbersOf(lengths) : lengths;
  if (!Array.isArray(list) || !list.every((n) => Number.isInteger(n)))
    throw new TypeError(`${call}: lengths must be a list of integers or a 1-dim tensor of them, got ${show(lengths)}`);
  return list as number[];
}

/** Rows of a padded batch [steps · width, *] in the order in which they are packed. */
function packedRows(lengths: readonly number[], width: number): { rows: number[]; sizes: number[] } {
  const rows: number[] = [];
  const sizes: number[] = [];
  let n = lengths.length;
  for (let step = 0; step < lengths[0]!; step++) {
    while (lengths[n - 1]! <= step) n--;
    sizes.push(n);
    for (let i = 0; i < n; i++) rows.push(step * width + i);
  }
  return { rows, sizes };
}

const pack = signature('packPaddedSequence(Tensor input, any lengths, bool batchFirst=false, bool enforceSorted=true)');
/**
 * Packs a padded batch [l, n, *] ([n, l, *] with `batchFirst`) of sequences of these lengths, each at least 1. They must fall,
 * or `enforceSorted` be false: then they are sorted, and layers give their states in the order that came in. See
 * torch.nn.utils.rnn.pack_padded_sequence.
 *
 * ```ts
 * const packed = nn.utils.rnn.packPaddedSequence(x, [3, 5, 2], { batchFirst: true, enforceSorted: false });
 * const [y, [h, c]] = lstm.forward(packed);
 * const [padded, lengths] = nn.utils.rnn.padPackedSequence(y, { batchFirst: true });
 * ```
 */
export function packPaddedSequence(...args: Arguments<typeof pack.schema>): PackedSequence {
  const [input, given, batchFirst, enforceSorted] = pack.read(args);
  const call = 'packPaddedSequence';
  const lengths = lengthsOf(call, given);
  if (input.shape.length < 2)
    throw new TenfoldError('shape', `${call}: input must be [l, n, *], got ${formatShape(input.shape)}`);
  const [steps, width] = batchFirst ? [input.shape[1]!, input.shape[0]!] : [input.shape[0]!, input.shape[1]!];
  if (lengths.length !== width)
    throw new TenfoldError('shape', `${call}: ${lengths.length} lengths for a batch of ${width} sequences`);
  const odd = lengths.find((n) => n < 1 || n > steps);
  if (odd !== undefined || width === 0)
    throw new RangeError(`${call}: lengths must be from 1 to the ${steps} steps of the input, got ${odd ?? 'none'}`);
  if (enforceSorted && lengths.some((n, i) => i > 0 && n > lengths[i - 1]!)) {
    throw new TenfoldError(
      'value',
      `${call}: lengths must fall, got ${show(lengths)}; pass { enforceSorted: false } to have them sorted`,
    );
  }
  const order = enforceSorted ? null : lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]!);
  const sorted = order === null ? null : indices(order);
  let x = sorted === null ? input : input.indexSelect(batchFirst ? 0 : 1, sorted);
  if (batchFirst) x = x.transpose(0, 1);
  const { rows, sizes } = packedRows(order === null ? lengths : order.map((i) => lengths[i]!), width);
  const data = x.reshape([steps * width, ...x.shape.slice(2)]).indexSelect(0, indices(rows));
  return new PackedSequence(data, indices(sizes), sorted);
}

/** A packed sequence's lengths in the order of `sizes`: longest first. */
function lengthsFrom(sizes: readonly number[]): number[] {
  const lengths = new Array<number>(sizes[0]!).fill(0);
  for (const n of sizes) for (let i = 0; i < n; i++) lengths[i]!++;
  return lengths;
}

const needPacked = (call: string, sequence: unknown): PackedSequence => {
  if (sequence instanceof PackedSequence) return sequence;
  throw new TypeError(`${call}: sequence must be a PackedSequence, got ${show(sequence)}`);
};

const unpackTo = signature(
  'padPackedSequence(any sequence, bool batchFirst=false, float paddingValue=0, int? totalLength=null)',
);
/**
 * The inverse of packPaddedSequence: the padded batch [l, n, *] ([n, l, *] with `batchFirst`), and the lengths (int64). l is
 * `totalLength`, or the longest length. See torch.nn.utils.rnn.pad_packed_sequence.
 */
export function padPackedSequence(...args: Arguments<typeof unpackTo.schema>): [Tensor, Tensor] {
  const [given, batchFirst, paddingValue, totalLength] = unpackTo.read(args);
  const call = 'padPackedSequence';
  const sequence = needPacked(call, given);
  const { data, unsortedIndices } = sequence;
  const sizes = checkPacked(call, sequence);
  const longest = sizes.length;
  if (totalLength !== null && totalLength < longest)
    throw new RangeError(`${call}: totalLength must be at least the longest length ${longest}, got ${totalLength}`);
  const [steps, width] = [totalLength ?? longest, sizes[0]!];
  const sorted = lengthsFrom(sizes);
  const { rows } = packedRows(sorted, width);
  const rest = data.shape.slice(1);
  let out = full([steps * width, ...rest], paddingValue, { dtype: data.dtype })
    .indexCopy(0, indices(rows), data)
    .reshape([steps, width, ...rest]);
  if (batchFirst) out = out.transpose(0, 1);
  if (unsortedIndices === null) return [out, indices(sorted)];
  const order = numbersOf(unsortedIndices);
  return [out.indexSelect(batchFirst ? 0 : 1, unsortedIndices), indices(order.map((i) => sorted[i]!))];
}

const padAll = signature(
  "padSequence(any sequences, bool batchFirst=false, float paddingValue=0, 'left'|'right' paddingSide='right')",
);
/**
 * Sequences [lᵢ, *] as one batch [l, n, *] ([n, l, *] with `batchFirst`), where l is the longest length; the others are filled
 * up with `paddingValue` at their end, or at their beginning where `paddingSide` is 'left'. See
 * torch.nn.utils.rnn.pad_sequence.
 */
export function padSequence(...args: Arguments<typeof padAll.schema>): Tensor {
  const [given, batchFirst, paddingValue, side] = padAll.read(args);
  const call = 'padSequence';
  const sequences = sequencesOf(call, given);
  const lengths = sequences.map((s) => s.shape[0]!);
  const longest = Math.max(...lengths);
  const rows = lengths.flatMap((length, i) =>
    Array.from({ length }, (_, step) => i * longest + step + (side === 'left' ? longest - length : 0)),
  );
  const { dtype, shape } = sequences[0]!;
  const rest = shape.slice(1);
  const out = full([lengths.length * longest, ...rest], paddingValue, { dtype })
    .indexCopy(0, indices(rows), cat(sequences, 0).to(dtype))
    .reshape([lengths.length, longest, ...rest]);
  return batchFirst ? out : out.transpose(0, 1);
}

/** A list of tensors that differ in their first size only. */
function sequencesOf(call: string, given: unknown): Tensor[] {
  const sequences = given instanceof Tensor ? given.unbind(0) : tensorsOf(call, [given]);
  if (sequences.length === 0) throw new TenfoldError('value', `${call}: needs at least one sequence`);
  const rest = sequences[0]!.shape.slice(1).join();
  for (const s of sequences) {
    if (s.shape.length === 0 || s.shape.slice(1).join() !== rest) {
      const got = sequences.map((x) => formatShape(x.shape)).join(', ');
      throw new TenfoldError('shape', `${call}: sequences may differ in their first size only, got ${got}`);
    }
  }
  return sequences;
}

const unpadAll = signature('unpadSequence(Tensor paddedSequences, any lengths, bool batchFirst=false)');
/** The sequences [lᵢ, *] of a padded batch: padSequence undone. See torch.nn.utils.rnn.unpad_sequence. */
export function unpadSequence(...args: Arguments<typeof unpadAll.schema>): Tensor[] {
  const [padded, given, batchFirst] = unpadAll.read(args);
  const call = 'unpadSequence';
  const lengths = lengthsOf(call, given);
  if (padded.shape.length < 2)
    throw new TenfoldError('shape', `${call}: needs a padded batch [l, n, *], got ${formatShape(padded.shape)}`);
  const sequences = padded.unbind(batchFirst ? 0 : 1);
  const steps = padded.shape[batchFirst ? 1 : 0]!;
  if (lengths.length !== sequences.length)
    throw new TenfoldError('shape', `${call}: ${lengths.length} lengths for a batch of ${sequences.length} sequences`);
  const odd = lengths.find((n) => n < 0 || n > steps);
  if (odd !== undefined) throw new RangeError(`${call}: lengths must be from 0 to ${steps}, got ${odd}`);
  return sequences.map((s, i) => s.narrow(0, 0, lengths[i]!));
}

const packAll = signature('packSequence(any sequences, bool enforceSorted=true)');
/**
 * Packs sequences [lᵢ, *], whose lengths must fall unless `enforceSorted` is false. See torch.nn.utils.rnn.pack_sequence.
 */
export function packSequence(...args: Arguments<typeof packAll.schema>): PackedSequence {
  const [given, enforceSorted] = packAll.read(args);
  const sequences = sequencesOf('packSequence', given);
  const lengths = sequences.map((s) => s.shape[0]!);
  if (lengths.some((n) => n === 0)) throw new RangeError('packSequence: every sequence needs at least one step');
  if (enforceSorted && lengths.some((n, i) => i > 0 && n > lengths[i - 1]!)) {
    throw new TenfoldError(
      'value',
      `packSequence: lengths must fall, got ${show(lengths)}; pass { enforceSorted: false } to have them sorted`,
    );
  }
  return packPaddedSequence(padSequence(sequences), lengths, { enforceSorted });
}

const unpackAll = signature('unpackSequence(any packedSequences)');
/** The sequences [lᵢ, *] of a packed one: packSequence undone. See torch.nn.utils.rnn.unpack_sequence. */
export function unpackSequence(...args: Arguments<typeof unpackAll.schema>): Tensor[] {
  const [given] = unpackAll.read(args);
  const [padded, lengths] = padPackedSequence(needPacked('unpackSequence', given));
  return unpadSequence(padded, lengths);
}
