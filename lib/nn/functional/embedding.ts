/** Tables of vectors, looked up by integers. */
import { TenfoldError } from '../../errors.js';
import { Code } from '../../dtype.js';
import { mode as recording } from '../../autograd/mode.js';
import { formatShape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { arange, tensor } from '../../ops/creation.js';
import { where } from '../../ops/index.js';

function checkIndices(call: string, indices: Tensor, rows: number): void {
  if (indices.code !== Code.i64 && indices.code !== Code.i32) {
    throw new TenfoldError('dtype', `${call}: indices must be int64 or int32, got ${indices.dtype}; use .long()`);
  }
  if (indices.count === 0) return;
  const [low, high] = [Number(indices.amin().item()), Number(indices.amax().item())];
  if (low < 0 || high >= rows) {
    throw new RangeError(`${call}: index ${low < 0 ? low : high} is out of range for ${rows} embeddings`);
  }
}
function checkTable(call: string, weight: Tensor): void {
  if (weight.shape.length !== 2)
    throw new TenfoldError('shape', `${call}: weight must be [rows, dim], got ${formatShape(weight.shape)}`);
}

/** Rows of a table by a list of indices. `padding` is the row that gets no gradient, −1 for none. */
const rowsOf = defineOp(
  'embeddingRows(Tensor weight, Tensor indices, int padding, bool scaleGradByFreq)',
  (): OpDef => ({
    forward: (weight: Tensor, indices: Tensor) => weight.indexSelect(0, indices),
    backward: {
      weight: d('indices', (grad, indices, call) => {
        let parts = grad;
        if (call.padding >= 0) parts = where(indices.eq(call.padding).unsqueeze(1), 0, parts);
        if (call.scaleGradByFreq) {
          const ones = Tensor.zeros([indices.numel()], grad.code).add(1);
          const counts = Tensor.zeros([call.weight.shape[0]], grad.code).indexAdd(0, indices, ones);
          parts = parts.div(counts.indexSelect(0, indices).unsqueeze(1));
        }
        return Tensor.zeros(call.weight.shape, grad.code).indexAdd(0, indices, parts);
      }),
    },
    gradName: 'EmbeddingBackward0',
  }),
);

/** Shortens the rows that are about to be used to maxNorm, in place, as PyTorch does. */
function limitRows(weight: Tensor, indices: Tensor, maxNorm: number, normType: number): void {
  const before = recording.grad;
  recording.grad = false;
  try {
    const rows = weight.indexSelect(0, indices);
    const norms = rows.norm(normType, 1, true);
    const scale = where(norms.gt(maxNorm), norms.add(1e-7).reciprocal().mul(maxNorm), 1);
    weight.detach().indexCopy_(0, indices, rows.mul(scale));
  } finally {
    recording.grad = before;
  }
}

/** Row of a padding index, counted from the end where negative; −1 for none. */
function paddingRow(call: string, paddingIdx: number | null, rows: number): number {
  if (paddingIdx === null) return -1;
  if (paddingIdx < -rows || paddingIdx >= rows) {
    throw new RangeError(`${call}: paddingIdx ${paddingIdx} is out of range for ${rows} embeddings`);
  }
  return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
}

/**
 * Rows of weight [rows, dim] by integers: [...] → [..., dim]. The row paddingIdx gets no gradient; rows longer than maxNorm
 * are shortened in place first. `sparse` is accepted, gradients are dense. See torch.nn.functional.embedding.
 */
export const embedding = defineOp(
  'embedding(Tensor input, Tensor weight, int? paddingIdx=null, float? maxNorm=null, float normType=2, bool scaleGradByFreq=false, bool sparse=false)',
  (): OpDef => ({
    forward(
      input: Tensor,
      weight: Tensor,
      paddingIdx: number | null,
      maxNorm: number | null,
      normType: number,
      scaleGradByFreq: boolean,
    ): Tensor {
      checkTable('embedding', weight);
      const padding = paddingRow('embedding', paddingIdx, weight.shape[0]!);
      checkIndices('embedding', input, weight.shape[0]!);
      const list = input.reshape([-1]);
      if (maxNorm !== null && list.count > 0) limitRows(weight, list, maxNorm, normType);
      return rowsOf(weight, list, padding, scaleGradByFreq).view([...input.shape, weight.shape[1]!]);
    },
    composite: true,
  }),
);

/** A bag's indices for each bag, from a matrix or from a list with offsets. */
function bagsOf(input: Tensor, offsets: Tensor | null, includeLastOffset: boolean): number[][] {
  if (input.shape.length === 2) {
    if (offsets !== null)
      throw new TenfoldError('value', 'embeddingBag: offsets go with a list of indices, not with a matrix of them');
    const [bags, size] = input.shape as unknown as [number, number];
    return Array.from({ length: bags }, (_, b) => Array.from({ length: size }, (_, i) => b * size + i));
  }
  if (input.shape.length !== 1)
    throw new TenfoldError('shape', `embeddingBag: input must be a list or a matrix, got ${formatShape(input.shape)}`);
  if (offsets === null)
    throw new TenfoldError('value', 'embeddingBag: a list of indices needs offsets, the places where bags begin');
  const starts = (offsets.tolist() as (number | bigint)[]).map(Number);
  if (starts.length > 0 && starts[0] !== 0)
    throw new TenfoldError('value', `embeddingBag: offsets must begin with 0, got ${starts[0]}`);
  const ends = [...starts.slice(1), input.count];
  const bags = starts.map((start, b) => {
    const end = ends[b]!;
    if (end < start || end > input.count)
      throw new RangeError(`embeddingBag: offsets must rise up to ${input.count}, got ${start} before ${end}`);
    return Array.from({ length: end - start }, (_, i) => start + i);
  });
  return includeLastOffset ? bags.slice(0, -1) : bags;
}

/**
 * Sum, mean or maximum of bags of rows of weight [rows, dim]: input [bags, size], or a list of indices with `offsets`, the places
 * where bags begin. Empty bags give 0. See torch.nn.functional.embedding_bag.
 */
export const embeddingBag = defineOp(
  "embeddingBag(Tensor input, Tensor weight, Tensor? offsets=null, float? maxNorm=null, float normType=2, bool scaleGradByFreq=false, string mode='mean', bool sparse=false, Tensor? perSampleWeights=null, bool includeLastOffset=false, int? paddingIdx=null)",
  (): OpDef => ({
    forward(
      input: Tensor,
      weight: Tensor,
      offsets: Tensor | null,
      maxNorm: number | null,
      normType: number,
      scaleGradByFreq: boolean,
      mode: string,
      _sparse: boolean,
      perSampleWeights: Tensor | null,
      includeLastOffset: boolean,
      paddingIdx: number | null,
    ): Tensor {
      if (mode !== 'sum' && mode !== 'mean' && mode !== 'max') {
        throw new TenfoldError('value', `embeddingBag: mode must be 'sum', 'mean' or 'max', got '${mode}'`);
      }
      if (perSampleWeights !== null && mode !== 'sum') {
        throw new TenfoldError('value', `embeddingBag: perSampleWeights go with mode 'sum', not '${mode}'`);
      }
      if (perSampleWeights !== null && perSampleWeights.shape.join() !== input.shape.join()) {
        throw new TenfoldError(
          'shape',
          `embeddingBag: perSampleWeights ${formatShape(perSampleWeights.shape)} must have the shape of input ${formatShape(input.shape)}`,
        );
      }
      checkTable('embeddingBag', weight);
      checkIndices('embeddingBag', input, weight.shape[0]!);
      const padding = paddingRow('embeddingBag', paddingIdx, weight.shape[0]!);
      const bags = bagsOf(input, offsets, includeLastOffset);
      const list = input.reshape([-1]).long();
      if (maxNorm !== null && list.count > 0) limitRows(weight, list, maxNorm, normType);
      // Bags padded to one size: which element stands where, and whether it counts.
      const size = Math.max(1, ...bags.map((b) => b.length));
      const dim = weight.shape[1]!;
      if (list.count === 0 || bags.length === 0)
        return weight.narrow(0, 0, 0).sum(0).expand([bags.length, dim]).clone();
      const places = tensor(bags.flatMap((b) => Array.from({ length: size }, (_, i) => b[i] ?? 0)), { dtype: 'int64' }); // prettier-ignore
      const filled = tensor(bags.flatMap((b) => Array.from({ length: size }, (_, i) => i < b.length))); // prettier-ignore
      const chosen = list.indexSelect(0, places);
      const counts = padding < 0 ? filled : filled.logicalAnd(chosen.ne(padding));
      const rows = rowsOf(weight, chosen, padding, scaleGradByFreq).view([bags.length, size, dim]);
      const mask = counts.view([bags.length, size, 1]);
      if (mode === 'max') {
        const best = where(mask, rows, -Infinity).amax(1);
        return where(mask.any(1), best, 0);
      }
      let kept = where(mask, rows, 0);
      if (perSampleWeights !== null) {
        kept = kept.mul(perSampleWeights.reshape([-1]).indexSelect(0, places).view([bags.length, size, 1]));
      }
      const sums = kept.sum(1);
      return mode === 'sum' ? sums : sums.div(mask.to(rows.dtype).sum(1).clamp({ min: 1 }));
    },
    composite: true,
  }),
);

/** 1 at each class, 0 elsewhere, as int64: [...] → [..., numClasses]; −1 takes the largest class + 1. See torch.nn.functional.one_hot. */
export const oneHot = defineOp('oneHot(Tensor input, int numClasses=-1)', (): OpDef => ({
  forward(input: Tensor, numClasses: number) {
    if (input.code !== Code.i64)
      throw new TenfoldError('dtype', `oneHot: classes must be int64, got ${input.dtype}; use .long()`);
    if (input.count === 0 && numClasses <= 0)
      throw new TenfoldError('value', 'oneHot: give numClasses for an empty tensor');
    const highest = input.count === 0 ? -1 : Number(input.amax().item());
    if (input.count > 0 && Number(input.amin().item()) < 0)
      throw new RangeError(`oneHot: classes must not be negative, got ${Number(input.amin().item())}`);
    const n = numClasses === -1 ? highest + 1 : numClasses;
    if (n < 1) throw new RangeError(`oneHot: numClasses must be positive, got ${numClasses}`);
    if (highest >= n) throw new RangeError(`oneHot: class ${highest} is out of range for ${n} classes`);
    return input.unsqueeze(-1).eq(arange(n)).long();
  },
  differentiable: false,
}));
