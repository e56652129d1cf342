/** Distributions of matrices, and of vectors with a covariance of low rank. */
import { TenfoldError } from '../errors.js';
import { Code } from '../dtype.js';
import { noGrad } from '../autograd/mode.js';
import { signature, type Arguments } from '../op/schema.js';
import { arange, eye } from '../ops/creation.js';
import { broadcastTensors, cat } from '../ops/index.js';
import { linalgCholesky, slogdet } from '../ops/factorization.js';
import { choleskySolve } from '../ops/matrixFunctions.js';
import { mvlgamma } from '../ops/polynomials.js';
import { randn } from '../ops/random.js';
import { solveTriangular } from '../ops/solving.js';
import { broadcastShapes, numelOf } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import * as constraints from './constraints.js';
import { Distribution, broadcastAll, finfo, standardNormal } from './distribution.js';
import { Beta, Chi2 } from './gamma.js';
import { factorOfPrecision } from './multivariate.js';

const LOG_TAU = Math.log(2 * Math.PI);
const diagonal = (x: Tensor): Tensor => x.diagonal(0, -2, -1);
const squares = (x: Tensor): Tensor => x.square().sum([-2, -1]);

const low = signature(
  'LowRankMultivariateNormal(Tensor loc, Tensor covFactor, Tensor covDiag, *, bool? validateArgs=null)',
);
/**
 * Normal distribution of vectors [..., k] with the covariance W Wᵀ + diag(d), for W [..., k, m] (covFactor) and d [..., k] (covDiag):
 * its work grows with m. See torch.distributions.LowRankMultivariateNormal.
 */
export class LowRankMultivariateNormal extends Distribution {
  readonly loc: Tensor;
  readonly covFactor: Tensor;
  readonly covDiag: Tensor;
  /** The lower factor of I + Wᵀ diag(d)⁻¹ W. */
  readonly capacitanceTril: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof low.schema>) {
    const [loc, w, d, validateArgs] = low.read(args);
    const k = loc.shape.at(-1);
    if (k === undefined || w.shape.length < 2 || w.shape.at(-2) !== k || d.shape.at(-1) !== k)
      throw new TenfoldError('shape', `LowRankMultivariateNormal: covFactor must be [..., k, m] and covDiag [..., k] for loc [..., k], got [${loc.shape}], [${w.shape}], [${d.shape}]`); // prettier-ignore
    const batch = broadcastShapes('LowRankMultivariateNormal', broadcastShapes('LowRankMultivariateNormal', loc.shape.slice(0, -1), w.shape.slice(0, -2)), d.shape.slice(0, -1)); // prettier-ignore
    super(batch, [k], validateArgs);
    this.loc = loc.expand([...batch, k]);
    this.covFactor = w.expand([...batch, k, w.shape.at(-1)!]);
    this.covDiag = d.expand([...batch, k]);
    this.checkParameters({ loc: [loc, constraints.realVector], covDiag: [d, constraints.independent(constraints.positive, 1)] }); // prettier-ignore
    const weighted = w.mT.div(d.unsqueeze(-2));
    const m = w.shape.at(-1)!;
    this.capacitanceTril = linalgCholesky(weighted.matmul(w).add(eye(m, { dtype: w.dtype }))).expand([...batch, m, m]);
  }
  override get support(): constraints.Constraint {
    return constraints.realVector;
  }
  override get mean(): Tensor {
    return this.loc;
  }
  override get mode(): Tensor {
    return this.loc;
  }
  override get variance(): Tensor {
    return this.covFactor.square().sum(-1).add(this.covDiag);
  }
  /** Covariance matrices. */
  get covarianceMatrix(): Tensor {
    return this.covFactor.matmul(this.covFactor.mT).add(this.covDiag.diagEmbed());
  }
  /** Their inverses. */
  get precisionMatrix(): Tensor {
    const a = this.whitened();
    return this.covDiag.reciprocal().diagEmbed().sub(a.mT.matmul(a));
  }
  /** Their lower Cholesky factors. */
  get scaleTril(): Tensor {
    const root = this.covDiag.sqrt().unsqueeze(-1);
    const w = this.covFactor.div(root);
    return root.mul(linalgCholesky(w.matmul(w.mT).add(eye(w.shape.at(-2)!, { dtype: w.dtype }))));
  }
  /** L⁻¹ Wᵀ diag(d)⁻¹, L the capacitance's factor. */
  whitened(): Tensor {
    return solveTriangular(this.capacitanceTril, this.covFactor.mT.div(this.covDiag.unsqueeze(-2)), { upper: false });
  }
  /** xᵀ Σ⁻¹ x. */
  mahalanobis(x: Tensor): Tensor {
    const scaled = this.whitened().matmul(x.unsqueeze(-1)).squeeze(-1);
    return x.square().div(this.covDiag).sum(-1).sub(scaled.square().sum(-1));
  }
  /** ln |Σ|. */
  logDet(): Tensor {
    return diagonal(this.capacitanceTril).log().sum(-1).mul(2).add(this.covDiag.log().sum(-1));
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const shape = this.extended(sampleShape);
    const factors = standardNormal([...shape.slice(0, -1), this.covFactor.shape.at(-1)!], this.loc);
    const own = standardNormal(shape, this.loc);
    return this.loc.add(this.covFactor.matmul(factors.unsqueeze(-1)).squeeze(-1)).add(this.covDiag.sqrt().mul(own));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const distance = this.mahalanobis(value.sub(this.loc));
    return distance.add(this.logDet()).add(this.eventShape[0]! * LOG_TAU).mul(-0.5); // prettier-ignore
  }
  override entropy(): Tensor {
    return this.logDet().add(this.eventShape[0]! * (1 + LOG_TAU)).mul(0.5); // prettier-ignore
  }
}

