/** Attention with its projections. */
import { TenfoldError } from '../../errors.js';
import { formatShape } from '../../tensor/shape.js';
import { type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/attention.js';
import { xavierNormal_, xavierUniform_, zeros_ } from '../init.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { guard } from '../parts.js';
import { Linear } from './linear.js';

const STATE_NAMES: Record<string, string> = {
  inProjWeight: 'in_proj_weight',
  qProjWeight: 'q_proj_weight',
  kProjWeight: 'k_proj_weight',
  vProjWeight: 'v_proj_weight',
  inProjBias: 'in_proj_bias',
  biasK: 'bias_k',
  biasV: 'bias_v',
  outProj: 'out_proj',
};

const attention = signature(
  'MultiheadAttention(int embedDim, int numHeads, float dropout=0, bool bias=true, bool addBiasKv=false, bool addZeroAttn=false, int? kdim=null, int? vdim=null, bool batchFirst=false, *, dtype? dtype=null)',
);
const call = signature(
  'forward(Tensor query, Tensor key, Tensor value, Tensor? keyPaddingMask=null, bool needWeights=true, Tensor? attnMask=null, bool averageAttnWeights=true, bool isCausal=false)',
);

/**
 * Attention of several heads (Vaswani et al. 2017): query [l, n, embedDim], key [s, n, kdim], value [s, n, vdim] → the result
 * [l, n, embedDim] and the weights [n, l, s], averaged over heads. Dims n and l change places with `batchFirst`; without n for
 * one sample. See torch.nn.MultiheadAttention.
 *
 * ```ts
 * const attention = new nn.MultiheadAttention(16, 4, { batchFirst: true });
 * const x = randn(2, 5, 16);
 * const [y, weights] = attention.forward(x, x, x);
 * y.shape; // [2, 5, 16]
 * ```
 */
export class MultiheadAttention extends Module {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly dropout: number;
  readonly kdim: number;
  readonly vdim: number;
  readonly batchFirst: boolean;
  readonly addZeroAttn: boolean;
  qProjWeight: Parameter | null = null;
  kProjWeight: Parameter | null = null;
  vProjWeight: Parameter | null = null;
  inProjWeight: Parameter | null = null;
  inProjBias: Parameter | null;
  biasK: Parameter | null;
  biasV: Parameter | null;
  outProj: Linear;

  static override stateName(property: string): string {
    return STATE_NAMES[property] ?? property;
  }

  constructor(...args: Arguments<typeof attention.schema>) {
    super();
    const [embedDim, numHeads, dropout, bias, addBiasKv, addZeroAttn, kdim, vdim, batchFirst, dtype] =
      attention.read(args);
    if (embedDim < 1 || numHeads < 1 || embedDim % numHeads !== 0) {
      throw new TenfoldError('value', `MultiheadAttention: embedDim ${embedDim} is not divisible by ${numHeads} heads`);
    }
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.dropout = dropout;
    this.kdim = kdim ?? embedDim;
    this.vdim = vdim ?? embedDim;
    this.batchFirst = batchFirst;
    this.addZeroAttn = addZeroAttn;
    if (this.kdim === embedDim && this.vdim === embedDim)
      this.inProjWeight = Parameter.empty([3 * embedDim, embedDim], dtype);
    else {
      this.qProjWeight = Parameter.empty([embedDim, embedDim], dtype);
      this.kProjWeight = Parameter.empty([embedDim, this.kdim], dtype);
      this.vProjWeight = Parameter.empty([embedDim, this.vdim], dtype);
    }
    this.inProjBias = bias ? Parameter.empty([3 * embedDim], dtype) : null;
    this.outProj = new Linear(embedDim, embedDim, { bias, dtype });
    this.biasK = addBiasKv ? Parameter.empty([1, 1, embedDim], dtype) : null;
    this.biasV = addBiasKv ? Parameter.empty([1, 1, embedDim], dtype) : null;
    guard(this, 'qProjWeight', 'kProjWeight', 'vProjWeight', 'inProjWeight', 'inProjBias', 'biasK', 'biasV', 'outProj');
    this.resetParameters();
  }
  /** Draws the weights of the inputs anew; biases become 0. */
  resetParameters(): void {
    for (const w of [this.inProjWeight, this.qProjWeight, this.kProjWeight, this.vProjWeight])
      if (w !== null) xavierUniform_(w);
    if (this.inProjBias !== null) {
      zeros_(this.inProjBias);
      zeros_(this.outProj.bias!);
    }
    if (this.biasK !== null) xavierNormal_(this.biasK);
    if (this.biasV !== null) xavierNormal_(this.biasV);
  }
  override forward(...args: Arguments<typeof call.schema>): [Tensor, Tensor | null] {
    const [query, key, value, keyPaddingMask, needWeights, attnMask, averageAttnWeights, isCausal] = call.read(
      args,
      'MultiheadAttention.forward',
    );
    const dims = query.shape.length;
    if (dims !== 2 && dims !== 3) {
      throw new TenfoldError(
        'shape',
        `MultiheadAttention: query must have 2 or 3 dims, got ${formatShape(query.shape)}`,
      );
    }
    const swaps = this.batchFirst && dims === 3;
    const swap = (t: Tensor): Tensor => (swaps ? t.transpose(0, 1) : t);
    const q = swap(query);
    // The same tensor stays the same: its three projections are then one product.
    const k = key === query ? q : swap(key);
    const v = value === query ? q : value === key ? k : swap(value);
    const { qProjWeight, kProjWeight, vProjWeight } = this;
    const [y, weights] = F.multiHeadAttentionForward(
      q, k, v, this.embedDim, this.numHeads, this.inProjWeight, this.inProjBias, this.biasK, this.biasV, this.addZeroAttn,
      this.dropout, this.outProj.weight, this.outProj.bias,
      {
        training: this.training, keyPaddingMask, needWeights, attnMask, averageAttnWeights, isCausal,
        useSeparateProjWeight: this.inProjWeight === null, qProjWeight, kProjWeight, vProjWeight,
      },
    ) as unknown as [Tensor, Tensor | null]; // prettier-ignore
    return [swap(y), weights];
  }
}
