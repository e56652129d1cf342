/** Rows of a table looked up by class: embedding, bags of embeddings, one-hot vectors. */
import { TenfoldError, renamed } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import { formatShape } from '../../tensor/shape.js';
import { elementsOf } from '../../tensor/elements.js';
import { checkInterval } from '../../launch/check.js';
import { Tensor } from '../../tensor/tensor.js';
import { mode } from '../../autograd/mode.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { gatherRows } from '../../op/indexed.js';
import { sumRows } from '../../op/rows.js';
import { onesLike } from '../../ops/creation.js';
import { vectorNorm } from '../../ops/norm.js';

function classes(call: string, input: Tensor): Tensor {
  if (input.code !== Code.i64 && input.code !== Code.i32) {
    throw new TenfoldError('dtype', `${call}: the input must hold classes as int64 or int32, got ${input.dtype}`);
  }
  return input.code === Code.i64 ? input : input.to('int64');
}
function table(call: string, weight: Tensor): void {
  if (weight.shape.length !== 2) {
    throw new TenfoldError('shape', `${call}: 'weight' must be [classes, features], got ${formatShape(weight.shape)}`);
  }
}
function wrapPadding(call: string, paddingIdx: number | null, rows: number): number {
  if (paddingIdx === null) return -1;
  if (paddingIdx < -rows || paddingIdx >= rows) {
    throw new RangeError(`${call}: paddingIdx ${paddingIdx} is out of range for a table of ${rows} rows`);
  }
  return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
}

const lookUp = defineOp(
  'embeddingLookUp(Tensor input, Tensor weight, int padding, bool scaleGradByFreq)',
  (): OpDef => ({
    forward: (input: Tensor, weight: Tensor) => gatherRows('embedding', weight, [0], input, input.shape, 0, false),
    backward: {
      weight: d('input', (grad, input, call) => {
        const { shape } = call.weight;
        let rows = grad;
        if (call.scaleGradByFreq) {
          const counts = Tensor.zeros([shape[0]], grad.code).indexAdd(
            0,
            input.reshape(-1),
            onesLike(input.reshape(-1), { dtype: grad.dtype }),
          );
          rows = rows.div(counts.take(input).unsqueeze(-1));
        }
        // The padding row gets no gradient, whoever looked it up.
        if (call.padding >= 0) rows = rows.maskedFill(input.eq(call.padding).unsqueeze(-1), 0);
        return sumRows(rows, input, [0], input.shape, shape, 'embedding');
      }),
    },
    gradName: 'EmbeddingBackward0',
  }),
);

/** Scales the rows that are looked up and whose norm is above maxNorm down to it, in place, as PyTorch does. */
function renorm(input: Tensor, weight: Tensor, maxNorm: number, normType: number): void {
  const before = mode.grad;
  mode.grad = false;
  try {
    // A row that is looked up twice is scaled twice from what it was, to the same.
    const index = input.reshape(-1).to('int64');
    const rows = weight.indexSelect(0, index);
    const norms = renamed('embedding', () =>
      vectorNorm(rows.code >= Code.f16 ? rows.float() : rows, normType, 1, true),
    );
    const factor = norms.add(1e-7).reciprocal().mul(maxNorm).maskedFill(norms.le(maxNorm), 1); // prettier-ignore
    weight.indexCopy_(0, index, rows.mul(factor).to(weight.dtype));
  } finally {
    mode.grad = before;
  }
}

/** Refuses `sparse` where it would say how the gradient is kept. */
function refuseSparse(call: string, weight: Tensor): void {
  if (mode.grad && weight.requiresGrad)
    throw new TenfoldError('value', `${call}: sparse gradients do not exist here; leave sparse out`);
}

/**
 * Rows of `weight` [classes, features] for each class in `input` (int64 or int32, any shape): [...input, features].
 * The row `paddingIdx` gets no gradient; rows above `maxNorm` are first scaled down to it, in place; `scaleGradByFreq`
 * divides a row's gradient by how often it was looked up. RangeError for a class out of range.
 * See torch.nn.functional.embedding.
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
      sparse: boolean,
    ) {
      if (sparse) refuseSparse('embedding', weight);
      table('embedding', weight);
      const index = classes('embedding', input);
      const padding = wrapPadding('embedding', paddingIdx, weight.shape[0]!);
      if (maxNorm !== null) renorm(index, weight, maxNorm, normType);
      return lookUp(index, weight, padding, scaleGradByFreq);
    },
    composite: true,
  }),
);

/** First position of each bag, and the end of the last: from offsets, checked. */
function bagEnds(input: Tensor, offsets: Tensor, includeLastOffset: boolean): number[] {
  if (offsets.shape.length !== 1 || (offsets.code !== Code.i64 && offsets.code !== Code.i32)) {
    throw new TenfoldError(
      'shape',
      `embeddingBag: offsets must be int64 of one dim, got ${offsets.dtype} of shape ${formatShape(offsets.shape)}`,
    );
  }
  const ends = offsets.tolist() as number[];
  const bad = ends.find((at, i) => at > input.count || (i === 0 ? at !== 0 : at < ends[i - 1]!));
  if (bad !== undefined) {
    throw new RangeError(
      `embeddingBag: offsets must begin with 0, not fall, and end within the input's ${input.count} indices; got ${bad}`,
    );
  }
  return includeLastOffset ? ends : [...ends, input.count];
}

