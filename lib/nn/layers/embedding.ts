/** Tables of vectors, looked up by integers. */
import { TenfoldError } from '../../errors.js';
import { fillElements } from '../../tensor/copy.js';
import { formatShape } from '../../tensor/shape.js';
import { type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/embedding.js';
import { normal_ } from '../init.js';
import { Module } from '../module.js';
import { Parameter, checkSize } from '../parameter.js';
import { guard } from '../parts.js';
import { number } from '../print.js';

/** A row's index in a table, counted from the end where negative. */
function rowOf(call: string, index: number | null, rows: number): number | null {
  if (index === null) return null;
  if (index < -rows || index >= rows)
    throw new RangeError(`${call}: paddingIdx ${index} is out of range for ${rows} embeddings`);
  return index < 0 ? index + rows : index;
}
/** A table of normal numbers, the padding row of zeros. */
function drawTable(
  rows: number,
  dim: number,
  paddingIdx: number | null,
  dtype: Parameters<typeof Parameter.empty>[1],
): Parameter {
  const weight = normal_(Parameter.empty([rows, dim], dtype)) as Parameter;
  if (paddingIdx !== null) fillElements(weight.detach().select(0, paddingIdx), 0);
  return weight;
}
function givenTable(call: string, weight: Tensor, rows: number, dim: number): Parameter {
  if (weight.shape.length !== 2 || weight.shape[0] !== rows || weight.shape[1] !== dim) {
    throw new TenfoldError('shape', `${call}: weight must be [${rows}, ${dim}], got ${formatShape(weight.shape)}`);
  }
  return weight instanceof Parameter ? weight : new Parameter(weight);
}

/** Sizes of given vectors. */
function matrixSizes(name: string, embeddings: Tensor): [rows: number, dim: number] {
  const { shape } = embeddings;
  if (shape.length !== 2)
    throw new TenfoldError('shape', `${name}.fromPretrained: expected a matrix of vectors, got ${formatShape(shape)}`);
  return [shape[0]!, shape[1]!];
}

const pretrained = signature(
  'fromPretrained(Tensor embeddings, bool freeze=true, int? paddingIdx=null, float? maxNorm=null, float normType=2, bool scaleGradByFreq=false, bool sparse=false)',
);
const embedding = signature(
  'Embedding(int numEmbeddings, int embeddingDim, int? paddingIdx=null, float? maxNorm=null, float normType=2, bool scaleGradByFreq=false, bool sparse=false, Tensor? weight=null, *, dtype? dtype=null)',
);
/**
 * A table of numEmbeddings vectors: indices [...] → [..., embeddingDim]. weight starts normal; the row paddingIdx starts at 0
 * and gets no gradient. See torch.nn.Embedding.
 */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  readonly sparse: boolean;
  weight: Parameter;
  constructor(...args: Arguments<typeof embedding.schema>) {
    super();
    const [rows, dim, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse, weight, dtype] = embedding.read(args);
    this.numEmbeddings = checkSize('Embedding', 'numEmbeddings', rows);
    this.embeddingDim = checkSize('Embedding', 'embeddingDim', dim);
    this.paddingIdx = rowOf('Embedding', paddingIdx, rows);
    this.maxNorm = maxNorm;
    this.normType = normType;
    this.scaleGradByFreq = scaleGradByFreq;
    this.sparse = sparse;
    this.weight =
      weight === null ? drawTable(rows, dim, this.paddingIdx, dtype) : givenTable('Embedding', weight, rows, dim);
    guard(this, 'weight');
  }
  /** An Embedding over given vectors; `freeze` (the default) keeps them as they are. See torch.nn.Embedding.from_pretrained. */
  static fromPretrained(...args: Arguments<typeof pretrained.schema>): Embedding {
    const [embeddings, freeze, ...options] = pretrained.read(args, 'Embedding.fromPretrained');
    const [rows, dim] = matrixSizes('Embedding', embeddings);
    const module = new Embedding(rows, dim, ...options, embeddings);
    module.weight.requiresGrad_(!freeze);
    return module;
  }
  /** Draws the table anew. */
  resetParameters(): void {
    normal_(this.weight);
    if (this.paddingIdx !== null) fillElements(this.weight.detach().select(0, this.paddingIdx), 0);
  }
  override forward(input: Tensor): Tensor {
    const { weight, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse } = this;
    return F.embedding(input, weight, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse);
  }
  override extraRepr(): string {
    let s = `${this.numEmbeddings}, ${this.embeddingDim}`;
    if (this.paddingIdx !== null) s += `, paddingIdx=${this.paddingIdx}`;
    if (this.maxNorm !== null) s += `, maxNorm=${number(this.maxNorm)}`;
    if (this.normType !== 2) s += `, normType=${number(this.normType)}`;
    if (this.scaleGradByFreq) s += ', scaleGradByFreq=true';
    if (this.sparse) s += ', sparse=true';
    return s;
  }
}

