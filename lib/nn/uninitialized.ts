/** Parameters and buffers of lazy modules: their sizes come from the first input. */
import { TenfoldError, checkOptions } from '../errors.js';
import { DTYPES, codeOf, defaultFloat, type Code, type DType } from '../dtype.js';
import { Tensor } from '../tensor/tensor.js';
import { checkSizes, type Shape } from '../tensor/shape.js';
import { Parameter } from './parameter.js';

const codeFor = (call: string, dtype: DType | null | undefined): Code =>
  dtype === null || dtype === undefined ? defaultFloat() : codeOf(call, dtype);
function untouchable(call: string): TenfoldError {
  return new TenfoldError(
    'state',
    `${call}: an UninitializedParameter has no shape and no elements yet; a lazy module takes them from its first input: call its forward first`,
  );
}
interface Wanted {
  dtype?: DType | null;
  device?: string | null;
}
/** From now on the tensor is an ordinary one of this shape, its elements not yet filled; whoever holds it keeps it. */
function materialize(t: Tensor, prototype: object, shape: Shape, options: Wanted): void {
  checkOptions('materialize', options, ['dtype']);
  const code = options.dtype === undefined || options.dtype === null ? t.code : codeOf('materialize', options.dtype);
  t.become(Tensor.raw(checkSizes('materialize', shape), code, true));
  Object.setPrototypeOf(t, prototype);
}

/** A parameter without a shape, of a dtype. See torch.nn.UninitializedParameter. */
export class UninitializedParameter extends Parameter {
  constructor(options: { requiresGrad?: boolean } & Wanted = {}) {
    checkOptions('UninitializedParameter', options, ['requiresGrad', 'dtype']);
    super(Tensor.raw([0], codeFor('UninitializedParameter', options.dtype), true), options.requiresGrad ?? true);
  }
  /** @throws TenfoldError 'state': there is none yet. */
  override get shape(): Shape {
    throw untouchable('UninitializedParameter');
  }
  /** Makes it a Parameter of this shape, not yet filled. See torch.nn.parameter.UninitializedTensorMixin.materialize. */
  materialize(shape: readonly number[], options: Wanted = {}): void {
    materialize(this, Parameter.prototype, shape, options);
  }
  override toString(): string {
    return '<UninitializedParameter>';
  }
}

/** A buffer without a shape, of a dtype. See torch.nn.UninitializedBuffer. */
export class UninitializedBuffer extends Tensor {
  constructor(options: { requiresGrad?: boolean } & Wanted = {}) {
    checkOptions('UninitializedBuffer', options, ['requiresGrad', 'dtype']);
    const t = Tensor.raw([0], codeFor('UninitializedBuffer', options.dtype), true);
    super(t.storage, t.offset, t.shape, t.strides, t.code, t.count, t.dense, null);
    this.leafGrad = options.requiresGrad ?? false;
  }
  /** @throws TenfoldError 'state': there is none yet. */
  override get shape(): Shape {
    throw untouchable('UninitializedBuffer');
  }
  /** Makes it a tensor of this shape, not yet filled. */
  materialize(shape: readonly number[], options: Wanted = {}): void {
    materialize(this, Tensor.prototype, shape, options);
  }
  override toString(): string {
    return '<UninitializedBuffer>';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** Whether a tensor waits for its shape. See torch.nn.parameter.is_lazy. */
export const isLazy = (t: unknown): t is UninitializedParameter | UninitializedBuffer =>
  t instanceof UninitializedParameter || t instanceof UninitializedBuffer;
/** Another one of the same kind, of a dtype. */
export function lazyLike(t: UninitializedParameter | UninitializedBuffer, dtype: DType = DTYPES[t.code]!): Tensor {
  const options = { dtype, requiresGrad: t.leafGrad };
  return t instanceof UninitializedParameter ? new UninitializedParameter(options) : new UninitializedBuffer(options);
}
