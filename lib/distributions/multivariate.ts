/** The normal distribution of vectors. */
import { TenfoldError } from '../errors.js';
import { signature, type Arguments } from '../op/schema.js';
import { eye } from '../ops/creation.js';
import { broadcastShapes } from '../tensor/shape.js';
import { linalgCholesky } from '../ops/factorization.js';
import { solveTriangular } from '../ops/solving.js';
import type { Tensor } from '../tensor/tensor.js';
import * as constraints from './constraints.js';
import { Distribution, standardNormal } from './distribution.js';

const parts = signature(
  'MultivariateNormal(Tensor loc, Tensor? covarianceMatrix=null, Tensor? precisionMatrix=null, Tensor? scaleTril=null, *, bool? validateArgs=null)',
);
/** |L⁻¹ x|², batches broadcast. */
export const mahalanobis = (l: Tensor, x: Tensor): Tensor =>
  solveTriangular(l, x.unsqueeze(-1), { upper: false }).squeeze(-1).square().sum(-1);
/** The factor L of (L Lᵀ)⁻¹, from that matrix. */
export function factorOfPrecision(p: Tensor): Tensor {
  const turned = linalgCholesky(p.flip([-2, -1])).flip([-2, -1]).mT;
  return solveTriangular(turned, eye(p.shape.at(-1)!, { dtype: p.dtype }), { upper: false });
}
/**
 * Normal distribution of vectors [..., k] of mean loc, and one of: a covariance matrix, its inverse (precisionMatrix), or its
 * lower Cholesky factor (scaleTril), which saves work. See torch.distributions.MultivariateNormal.
 */
export class MultivariateNormal extends Distribution {
  readonly loc: Tensor;
  readonly scaleTril: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof parts.schema>) {
    const [loc, covariance, precision, factor, validateArgs] = parts.read(args);
    if (loc.shape.length < 1) throw new TenfoldError('shape', 'MultivariateNormal: loc must have at least one dim');
    const matrix = covariance ?? precision ?? factor;
    if (matrix === null || [covariance, precision, factor].filter((x) => x !== null).length !== 1)
      throw new TenfoldError(
        'value',
        'MultivariateNormal: give one of covarianceMatrix, precisionMatrix and scaleTril',
      );
    const k = loc.shape.at(-1)!;
    if (matrix.shape.length < 2 || matrix.shape.at(-1) !== k || matrix.shape.at(-2) !== k)
      throw new TenfoldError('shape', `MultivariateNormal: matrices must be [..., ${k}, ${k}], got [${matrix.shape}]`);
    const batch = broadcastShapes('MultivariateNormal', loc.shape.slice(0, -1), matrix.shape.slice(0, -2));
    super(batch, [k], validateArgs);
    const kind = factor === null ? constraints.positiveDefinite : constraints.lowerCholesky;
    const name = factor === null ? (covariance === null ? 'precisionMatrix' : 'covarianceMatrix') : 'scaleTril';
    this.checkParameters({ loc: [loc, constraints.realVector], [name]: [matrix, kind] });
    const l = factor ?? (covariance === null ? factorOfPrecision(matrix) : linalgCholesky(matrix));
    this.loc = loc.expand([...batch, k]);
    this.scaleTril = l.expand([...batch, k, k]);
  }
  /** Covariance matrices. */
  get covarianceMatrix(): Tensor {
    return this.scaleTril.matmul(this.scaleTril.mT);
  }
  /** Their inverses. */
  get precisionMatrix(): Tensor {
    const one = eye(this.loc.shape.at(-1)!, { dtype: this.loc.dtype });
    const inverse = solveTriangular(this.scaleTril, one, { upper: false });
    return inverse.mT.matmul(inverse);
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
    return this.scaleTril.square().sum(-1);
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const eps = standardNormal(this.extended(sampleShape), this.loc);
    return this.loc.add(this.scaleTril.matmul(eps.unsqueeze(-1)).squeeze(-1));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const k = this.loc.shape.at(-1)!;
    const distance = mahalanobis(this.scaleTril, value.sub(this.loc));
    return distance
      .add(k * Math.log(2 * Math.PI))
      .mul(-0.5)
      .sub(this.halfLogDet());
  }
  /** Half of the logarithm of the covariance matrices' determinants. */
  halfLogDet(): Tensor {
    return this.scaleTril.diagonal(0, -2, -1).log().sum(-1);
  }
  override entropy(): Tensor {
    return this.halfLogDet().add(0.5 * this.loc.shape.at(-1)! * (1 + Math.log(2 * Math.PI)));
  }
}