const pretrainedBag = signature(
  "fromPretrained(Tensor embeddings, bool freeze=true, float? maxNorm=null, float normType=2, bool scaleGradByFreq=false, 'sum'|'mean'|'max' mode='mean', bool sparse=false, bool includeLastOffset=false, int? paddingIdx=null)",
);
const embeddingBag = signature(
  "EmbeddingBag(int numEmbeddings, int embeddingDim, float? maxNorm=null, float normType=2, bool scaleGradByFreq=false, 'sum'|'mean'|'max' mode='mean', bool sparse=false, Tensor? weight=null, bool includeLastOffset=false, int? paddingIdx=null, *, dtype? dtype=null)",
);
/** Sums, means or maxima of bags of a table's vectors, without the vectors themselves. See torch.nn.EmbeddingBag. */
export class EmbeddingBag extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  readonly mode: 'sum' | 'mean' | 'max';
  readonly sparse: boolean;
  readonly includeLastOffset: boolean;
  readonly paddingIdx: number | null;
  weight: Parameter;
  constructor(...args: Arguments<typeof embeddingBag.schema>) {
    super();
    const [rows, dim, maxNorm, normType, scaleGradByFreq, mode, sparse, weight, includeLastOffset, paddingIdx, dtype] =
      embeddingBag.read(args);
    this.numEmbeddings = checkSize('EmbeddingBag', 'numEmbeddings', rows);
    this.embeddingDim = checkSize('EmbeddingBag', 'embeddingDim', dim);
    this.maxNorm = maxNorm;
    this.normType = normType;
    this.scaleGradByFreq = scaleGradByFreq;
    this.mode = mode;
    this.sparse = sparse;
    this.includeLastOffset = includeLastOffset;
    this.paddingIdx = rowOf('EmbeddingBag', paddingIdx, rows);
    this.weight =
      weight === null ? drawTable(rows, dim, this.paddingIdx, dtype) : givenTable('EmbeddingBag', weight, rows, dim);
    guard(this, 'weight');
  }
  /** An EmbeddingBag over given vectors; `freeze` (the default) keeps them as they are. See torch.nn.EmbeddingBag.from_pretrained. */
  static fromPretrained(...args: Arguments<typeof pretrainedBag.schema>): EmbeddingBag {
    const [embeddings, freeze, maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, paddingIdx] =
      pretrainedBag.read(args, 'EmbeddingBag.fromPretrained');
    const [rows, dim] = matrixSizes('EmbeddingBag', embeddings);
    const options = { maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, paddingIdx };
    const module = new EmbeddingBag(rows, dim, { ...options, weight: embeddings });
    module.weight.requiresGrad_(!freeze);
    return module;
  }
  /** Draws the table anew. */
  resetParameters(): void {
    normal_(this.weight);
    if (this.paddingIdx !== null) fillElements(this.weight.detach().select(0, this.paddingIdx), 0);
  }
  override forward(input: Tensor, offsets: Tensor | null = null, perSampleWeights: Tensor | null = null): Tensor {
    const { maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, paddingIdx } = this;
    return F.embeddingBag(input, this.weight, {
      offsets,
      maxNorm,
      normType,
      scaleGradByFreq,
      mode,
      sparse,
      perSampleWeights,
      includeLastOffset,
      paddingIdx,
    });
  }
  override extraRepr(): string {
    let s = `${this.numEmbeddings}, ${this.embeddingDim}`;
    if (this.maxNorm !== null) s += `, maxNorm=${number(this.maxNorm)}`;
    if (this.normType !== 2) s += `, normType=${number(this.normType)}`;
    if (this.scaleGradByFreq) s += ', scaleGradByFreq=true';
    s += `, mode='${this.mode}'`;
    if (this.paddingIdx !== null) s += `, paddingIdx=${this.paddingIdx}`;
    return s;
  }
}
