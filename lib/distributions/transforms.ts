/** Invertible maps with the logarithm of their volume, as torch.distributions.transforms. */
import { TenfoldError, checkCount, show } from '../errors.js';
import { cat } from '../ops/index.js';
import { softplus as softplusOf } from '../nn/functional/activation.js';
import { ones, zeros } from '../ops/creation.js';
import { Tensor } from '../tensor/tensor.js';
import { finfo, sumRightmost, type Parameter } from './distribution.js';

/** y = f(x); `logAbsDetJacobian` is ln |dy/dx|, summed over the last `eventDim` dims. */
export abstract class Transform {
  /** Dims of what it maps at once, and of what it gives. */
  get domainDim(): number {
    return 0;
  }
  get codomainDim(): number {
    return 0;
  }
  /** 1 of a rising map, −1 of a falling one, 0 where neither is meant. */
  get sign(): number | Tensor {
    return 0;
  }
  abstract call(x: Tensor): Tensor;
  abstract invert(y: Tensor): Tensor;
  abstract logAbsDetJacobian(x: Tensor, y: Tensor): Tensor;
  get bijective(): boolean {
    return true;
  }
  /** The map back, as a transform. */
  get inv(): Transform {
    return new Inverse(this);
  }
  /** Shape of f(x). */
  forwardShape(shape: readonly number[]): readonly number[] {
    return shape;
  }
  /** Shape of x. */
  inverseShape(shape: readonly number[]): readonly number[] {
    return shape;
  }
}
class Inverse extends Transform {
  constructor(private readonly of: Transform) {
    super();
  }
  override get domainDim(): number {
    return this.of.codomainDim;
  }
  override get codomainDim(): number {
    return this.of.domainDim;
  }
  override get sign(): number | Tensor {
    return this.of.sign;
  }
  override get inv(): Transform {
    return this.of;
  }
  call(y: Tensor): Tensor {
    return this.of.invert(y);
  }
  invert(x: Tensor): Tensor {
    return this.of.call(x);
  }
  logAbsDetJacobian(y: Tensor, x: Tensor): Tensor {
    return this.of.logAbsDetJacobian(x, y).neg();
  }
  override forwardShape(shape: readonly number[]): readonly number[] {
    return this.of.inverseShape(shape);
  }
  override inverseShape(shape: readonly number[]): readonly number[] {
    return this.of.forwardShape(shape);
  }
}