const scales = signature(
  'Wishart(any df, Tensor? covarianceMatrix=null, Tensor? precisionMatrix=null, Tensor? scaleTril=null, *, bool? validateArgs=null)',
);
/** Σ over i < p of digamma(a − i / 2). */
const mvdigamma = (a: Tensor, p: number): Tensor =>
  a.unsqueeze(-1).sub(arange(p, { dtype: a.dtype }).div(2)).digamma().sum(-1); // prettier-ignore
/**
 * Wishart's distribution of positive definite matrices [..., p, p]: sums of squares of df normal vectors of a covariance, which is given
 * as such, by its inverse, or by its lower Cholesky factor; df is above p − 1. See torch.distributions.Wishart.
 */
export class Wishart extends Distribution {
  readonly df: Tensor;
  readonly scaleTril: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof scales.schema>) {
    const [given, covariance, precision, factor, validateArgs] = scales.read(args);
    const matrix = covariance ?? precision ?? factor;
    if (matrix === null || [covariance, precision, factor].filter((x) => x !== null).length !== 1)
      throw new TenfoldError('value', 'Wishart: give one of covarianceMatrix, precisionMatrix and scaleTril');
    const p = matrix.shape.at(-1);
    if (matrix.shape.length < 2 || matrix.shape.at(-2) !== p)
      throw new TenfoldError('shape', `Wishart: matrices must be [..., p, p], got [${matrix.shape}]`);
    const [own] = broadcastAll('Wishart', given) as [Tensor];
    const df = given instanceof Tensor ? own : own.to(matrix.dtype);
    const batch = broadcastShapes('Wishart', matrix.shape.slice(0, -2), df.shape);
    super(batch, [p!, p!], validateArgs);
    if (
      noGrad(() =>
        df
          .le(p! - 1)
          .any()
          .item<boolean>(),
      )
    )
      throw new TenfoldError(
        'value',
        `Wishart: df must be above ${p! - 1} for matrices of ${p} rows, got ${String(df)}`,
      );
    const kind = factor === null ? constraints.positiveDefinite : constraints.lowerCholesky;
    const name = factor === null ? (covariance === null ? 'precisionMatrix' : 'covarianceMatrix') : 'scaleTril';
    this.checkParameters({ [name]: [matrix, kind] });
    const l = factor ?? (covariance === null ? factorOfPrecision(matrix) : linalgCholesky(matrix));
    this.df = df.expand(batch);
    this.scaleTril = l.expand([...batch, p!, p!]);
  }
  override get support(): constraints.Constraint {
    return constraints.positiveDefinite;
  }
  get covarianceMatrix(): Tensor {
    return this.scaleTril.matmul(this.scaleTril.mT);
  }
  get precisionMatrix(): Tensor {
    return choleskySolve(eye(this.eventShape[0]!, { dtype: this.df.dtype }), this.scaleTril);
  }
  private get rows(): number {
    return this.eventShape[0]!;
  }
  private wide(x: Tensor): Tensor {
    return x.unsqueeze(-1).unsqueeze(-1);
  }
  override get mean(): Tensor {
    return this.wide(this.df).mul(this.covarianceMatrix);
  }
  override get mode(): Tensor {
    const factor = this.df.sub(this.rows + 1);
    return this.wide(factor.maskedFill(factor.le(0), NaN)).mul(this.covarianceMatrix);
  }
  override get variance(): Tensor {
    const v = this.covarianceMatrix;
    const d = diagonal(v);
    return this.wide(this.df).mul(v.square().add(d.unsqueeze(-1).mul(d.unsqueeze(-2))));
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    // PyTorch takes regular matrices for singular ones, and draws them once more: so do we, for its numbers.
    noGrad(() => this.draw(sampleShape));
    return this.draw([numelOf(sampleShape)]).reshape(this.extended(sampleShape));
  }
  private draw(sampleShape: readonly number[]): Tensor {
    const p = this.rows;
    const lead = this.extended(sampleShape).slice(0, -2);
    const df = this.df.unsqueeze(-1).sub(arange(p, { dtype: this.df.dtype }));
    const roots = new Chi2(df, { validateArgs: false }).rsample(sampleShape).sqrt().clamp(finfo(this.df).eps);
    const below = randn([...lead, (p * (p - 1)) / 2], { dtype: this.df.dtype });
    // Bartlett: a triangle of normal numbers under roots of chi-squared ones. Its places, row by row.
    const places = BigInt64Array.from({ length: p * p }, (_, at) => {
      const [i, j] = [Math.floor(at / p), at % p];
      return BigInt(i > j ? (i * (i - 1)) / 2 + j : 0);
    });
    const spread = p === 1 ? Tensor.zeros([...lead, 1], this.df.code) : below.indexSelect(-1, Tensor.wrap(places, [p * p], Code.i64)); // prettier-ignore
    const noise = spread
      .reshape([...lead, p, p])
      .tril(-1)
      .add(roots.diagEmbed());
    const factor = this.scaleTril.matmul(noise);
    return factor.matmul(factor.mT);
  }
  private scaleTerm(): Tensor {
    return diagonal(this.scaleTril).log().sum(-1).add((this.rows * Math.LN2) / 2); // prettier-ignore
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const [nu, p] = [this.df, this.rows];
    const trace = diagonal(choleskySolve(value, this.scaleTril.expand([...value.shape]))).sum(-1);
    const det = slogdet(value).logabsdet.mul(nu.sub(p + 1).div(2));
    return nu.neg().mul(this.scaleTerm()).sub(mvlgamma(nu.div(2), p)).add(det).sub(trace.div(2)); // prettier-ignore
  }
  override entropy(): Tensor {
    const [nu, p] = [this.df, this.rows];
    const half = nu.div(2);
    return this.scaleTerm().mul(p + 1).add(mvlgamma(half, p)).sub(nu.sub(p + 1).div(2).mul(mvdigamma(half, p))).add(half.mul(p)); // prettier-ignore
  }
}

