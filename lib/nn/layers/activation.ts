/** Activations as modules: no parameters but PReLU's; the shape stays, but for GLU's. */
import { TenfoldError } from '../../errors.js';
import { full } from '../../ops/creation.js';
import { formatShape } from '../../tensor/shape.js';
import { checkIsTensor, type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/index.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { guard } from '../parts.js';
import { float, number } from '../print.js';

const reluCall = signature('ReLU(bool inplace=false)');
/** max(x, 0). See torch.nn.ReLU. */
export class ReLU extends Module {
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof reluCall.schema>) {
    super();
    [this.inplace] = reluCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    checkIsTensor('ReLU', 'input', input);
    return this.inplace ? input.relu_() : input.relu();
  }
  override extraRepr(): string {
    return this.inplace ? 'inplace=true' : '';
  }
}

const relu6Call = signature('ReLU6(bool inplace=false)');
/** x limited to [0, 6]. See torch.nn.ReLU6. */
export class ReLU6 extends Module {
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof relu6Call.schema>) {
    super();
    [this.inplace] = relu6Call.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.relu6(input, this.inplace);
  }
  override extraRepr(): string {
    return this.inplace ? 'inplace=true' : '';
  }
}

const leakyReluCall = signature('LeakyReLU(float negativeSlope=0.01, bool inplace=false)');
/** x where it is positive, negativeSlope · x elsewhere. See torch.nn.LeakyReLU. */
export class LeakyReLU extends Module {
  readonly negativeSlope: number;
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof leakyReluCall.schema>) {
    super();
    [this.negativeSlope, this.inplace] = leakyReluCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.leakyRelu(input, this.negativeSlope, this.inplace);
  }
  override extraRepr(): string {
    return `negativeSlope=${number(this.negativeSlope)}` + (this.inplace ? ', inplace=true' : '');
  }
}

const eluCall = signature('ELU(float alpha=1, bool inplace=false)');
/** x where it is positive, alpha · (eˣ − 1) elsewhere. See torch.nn.ELU. */
export class ELU extends Module {
  readonly alpha: number;
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof eluCall.schema>) {
    super();
    [this.alpha, this.inplace] = eluCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.elu(input, this.alpha, this.inplace);
  }
  override extraRepr(): string {
    return `alpha=${float(this.alpha)}` + (this.inplace ? ', inplace=true' : '');
  }
}

const seluCall = signature('SELU(bool inplace=false)');
/** elu, scaled so that activations keep mean 0 and variance 1. See torch.nn.SELU. */
export class SELU extends Module {
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof seluCall.schema>) {
    super();
    [this.inplace] = seluCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.selu(input, this.inplace);
  }
  override extraRepr(): string {
    return this.inplace ? 'inplace=true' : '';
  }
}

const celuCall = signature('CELU(float alpha=1, bool inplace=false)');
/** max(0, x) + min(0, alpha · (e^(x / alpha) − 1)). See torch.nn.CELU. */
export class CELU extends Module {
  readonly alpha: number;
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof celuCall.schema>) {
    super();
    [this.alpha, this.inplace] = celuCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.celu(input, this.alpha, this.inplace);
  }
  override extraRepr(): string {
    return `alpha=${float(this.alpha)}` + (this.inplace ? ', inplace=true' : '');
  }
}

const geluCall = signature("GELU('none'|'tanh' approximate='none')");
/** x · Φ(x), or its approximation by tanh. See torch.nn.GELU. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';
  constructor(...args: Arguments<typeof geluCall.schema>) {
    super();
    [this.approximate] = geluCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.gelu(input, { approximate: this.approximate });
  }
  override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

const siluCall = signature('SiLU(bool inplace=false)');
/** x · sigmoid(x). See torch.nn.SiLU. */
export class SiLU extends Module {
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof siluCall.schema>) {
    super();
    [this.inplace] = siluCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.silu(input, this.inplace);
  }
  override extraRepr(): string {
    return this.inplace ? 'inplace=true' : '';
  }
}