/**
 * Sums ('sum'), means ('mean') or maxima ('max') of the embeddings of bags of classes:
 * input [bags, n], or one dim with `offsets`, where each bag begins (with includeLastOffset also where the last ends).
 * `perSampleWeights` (mode 'sum') scales each class's row. Classes equal to paddingIdx don't count. An empty bag gives 0.
 * See torch.nn.functional.embedding_bag.
 */
export const embeddingBag = defineOp(
  "embeddingBag(Tensor input, Tensor weight, Tensor? offsets=null, float? maxNorm=null, float normType=2, bool scaleGradByFreq=false, 'sum'|'mean'|'max' mode='mean', bool sparse=false, Tensor? perSampleWeights=null, bool includeLastOffset=false, int? paddingIdx=null)",
  (): OpDef => ({
    forward(
      input: Tensor,
      weight: Tensor,
      offsets: Tensor | null,
      maxNorm: number | null,
      normType: number,
      scaleGradByFreq: boolean,
      how: string,
      sparse: boolean,
      perSampleWeights: Tensor | null,
      includeLastOffset: boolean,
      paddingIdx: number | null,
    ) {
      if (sparse) refuseSparse('embeddingBag', weight);
      table('embeddingBag', weight);
      if (!isFloatCode(weight.code))
        throw new TenfoldError('dtype', `embeddingBag: the weight must be floating-point, got ${weight.dtype}`);
      const index = classes('embeddingBag', input);
      if ((offsets === null) !== (input.shape.length === 2) || input.shape.length > 2) {
        throw new TenfoldError(
          'shape',
          `embeddingBag: the input must be [bags, n] without offsets, or [n] with offsets; got ${formatShape(input.shape)} ${offsets === null ? 'without' : 'with'} offsets`,
        );
      }
      if (perSampleWeights !== null) {
        if (how !== 'sum')
          throw new TenfoldError('value', `embeddingBag: perSampleWeights go with mode 'sum' only, got '${how}'`);
        if (formatShape(perSampleWeights.shape) !== formatShape(input.shape)) {
          throw new TenfoldError(
            'shape',
            `embeddingBag: perSampleWeights must have the input's shape ${formatShape(input.shape)}, got ${formatShape(perSampleWeights.shape)}`,
          );
        }
      }
      const rows = input.shape.length === 2 ? input.shape[1]! : 0;
      const ends =
        offsets === null
          ? Array.from({ length: input.shape[0]! + 1 }, (_, i) => i * rows)
          : bagEnds(input, offsets, includeLastOffset);
      const bags = Math.max(ends.length - 1, 0);
      const padding = wrapPadding('embeddingBag', paddingIdx, weight.shape[0]!);

      // Classes that count, and the bag of each.
      const flat = index.reshape(-1);
      const bagOf = Tensor.raw([flat.count], Code.i64);
      const memory = elementsOf(bagOf) as BigInt64Array;
      for (let b = 0; b < bags; b++) memory.fill(BigInt(b), ends[b], ends[b + 1]);
      const counted = padding >= 0 ? flat.ne(padding) : null;
      const kept = (t: Tensor): Tensor => (counted === null ? t : t.maskedSelect(counted));
      const last = bags === 0 ? 0 : ends[bags]!;
      const inside = (t: Tensor): Tensor => kept(t).narrow(0, 0, counted === null ? last : kept(t).count);
      const bag = inside(bagOf);
      // The padding row, too, is scaled down where it is named.
      if (maxNorm !== null) renorm(index, weight, maxNorm, normType);
      let part = embedding(inside(flat), weight, null, null, 2, scaleGradByFreq);
      if (perSampleWeights !== null) part = part.mul(inside(perSampleWeights.reshape(-1)).unsqueeze(-1));

      const empty = Tensor.zeros([bags, weight.shape[1]!], weight.code);
      if (how === 'max') {
        const at = bag.unsqueeze(-1).expand([...part.shape]);
        return empty.scatterReduce(0, at, part, 'amax', { includeSelf: false });
      }
      const sums = empty.indexAdd(0, bag, part);
      if (how === 'sum') return sums;
      const counts = Tensor.zeros([bags], weight.code).indexAdd(0, bag, onesLike(bag, { dtype: weight.dtype }));
      return sums.div(counts.clampMin(1).unsqueeze(-1));
    },
    composite: true,
  }),
);

/**
 * One-hot vectors (int64) of classes: [...input, numClasses]. Without numClasses, one more than the largest class.
 * RangeError for a class below 0 or not below numClasses. See torch.nn.functional.one_hot.
 */
export const oneHot = defineOp('oneHot(Tensor input, int numClasses=-1)', (): OpDef => ({
  forward(input: Tensor, numClasses: number) {
    if (input.code !== Code.i64)
      throw new TenfoldError('dtype', `oneHot: the input must hold classes as int64, got ${input.dtype}`);
    if (input.count === 0 && numClasses <= 0) {
      throw new TenfoldError('value', 'oneHot: an empty input needs numClasses');
    }
    if (numClasses !== -1 && numClasses < 1)
      throw new RangeError(`oneHot: numClasses must be positive, or -1, got ${numClasses}`);
    // What the largest class is decides the shape, where nobody says it.
    const size = numClasses === -1 ? Math.max(0, input.amax().item()) + 1 : numClasses;
    checkInterval(input, 0, size - 1, (found) =>
      found < 0
        ? new RangeError(`oneHot: classes must not be negative, got ${found}`)
        : new RangeError(`oneHot: class ${found} is out of range for ${size} classes`),
    );
    return Tensor.zeros([...input.shape, size], Code.i64).scatter_(-1, input.unsqueeze(-1), 1);
  },
  differentiable: false,
}));