const onion = signature('LKJCholesky(int dim, any concentration=1, *, bool? validateArgs=null)');
/**
 * Lower Cholesky factors [..., dim, dim] of correlation matrices, whose density is their determinant to the power of
 * concentration − 1 ([Lewandowski and others, 2009](https://doi.org/10.1016/j.jmva.2009.04.008)). See
 * torch.distributions.LKJCholesky.
 */
export class LKJCholesky extends Distribution {
  readonly dim: number;
  readonly concentration: Tensor;
  constructor(...args: Arguments<typeof onion.schema>) {
    const [dim, given, validateArgs] = onion.read(args);
    if (dim < 2) throw new RangeError(`LKJCholesky: dim must be at least 2, got ${dim}`);
    const [concentration] = broadcastAll('LKJCholesky', given) as [Tensor];
    super(concentration.shape, [dim, dim], validateArgs);
    this.dim = dim;
    this.concentration = concentration;
    this.checkParameters({ concentration: [concentration, constraints.positive] });
  }
  override get support(): constraints.Constraint {
    return constraints.lowerCholesky;
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => {
      const { dim, concentration } = this;
      const steps = arange(dim - 1, { dtype: concentration.dtype });
      const offset = cat([Tensor.zeros([1], concentration.code), steps]);
      const [one, zero] = broadcastTensors(offset.add(0.5), concentration.add(0.5 * (dim - 2)).unsqueeze(-1).sub(offset.mul(0.5))) as [Tensor, Tensor]; // prettier-ignore
      const y = new Beta(one, zero, { validateArgs: false }).sample(sampleShape).unsqueeze(-1);
      const normal = randn(this.extended(sampleShape), { dtype: y.dtype }).tril(-1);
      const sphere = normal.div(normal.norm({ dim: -1, keepdim: true }));
      // The first row has no direction.
      const w = y.sqrt().mul(sphere.nanToNum(0));
      const rest = w.square().sum(-1).neg().add(1).clamp(finfo(w).tiny).sqrt();
      return w.add(rest.diagEmbed());
    });
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const { dim, concentration } = this;
    const rows = diagonal(value).narrow(-1, 1, dim - 1);
    const order = concentration.sub(1).mul(2).unsqueeze(-1).add(dim).sub(arange(2, dim + 1, { dtype: concentration.dtype })); // prettier-ignore
    const log = order.mul(rows.log()).sum(-1);
    const alpha = concentration.add(0.5 * (dim - 1));
    const norm = mvlgamma(alpha.sub(0.5), dim - 1).add(0.5 * (dim - 1) * Math.log(Math.PI)).sub(alpha.lgamma().mul(dim - 1)); // prettier-ignore
    return log.sub(norm);
  }
}

/** Divergence from a normal distribution of vectors, given by a factor of its covariance, its mean and ln |Σ|, to one of low rank. */
export function divergenceToLowRank(
  p: { loc: Tensor; eventShape: readonly number[] },
  factors: readonly Tensor[],
  logDet: Tensor,
  q: LowRankMultivariateNormal,
): Tensor {
  const a = q.whitened();
  const inverse = q.covDiag.rsqrt().unsqueeze(-1);
  const trace = factors.map((f) => squares(f.mul(inverse)).sub(squares(a.matmul(f)))).reduce((x, y) => x.add(y));
  return q.logDet().sub(logDet).add(trace).add(q.mahalanobis(q.loc.sub(p.loc))).sub(p.eventShape[0]!).mul(0.5); // prettier-ignore
}
