/** Linear layers. */
import { type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/linear.js';
import { kaimingUniform_, uniform_ } from '../init.js';
import { Module } from '../module.js';
import { Parameter, checkSize } from '../parameter.js';
import { guard } from '../parts.js';

/** Gives what it gets; takes and ignores any arguments. See torch.nn.Identity. */
export class Identity extends Module {
  constructor(..._args: unknown[]) {
    super();
  }
  override forward(input: Tensor): Tensor {
    return input;
  }
}

const linear = signature('Linear(int inFeatures, int outFeatures, bool bias=true, *, dtype? dtype=null)');
/**
 * x Wᵀ + b over the last dim: [..., inFeatures] → [..., outFeatures]. weight is [outFeatures, inFeatures]; it and the bias
 * start uniform in ±1/√inFeatures. See torch.nn.Linear.
 *
 * ```ts
 * const layer = new nn.Linear(20, 30, { bias: false });
 * layer.forward(randn(128, 20)).shape; // [128, 30]
 * ```
 */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;
  constructor(...args: Arguments<typeof linear.schema>) {
    super();
    const [inFeatures, outFeatures, bias, dtype] = linear.read(args);
    this.inFeatures = checkSize('Linear', 'inFeatures', inFeatures);
    this.outFeatures = checkSize('Linear', 'outFeatures', outFeatures);
    this.weight = Parameter.empty([outFeatures, inFeatures], dtype);
    this.bias = bias ? Parameter.empty([outFeatures], dtype) : null;
    guard(this, 'weight', 'bias');
    this.resetParameters();
  }
  /** Draws weight and bias anew. */
  resetParameters(): void {
    kaimingUniform_(this.weight, { a: Math.sqrt(5) });
    if (this.bias !== null) drawBias(this.bias, this.inFeatures);
  }
  override forward(input: Tensor): Tensor {
    return F.linear(input, this.weight, this.bias);
  }
  override extraRepr(): string {
    return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, bias=${this.bias !== null}`;
  }
}

/** Uniform in ±1/√fanIn, as the biases of linear and convolutional layers start. */
export function drawBias(bias: Parameter, fanIn: number): void {
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  uniform_(bias, -bound, bound);
}

const bilinear = signature(
  'Bilinear(int in1Features, int in2Features, int outFeatures, bool bias=true, *, dtype? dtype=null)',
);
/** x1ᵀ W x2 + b: [..., in1], [..., in2] → [..., out]. weight is [out, in1, in2]. See torch.nn.Bilinear. */
export class Bilinear extends Module {
  readonly in1Features: number;
  readonly in2Features: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;
  constructor(...args: Arguments<typeof bilinear.schema>) {
    super();
    const [in1, in2, out, bias, dtype] = bilinear.read(args);
    // The weights' bound is one over the root of in1.
    if (in1 < 1) throw new RangeError(`Bilinear: in1Features must be positive, got ${in1}`);
    this.in1Features = in1;
    this.in2Features = checkSize('Bilinear', 'in2Features', in2);
    this.outFeatures = checkSize('Bilinear', 'outFeatures', out);
    this.weight = Parameter.empty([out, in1, in2], dtype);
    this.bias = bias ? Parameter.empty([out], dtype) : null;
    guard(this, 'weight', 'bias');
    this.resetParameters();
  }
  /** Draws weight and bias anew. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.in1Features);
    uniform_(this.weight, -bound, bound);
    if (this.bias !== null) uniform_(this.bias, -bound, bound);
  }
  override forward(input1: Tensor, input2: Tensor): Tensor {
    return F.bilinear(input1, input2, this.weight, this.bias);
  }
  override extraRepr(): string {
    const { in1Features, in2Features, outFeatures } = this;
    return `in1Features=${in1Features}, in2Features=${in2Features}, outFeatures=${outFeatures}, bias=${this.bias !== null}`;
  }
}