const mishCall = signature('Mish(bool inplace=false)');
/** x · tanh(softplus(x)). See torch.nn.Mish. */
export class Mish extends Module {
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof mishCall.schema>) {
    super();
    [this.inplace] = mishCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.mish(input, this.inplace);
  }
  override extraRepr(): string {
    return this.inplace ? 'inplace=true' : '';
  }
}

const softplusCall = signature('Softplus(float beta=1, float threshold=20)');
/** log(1 + e^(beta x)) / beta. See torch.nn.Softplus. */
export class Softplus extends Module {
  readonly beta: number;
  readonly threshold: number;
  constructor(...args: Arguments<typeof softplusCall.schema>) {
    super();
    [this.beta, this.threshold] = softplusCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.softplus(input, this.beta, this.threshold);
  }
  override extraRepr(): string {
    return `beta=${float(this.beta)}, threshold=${float(this.threshold)}`;
  }
}

/** x / (1 + |x|). See torch.nn.Softsign. */
export class Softsign extends Module {
  override forward(input: Tensor): Tensor {
    return F.softsign(input);
  }
}

/** 1 / (1 + e⁻ˣ). See torch.nn.Sigmoid. */
export class Sigmoid extends Module {
  override forward(input: Tensor): Tensor {
    checkIsTensor('Sigmoid', 'input', input);
    return input.sigmoid();
  }
}

/** log(sigmoid(x)). See torch.nn.LogSigmoid. */
export class LogSigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return F.logsigmoid(input);
  }
}

/** Hyperbolic tangent. See torch.nn.Tanh. */
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    checkIsTensor('Tanh', 'input', input);
    return input.tanh();
  }
}

/** x − tanh(x). See torch.nn.Tanhshrink. */
export class Tanhshrink extends Module {
  override forward(input: Tensor): Tensor {
    return F.tanhshrink(input);
  }
}

const hardtanhCall = signature('Hardtanh(float minVal=-1, float maxVal=1, bool inplace=false)');
/** x limited to [minVal, maxVal]. See torch.nn.Hardtanh. */
export class Hardtanh extends Module {
  readonly minVal: number;
  readonly maxVal: number;
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof hardtanhCall.schema>) {
    super();
    [this.minVal, this.maxVal, this.inplace] = hardtanhCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.hardtanh(input, this.minVal, this.maxVal, this.inplace);
  }
  override extraRepr(): string {
    return `minVal=${float(this.minVal)}, maxVal=${float(this.maxVal)}` + (this.inplace ? ', inplace=true' : '');
  }
}

const hardswishCall = signature('Hardswish(bool inplace=false)');
/** x · relu6(x + 3) / 6. See torch.nn.Hardswish. */
export class Hardswish extends Module {
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof hardswishCall.schema>) {
    super();
    [this.inplace] = hardswishCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.hardswish(input, this.inplace);
  }
  override extraRepr(): string {
    return this.inplace ? 'inplace=true' : '';
  }
}

const hardsigmoidCall = signature('Hardsigmoid(bool inplace=false)');
/** relu6(x + 3) / 6. See torch.nn.Hardsigmoid. */
export class Hardsigmoid extends Module {
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof hardsigmoidCall.schema>) {
    super();
    [this.inplace] = hardsigmoidCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.hardsigmoid(input, this.inplace);
  }
  override extraRepr(): string {
    return this.inplace ? 'inplace=true' : '';
  }
}

const hardshrinkCall = signature('Hardshrink(float lambd=0.5)');
/** x where |x| is above lambd, else 0. See torch.nn.Hardshrink. */
export class Hardshrink extends Module {
  readonly lambd: number;
  constructor(...args: Arguments<typeof hardshrinkCall.schema>) {
    super();
    [this.lambd] = hardshrinkCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.hardshrink(input, this.lambd);
  }
  override extraRepr(): string {
    return number(this.lambd);
  }
}

const softshrinkCall = signature('Softshrink(float lambd=0.5)');
/** x moved towards 0 by lambd, and 0 nearer to it than that. See torch.nn.Softshrink. */
export class Softshrink extends Module {
  readonly lambd: number;
  constructor(...args: Arguments<typeof softshrinkCall.schema>) {
    super();
    [this.lambd] = softshrinkCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.softshrink(input, this.lambd);
  }
  override extraRepr(): string {
    return number(this.lambd);
  }
}