/** y = eˣ. */
export class ExpTransform extends Transform {
  override get sign(): number {
    return 1;
  }
  call(x: Tensor): Tensor {
    return x.exp();
  }
  invert(y: Tensor): Tensor {
    return y.log();
  }
  logAbsDetJacobian(x: Tensor): Tensor {
    return x;
  }
}
/** y = xᵖ of positive numbers. */
export class PowerTransform extends Transform {
  override get sign(): number | Tensor {
    return typeof this.exponent === 'number' ? Math.sign(this.exponent) : this.exponent.sign();
  }
  constructor(readonly exponent: Parameter) {
    super();
  }
  call(x: Tensor): Tensor {
    return x.pow(this.exponent);
  }
  invert(y: Tensor): Tensor {
    return y.pow(typeof this.exponent === 'number' ? 1 / this.exponent : this.exponent.reciprocal());
  }
  logAbsDetJacobian(x: Tensor, y: Tensor): Tensor {
    return y.mul(this.exponent).div(x).abs().log();
  }
}
/** y = 1 / (1 + e⁻ˣ). */
export class SigmoidTransform extends Transform {
  override get sign(): number {
    return 1;
  }
  call(x: Tensor): Tensor {
    const { eps, tiny } = finfo(x);
    return x.sigmoid().clamp(tiny, 1 - eps);
  }
  invert(y: Tensor): Tensor {
    const { eps, tiny } = finfo(y);
    const z = y.clamp(tiny, 1 - eps);
    return z.log().sub(z.neg().log1p());
  }
  logAbsDetJacobian(x: Tensor): Tensor {
    return softplusOf(x.neg()).neg().sub(softplusOf(x));
  }
}
/** y = ln(1 + eˣ). */
export class SoftplusTransform extends Transform {
  override get sign(): number {
    return 1;
  }
  call(x: Tensor): Tensor {
    return softplusOf(x);
  }
  invert(y: Tensor): Tensor {
    return y.neg().expm1().neg().log().add(y);
  }
  logAbsDetJacobian(x: Tensor): Tensor {
    return softplusOf(x.neg()).neg();
  }
}
/** y = tanh x. */
export class TanhTransform extends Transform {
  override get sign(): number {
    return 1;
  }
  call(x: Tensor): Tensor {
    return x.tanh();
  }
  invert(y: Tensor): Tensor {
    return y.atanh();
  }
  logAbsDetJacobian(x: Tensor): Tensor {
    return x
      .neg()
      .add(Math.LN2)
      .sub(softplusOf(x.mul(-2)))
      .mul(2);
  }
}
/** y = |x|, which has no inverse: `invert` gives the positive one. */
export class AbsTransform extends Transform {
  override get bijective(): boolean {
    return false;
  }
  call(x: Tensor): Tensor {
    return x.abs();
  }
  invert(y: Tensor): Tensor {
    return y;
  }
  logAbsDetJacobian(): Tensor {
    throw new TenfoldError('value', 'AbsTransform: there is no Jacobian of a map without inverse');
  }
}
/** y = loc + scale x; `eventDim` says how many dims are one event. */
export class AffineTransform extends Transform {
  constructor(
    readonly loc: Parameter,
    readonly scale: Parameter,
    private readonly eventDim = 0,
  ) {
    super();
  }
  override get domainDim(): number {
    return this.eventDim;
  }
  override get codomainDim(): number {
    return this.eventDim;
  }
  override get sign(): number | Tensor {
    return typeof this.scale === 'number' ? Math.sign(this.scale) : this.scale.sign();
  }
  call(x: Tensor): Tensor {
    return x.mul(this.scale).add(this.loc);
  }
  invert(y: Tensor): Tensor {
    return y.sub(this.loc).div(this.scale);
  }
  logAbsDetJacobian(x: Tensor): Tensor {
    const each = typeof this.scale === 'number' ? x.mul(0).add(Math.log(Math.abs(this.scale))) : this.scale.abs().log().add(x.mul(0)); // prettier-ignore
    return sumRightmost(each, this.domainDim);
  }
}
/** y = softmax(x) over the last dim, which has no inverse: `invert` gives the logarithm. */
export class SoftmaxTransform extends Transform {
  override get domainDim(): number {
    return 1;
  }
  override get codomainDim(): number {
    return 1;
  }
  override get bijective(): boolean {
    return false;
  }
  call(x: Tensor): Tensor {
    const e = x.sub(x.amax(-1, true)).exp();
    return e.div(e.sum(-1, true));
  }
  invert(y: Tensor): Tensor {
    return y.log();
  }
  logAbsDetJacobian(): Tensor {
    throw new TenfoldError('value', 'SoftmaxTransform: there is no Jacobian of a map without inverse');
  }
}
/** Vectors of k − 1 numbers to k probabilities, by what each takes of the rest of a stick. */
export class StickBreakingTransform extends Transform {
  override get domainDim(): number {
    return 1;
  }
  override get codomainDim(): number {
    return 1;
  }
  private offset(n: number, like: Tensor): Tensor {
    return ones([n], { dtype: like.dtype }).cumsum(-1).neg().add(n + 1); // prettier-ignore
  }
  call(x: Tensor): Tensor {
    const z = x.sub(this.offset(x.shape.at(-1)!, x).log()).sigmoid();
    const rest = z.neg().add(1).cumprod(-1);
    const one = ones([...x.shape.slice(0, -1), 1], { dtype: x.dtype });
    return cat([z, one], -1).mul(cat([one, rest], -1));
  }
  invert(y: Tensor): Tensor {
    const n = y.shape.at(-1)! - 1;
    const front = y.narrow(-1, 0, n);
    const rest = front.cumsum(-1).neg().add(1).clamp(finfo(y).tiny);
    return front.log().sub(rest.log()).add(this.offset(n, y).log());
  }
  logAbsDetJacobian(x: Tensor, y: Tensor): Tensor {
    const n = x.shape.at(-1)!;
    const moved = x.sub(this.offset(n, x).log());
    return moved
      .neg()
      .sub(softplusOf(moved.neg()))
      .add(y.narrow(-1, 0, n).log())
      .sum(-1);
  }
  override forwardShape(shape: readonly number[]): readonly number[] {
    return [...shape.slice(0, -1), shape.at(-1)! + 1];
  }
  override inverseShape(shape: readonly number[]): readonly number[] {
    return [...shape.slice(0, -1), shape.at(-1)! - 1];
  }
}
/** y = x in another shape: events of `inShape` to events of `outShape`. */
export class ReshapeTransform extends Transform {
  override get sign(): number {
    return 1;
  }
  constructor(
    readonly inShape: readonly number[],
    readonly outShape: readonly number[],
  ) {
    super();
    checkCount('ReshapeTransform', arguments, 2);
    for (const shape of [inShape, outShape]) {
      if (!Array.isArray(shape) || !shape.every((n) => Number.isInteger(n)))
        throw new TypeError(`ReshapeTransform: shapes must be lists of integers, got ${show(shape)}`);
    }
    const size = (s: readonly number[]): number => s.reduce((a, b) => a * b, 1);
    if (size(inShape) !== size(outShape))
      throw new TenfoldError('shape', `ReshapeTransform: ${show(inShape)} and ${show(outShape)} differ in size`);
  }
  override get domainDim(): number {
    return this.inShape.length;
  }
  override get codomainDim(): number {
    return this.outShape.length;
  }
  private batch(shape: readonly number[], event: readonly number[]): readonly number[] {
    return shape.slice(0, shape.length - event.length);
  }
  call(x: Tensor): Tensor {
    return x.reshape([...this.batch(x.shape, this.inShape), ...this.outShape]);
  }
  invert(y: Tensor): Tensor {
    return y.reshape([...this.batch(y.shape, this.outShape), ...this.inShape]);
  }
  logAbsDetJacobian(x: Tensor): Tensor {
    return zeros([...this.batch(x.shape, this.inShape)], { dtype: x.dtype });
  }
  override forwardShape(shape: readonly number[]): readonly number[] {
    return [...this.batch(shape, this.inShape), ...this.outShape];
  }
  override inverseShape(shape: readonly number[]): readonly number[] {
    return [...this.batch(shape, this.outShape), ...this.inShape];
  }
}
/** Several, one after the other. */
export class ComposeTransform extends Transform {
  constructor(readonly parts: readonly Transform[]) {
    super();
    if (!Array.isArray(parts) || !parts.every((p) => p instanceof Transform))
      throw new TypeError(`ComposeTransform: expected a list of transforms, got ${show(parts)}`);
  }
  override get domainDim(): number {
    let dim = this.parts.at(-1)?.codomainDim ?? 0;
    for (const part of [...this.parts].reverse())
      dim = Math.max(dim + part.domainDim - part.codomainDim, part.domainDim);
    return dim;
  }
  override get codomainDim(): number {
    let dim = this.parts[0]?.domainDim ?? 0;
    for (const part of this.parts) dim = Math.max(dim + part.codomainDim - part.domainDim, part.codomainDim);
    return dim;
  }
  override get sign(): number | Tensor {
    return this.parts.reduce<number | Tensor>((sign, { sign: s }) => (sign instanceof Tensor ? sign.mul(s) : s instanceof Tensor ? s.mul(sign) : sign * s), 1); // prettier-ignore
  }
  override get bijective(): boolean {
    return this.parts.every((p) => p.bijective);
  }
  call(x: Tensor): Tensor {
    return this.parts.reduce((y, part) => part.call(y), x);
  }
  invert(y: Tensor): Tensor {
    return this.parts.reduceRight((x, part) => part.invert(x), y);
  }
  logAbsDetJacobian(x: Tensor, y: Tensor): Tensor {
    let dim = this.domainDim;
    let from = x;
    let sum: Tensor | null = null;
    this.parts.forEach((part, i) => {
      const to = i + 1 === this.parts.length ? y : part.call(from);
      const term = sumRightmost(part.logAbsDetJacobian(from, to), dim - part.domainDim);
      sum = sum === null ? term : (sum as Tensor).add(term);
      dim += part.codomainDim - part.domainDim;
      from = to;
    });
    return sum ?? zeros([...x.shape], { dtype: x.dtype });
  }
  override forwardShape(shape: readonly number[]): readonly number[] {
    return this.parts.reduce((s, part) => part.forwardShape(s), shape);
  }
  override inverseShape(shape: readonly number[]): readonly number[] {
    return this.parts.reduceRight((s, part) => part.inverseShape(s), shape);
  }
}
