/** Parameter: a tensor that a module trains. */
import { TenfoldError, naming, show } from '../errors.js';
import { DTYPES, codeOf, defaultFloat, isFloatCode, type DType } from '../dtype.js';
import { formatTensor } from '../tensor/format.js';
import { Tensor, standForGone } from '../tensor/tensor.js';
import { checkSizes, type Shape } from '../tensor/shape.js';

/** A size that a layer is made with, which becomes one of its parameters'. */
export function checkSize(call: string, name: string, size: number): number {
  if (size < 0) throw new RangeError(`${call}: ${name} must not be negative, got ${size}`);
  return size;
}

/**
 * A tensor that a module finds among its own properties and counts among its parameters. It shares the memory of `data`.
 * See torch.nn.Parameter.
 *
 * ```ts
 * class Scale extends nn.Module {
 *   factor = new nn.Parameter(ones(3));
 *   override forward(x: Tensor) {
 *     return x.mul(this.factor);
 *   }
 * }
 * ```
 */
export class Parameter extends Tensor {
  /** @throws TypeError where data isn't a tensor, TenfoldError 'dtype' where an integer tensor should require grad. */
  constructor(data: Tensor, requiresGrad: boolean | { requiresGrad?: boolean } = true) {
    if (!(data instanceof Tensor)) throw new TypeError(`Parameter: data must be a tensor, got ${show(data)}`);
    super(data.storage, data.offset, data.shape, data.strides, data.code, data.count, data.dense, null);
    const wanted = typeof requiresGrad === 'object' ? (requiresGrad.requiresGrad ?? true) : requiresGrad;
    if (wanted && !isFloatCode(this.code)) {
      throw new TenfoldError(
        'dtype',
        `Parameter: only floating-point tensors can require grad, got ${this.dtype}; give requiresGrad false`,
      );
    }
    this.leafGrad = wanted;
  }

  /** Memory of its own, not yet filled: what outlives a step must not pin a slab that small tensors share. */
  static empty(shape: Shape, dtype: DType | null = null): Parameter {
    const code = dtype === null ? defaultFloat() : codeOf('Parameter', dtype);
    checkSizes('Parameter', shape);
    try {
      return new Parameter(Tensor.raw(shape, code, true), isFloatCode(code));
    } catch (error) {
      throw naming('Parameter', error);
    }
  }

  /** The values outside the graph. Setting it gives the parameter other values, shape or dtype; whoever holds it keeps it. */
  override get data(): Tensor {
    return super.data;
  }
  override set data(value: Tensor) {
    if (!(value instanceof Tensor)) throw new TypeError(`Parameter.data: expected a tensor, got ${show(value)}`);
    if (this.leafGrad && !isFloatCode(value.code)) {
      throw new TenfoldError(
        'dtype',
        `Parameter.data: a parameter that requires grad can't become ${DTYPES[value.code]!}`,
      );
    }
    this.become(value);
  }

  override toString(): string {
    return `Parameter containing:\n${formatTensor(this)}`;
  }
  // A computed name takes no `override`.
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
standForGone(Parameter.prototype);