const thresholdCall = signature('Threshold(float threshold, float value, bool inplace=false)');
/** x where it is above threshold, value elsewhere. See torch.nn.Threshold. */
export class Threshold extends Module {
  readonly threshold: number;
  readonly value: number;
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof thresholdCall.schema>) {
    super();
    [this.threshold, this.value, this.inplace] = thresholdCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.threshold(input, this.threshold, this.value, this.inplace);
  }
  override extraRepr(): string {
    return `threshold=${number(this.threshold)}, value=${number(this.value)}` + (this.inplace ? ', inplace=true' : '');
  }
}

const gluCall = signature('GLU(int dim=-1)');
/** First half times sigmoid of the second half along dim. See torch.nn.GLU. */
export class GLU extends Module {
  readonly dim: number;
  constructor(...args: Arguments<typeof gluCall.schema>) {
    super();
    [this.dim] = gluCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.glu(input, this.dim);
  }
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

const softmaxCall = signature('Softmax(int? dim=null)');
/** eˣ over its sum along dim. See torch.nn.Softmax. */
export class Softmax extends Module {
  readonly dim: number | null;
  constructor(...args: Arguments<typeof softmaxCall.schema>) {
    super();
    [this.dim] = softmaxCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.softmax(input, this.dim);
  }
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** softmax over the channels of [n, c, h, w] or [c, h, w]. See torch.nn.Softmax2d. */
export class Softmax2d extends Module {
  override forward(input: Tensor): Tensor {
    checkIsTensor('Softmax2d', 'input', input);
    const { shape } = input;
    if (shape.length !== 3 && shape.length !== 4)
      throw new TenfoldError('shape', `Softmax2d: expected [n, c, h, w] or [c, h, w], got ${formatShape(shape)}`);
    return F.softmax(input, -3);
  }
}

const logSoftmaxCall = signature('LogSoftmax(int? dim=null)');
/** log(softmax(x)) along dim. See torch.nn.LogSoftmax. */
export class LogSoftmax extends Module {
  readonly dim: number | null;
  constructor(...args: Arguments<typeof logSoftmaxCall.schema>) {
    super();
    [this.dim] = logSoftmaxCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.logSoftmax(input, this.dim);
  }
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

const softminCall = signature('Softmin(int? dim=null)');
/** softmax(−x) along dim. See torch.nn.Softmin. */
export class Softmin extends Module {
  readonly dim: number | null;
  constructor(...args: Arguments<typeof softminCall.schema>) {
    super();
    [this.dim] = softminCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.softmin(input, this.dim);
  }
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

const rreluCall = signature('RReLU(float lower=0.125, float upper=0.3333333333333333, bool inplace=false)');
/** x where it is positive, elsewhere x times a number drawn from [lower, upper); their mean in eval(). See torch.nn.RReLU. */
export class RReLU extends Module {
  readonly lower: number;
  readonly upper: number;
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof rreluCall.schema>) {
    super();
    [this.lower, this.upper, this.inplace] = rreluCall.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.rrelu(input, this.lower, this.upper, this.training, this.inplace);
  }
  override extraRepr(): string {
    return `lower=${number(this.lower)}, upper=${number(this.upper)}` + (this.inplace ? ', inplace=true' : '');
  }
}

const preluCall = signature('PReLU(int numParameters=1, float init=0.25, *, dtype? dtype=null)');
/** x where it is positive, weight · x elsewhere, with trained weights: one, or one for each channel. See torch.nn.PReLU. */
export class PReLU extends Module {
  readonly numParameters: number;
  weight: Parameter;
  constructor(...args: Arguments<typeof preluCall.schema>) {
    super();
    const [numParameters, init, dtype] = preluCall.read(args);
    this.numParameters = numParameters;
    this.weight = Parameter.empty([numParameters], dtype);
    this.weight.rawCopy(full([], init));
    guard(this, 'weight');
  }
  override forward(input: Tensor): Tensor {
    return F.prelu(input, this.weight);
  }
  override extraRepr(): string {
    return `numParameters=${this.numParameters}`;
  }
}
