/**
 * Activations. Each is one kernel for its value and one for its derivative; the derivative is an op itself, whose own
 * derivative is a formula of public ops. To add one: functor lines in native/kernels/activation.cc, a block here, a row in
 * the tests. With `inplace: true` the result is written into the input.
 */
import { TenfoldError } from '../../errors.js';
import { Code, holds, isFloatCode, type DType } from '../../dtype.js';
import { kernel } from '../../native/launch.js';
import { formatShape, wrapDim } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { To, elementwise, unary } from '../../op/elementwise.js';
import { countTrue } from '../../op/indexed.js';
import { onesLike, tensor } from '../../ops/creation.js';
import { where } from '../../ops/index.js';

type Call = Record<string, number>;
type Derivative = (grad: Tensor, x: Tensor, ...scalars: number[]) => Tensor;

/** An op for grad · f′(x). `curve` is f″, left out where f is made of straight lines. */
function derivative(name: string, scalars: readonly string[], curve?: (x: Tensor, call: Call) => Tensor): Derivative {
  const k = kernel(name);
  const schema = `${name}(Tensor grad, Tensor input${scalars.map((s) => `, float ${s}`).join('')})`;
  const op = defineOp(schema, (): OpDef => ({
    forward: (grad: Tensor, x: Tensor, ...given: number[]) => elementwise(k, name, [grad, x], x.code, x.code, given),
    backward: {
      grad: d('input', (g, x, call) => op(g, x, ...scalars.map((s) => call[s]))),
      input: d('grad', 'input', (g, grad, x, call) => (curve ? g.mul(grad).mul(curve(x, call)) : g.mul(0))),
    },
  })) as unknown as Derivative;
  return op;
}

/** Block of an activation with a kernel of its name, which takes the call's `scalars`. */
const activation = (name: string, scalars: readonly string[], backward: Derivative): (() => OpDef) => {
  const k = kernel(name);
  return (): OpDef => ({
    forward: (x: Tensor, ...given: number[]) => unary(k, name, x, To.same, given.slice(0, scalars.length)),
    backward: { input: d('input', (grad, x, call) => backward(grad, x, ...scalars.map((s) => call[s]))) },
  });
};

/** max(x, 0). See torch.nn.functional.relu. */
export const relu = defineOp('relu(Tensor input, bool inplace=false)', (): OpDef => ({
  forward: (x: Tensor) => x.relu(),
  composite: true,
}));
/** 1 / (1 + e⁻ˣ). See torch.nn.functional.sigmoid. */
export const sigmoid = defineOp('sigmoid(Tensor input)', (): OpDef => ({
  forward: (x: Tensor) => x.sigmoid(),
  composite: true,
}));
/** Hyperbolic tangent. See torch.nn.functional.tanh. */
export const tanh = defineOp('tanh(Tensor input)', (): OpDef => ({
  forward: (x: Tensor) => x.tanh(),
  composite: true,
}));

const leakyReluBackward = derivative('leakyReluBackward', ['negativeSlope']);
/** x where it is positive, negativeSlope · x elsewhere. See torch.nn.functional.leaky_relu. */
export const leakyRelu = defineOp(
  'leakyRelu(Tensor input, float negativeSlope=0.01, bool inplace=false)',
  activation('leakyRelu', ['negativeSlope'], leakyReluBackward),
);

/** x where it is positive, weight · x elsewhere; one weight, or one for each channel (dim 1). See torch.nn.functional.prelu. */
export const prelu = defineOp('prelu(Tensor input, Tensor weight)', (): OpDef => ({
  forward(x: Tensor, weight: Tensor) {
    const n = x.shape.length;
    if (weight.count === 1) return preluBroadcast(x, weight.reshape([]));
    const channels = n === 0 ? 0 : n === 1 ? 1 : x.shape[1]!;
    if (weight.shape.length !== 1 || weight.count !== channels) {
      throw new TenfoldError(
        'shape',
        `prelu: weight has shape ${formatShape(weight.shape)}, expected one element or one for each of ${channels} channels of ${formatShape(x.shape)}`,
      );
    }
    return preluBroadcast(x, weight.reshape([-1, ...new Array<number>(n - 2).fill(1)]));
  },
  composite: true,
}));
const preluBroadcast = defineOp('preluBroadcast(Tensor input, Tensor weight)', (): OpDef => ({
  forward: (x: Tensor, weight: Tensor) => where(x.gt(0), x, x.mul(weight)),
  backward: {
    input: d('input', 'weight', (grad, x, weight) => where(x.gt(0), grad, grad.mul(weight))),
    weight: d('input', (grad, x) => where(x.gt(0), 0, grad.mul(x))),
  },
  gradName: 'PreluBackward0',
}));

const eluBackward = derivative('eluBackward', ['alpha', 'scale', 'inputScale'], (x, { alpha, scale, inputScale }) =>
  where(
    x.gt(0),
    0,
    x
      .mul(inputScale!)
      .exp()
      .mul(alpha! * scale! * inputScale! ** 2),
  ),
);
const ELU = kernel('elu');
/** x where it is positive, alpha · (eˣ − 1) elsewhere. See torch.nn.functional.elu. */
export const elu = defineOp('elu(Tensor input, float alpha=1, bool inplace=false)', (): OpDef => ({
  forward: (x: Tensor, alpha: number) => unary(ELU, 'elu', x, To.same, [alpha, 1, 1]),
  backward: { input: d('input', (grad, x, call) => eluBackward(grad, x, call.alpha, 1, 1)) },
}));
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;
const SELU = kernel('selu');
/** elu, scaled so that activations keep mean 0 and variance 1 (Klambauer et al. 2017). See torch.nn.functional.selu. */
export const selu = defineOp('selu(Tensor input, bool inplace=false)', (): OpDef => ({
  forward: (x: Tensor) => unary(SELU, 'selu', x),
  backward: { input: d('input', (grad, x) => eluBackward(grad, x, SELU_ALPHA, SELU_SCALE, 1)) },
  gradName: 'EluBackward0',
}));
const CELU = kernel('celu');
/** max(0, x) + min(0, alpha · (e^(x / alpha) − 1)). See torch.nn.functional.celu. */
export const celu = defineOp('celu(Tensor input, float alpha=1, bool inplace=false)', (): OpDef => ({
  forward(x: Tensor, alpha: number) {
    if (alpha === 0) throw new TenfoldError('value', 'celu: alpha must not be 0');
    return unary(CELU, 'celu', x, To.same, [alpha]);
  },
  backward: { input: d('input', (grad, x, call) => eluBackward(grad, x, call.alpha, 1, 1 / call.alpha)) },
}));

const density = (x: Tensor): Tensor =>
  x
    .square()
    .mul(-0.5)
    .exp()
    .div(Math.sqrt(2 * Math.PI));
const geluBackward = derivative('geluBackward', [], (x) => density(x).mul(x.square().neg().add(2)));
const CUBE = 0.044715;
const geluTanhBackward = derivative('geluTanhBackward', [], (x) => {
  const k = Math.sqrt(2 / Math.PI);
  const t = x.mul(x.square().mul(CUBE).add(1)).mul(k).tanh();
  const bend = t.square().neg().add(1);
  const du = x.square().mul(3 * CUBE).add(1).mul(k); // prettier-ignore
  const ddu = x.mul(6 * CUBE * k);
  return bend.mul(du).add(
    x
      .mul(0.5)
      .mul(bend)
      .mul(ddu.sub(t.mul(2).mul(du.square()))),
  );
});
const GELU = kernel('gelu');
const GELU_TANH = kernel('geluTanh');
/** x · Φ(x); with approximate 'tanh' by tanh instead of erf (Hendrycks and Gimpel 2016). See torch.nn.functional.gelu. */
export const gelu = defineOp("gelu(Tensor input, *, 'none'|'tanh' approximate='none')", (): OpDef => ({
  forward(x: Tensor, approximate: string) {
    return unary(approximate === 'none' ? GELU : GELU_TANH, 'gelu', x);
  },
  backward: {
    input: d('input', (grad, x, call) => (call.approximate === 'none' ? geluBackward : geluTanhBackward)(grad, x)),
  },
}));

const siluBackward = derivative('siluBackward', [], (x) => {
  const s = x.sigmoid();
  const rest = s.neg().add(1);
  return s.mul(rest).mul(x.mul(rest.sub(s)).add(2));
});
/** x · sigmoid(x), also called swish. See torch.nn.functional.silu. */
export const silu = defineOp('silu(Tensor input, bool inplace=false)', activation('silu', [], siluBackward));

const mishBackward = derivative('mishBackward', [], (x) => {
  const s = x.sigmoid();
  const t = softplus(x).tanh();
  const bend = t.square().neg().add(1);
  const dt = bend.mul(s);
  const ddt = dt.mul(s.neg().add(1).sub(t.mul(s).mul(2)));
  return dt.mul(2).add(x.mul(ddt));
});
/** x · tanh(softplus(x)) (Misra 2019). See torch.nn.functional.mish. */
export const mish = defineOp('mish(Tensor input, bool inplace=false)', activation('mish', [], mishBackward));

const softplusBackward = derivative('softplusBackward', ['beta', 'threshold'], (x, { beta, threshold }) => {
  const scaled = x.mul(beta!);
  const s = scaled.sigmoid();
  return where(scaled.gt(threshold!), 0, s.mul(s.neg().add(1)).mul(beta!));
});
/** log(1 + e^(beta x)) / beta; x itself where beta x is above threshold. See torch.nn.functional.softplus. */
export const softplus = defineOp(
  'softplus(Tensor input, float beta=1, float threshold=20)',
  activation('softplus', ['beta', 'threshold'], softplusBackward),
);
const logSigmoidBackward = derivative('logSigmoidBackward', [], (x) => {
  const s = x.sigmoid();
  return s.mul(s.sub(1));
});
/** log(sigmoid(x)). See torch.nn.functional.logsigmoid. */
export const logsigmoid = defineOp('logsigmoid(Tensor input)', (): OpDef => ({
  ...activation('logsigmoid', [], logSigmoidBackward)(),
  gradName: 'LogSigmoidBackward0',
}));
const softsignBackward = derivative('softsignBackward', [], (x) => x.sign().mul(-2).div(x.abs().add(1).pow(3)));
/** x / (1 + |x|). See torch.nn.functional.softsign. */
export const softsign = defineOp('softsign(Tensor input)', (): OpDef => ({
  forward: (x: Tensor) => (x.isFloatingPoint() ? softsignOf(x) : x.div(x.abs().add(1))),
  composite: true,
}));
const softsignOf = defineOp('softsignOf(Tensor input)', (): OpDef => ({
  ...activation('softsign', [], softsignBackward)(),
  gradName: 'DivBackward0',
}));

const hardtanhBackward = derivative('hardtanhBackward', ['minVal', 'maxVal']);
/** x limited to [minVal, maxVal]; the derivative at and beyond the limits is 0. See torch.nn.functional.hardtanh. */
export const hardtanh = defineOp(
  'hardtanh(Tensor input, float minVal=-1, float maxVal=1, bool inplace=false)',
  (): OpDef => ({
    forward(x: Tensor, minVal: number, maxVal: number) {
      if (minVal > maxVal)
        throw new TenfoldError('value', `hardtanh: minVal must not be above maxVal, got ${minVal} and ${maxVal}`);
      return limit('hardtanh', x, minVal, maxVal);
    },
    backward: { input: d('input', (grad, x, call) => hardtanhBackward(grad, x, call.minVal, call.maxVal)) },
  }),
);
const HARDTANH = kernel('hardtanh');
const limit = (call: string, x: Tensor, min: number, max: number): Tensor => {
  if (x.isFloatingPoint()) return unary(HARDTANH, call, x, To.same, [min, max]);
  if (x.dtype === 'bool') throw new TenfoldError('dtype', `${call}: not defined for bool`);
  return x.clamp(Math.trunc(min), Math.trunc(max));
};
/** x limited to [0, 6]. See torch.nn.functional.relu6. */
export const relu6 = defineOp('relu6(Tensor input, bool inplace=false)', (): OpDef => ({
  forward: (x: Tensor) => limit('relu6', x, 0, 6),
  backward: { input: d('input', (grad, x) => hardtanhBackward(grad, x, 0, 6)) },
  gradName: 'HardtanhBackward0',
}));
const hardsigmoidBackward = derivative('hardsigmoidBackward', []);
/** relu6(x + 3) / 6. See torch.nn.functional.hardsigmoid. */
export const hardsigmoid = defineOp(
  'hardsigmoid(Tensor input, bool inplace=false)',
  activation('hardsigmoid', [], hardsigmoidBackward),
);
const hardswishBackward = derivative('hardswishBackward', [], (x) => where(x.abs().lt(3), 1 / 3, x.mul(0)));
/** x · relu6(x + 3) / 6 (Howard et al. 2019). See torch.nn.functional.hardswish. */
export const hardswish = defineOp(
  'hardswish(Tensor input, bool inplace=false)',
  activation('hardswish', [], hardswishBackward),
);

const shrinkBackward = derivative('shrinkBackward', ['lambd']);
/** x where |x| is above lambd, else 0. See torch.nn.functional.hardshrink. */
export const hardshrink = defineOp(
  'hardshrink(Tensor input, float lambd=0.5)',
  activation('hardshrink', ['lambd'], shrinkBackward),
);
const SOFTSHRINK = kernel('softshrink');
/** x moved towards 0 by lambd, and 0 nearer to it than that. See torch.nn.functional.softshrink. */
export const softshrink = defineOp('softshrink(Tensor input, float lambd=0.5)', (): OpDef => ({
  forward(x: Tensor, lambd: number) {
    if (!(lambd >= 0)) throw new TenfoldError('value', `softshrink: lambd must not be negative, got ${lambd}`);
    return unary(SOFTSHRINK, 'softshrink', x, To.same, [lambd]);
  },
  backward: { input: d('input', (grad, x, call) => shrinkBackward(grad, x, call.lambd)) },
}));
/** x − tanh(x). See torch.nn.functional.tanhshrink. */
export const tanhshrink = defineOp('tanhshrink(Tensor input)', (): OpDef => ({
  forward: (x: Tensor) => x.sub(x.tanh()),
  composite: true,
}));
const thresholdBackward = derivative('thresholdBackward', ['threshold']);
/** x where it is above threshold, value elsewhere. See torch.nn.functional.threshold. */
export const threshold = defineOp(
  'threshold(Tensor input, float threshold, float value, bool inplace=false)',
  (): OpDef => ({
    forward(x: Tensor, at: number, value: number) {
      if (isFloatCode(x.code)) return unary(THRESHOLD, 'threshold', x, To.same, [at, value]);
      if (x.code === Code.bool) throw new TenfoldError('dtype', 'threshold: not defined for bool');
      for (const n of [at, value])
        if (!holds(x.code, n)) throw new TenfoldError('value', `threshold: ${n} has no ${x.dtype} value`);
      return where(x.gt(Math.trunc(at)), x, Math.trunc(value)).to(x.dtype);
    },
    backward: { input: d('input', (grad, x, call) => thresholdBackward(grad, x, call.threshold)) },
  }),
);
const THRESHOLD = kernel('threshold');

/**
 * x where it is positive, elsewhere x times a number of its own, drawn uniformly from [lower, upper) in training and their
 * mean otherwise (Xu et al. 2015). The numbers drawn are PyTorch's for a seed. See torch.nn.functional.rrelu.
 */
export const rrelu = defineOp(
  'rrelu(Tensor input, float lower=0.125, float upper=0.3333333333333333, bool training=false, bool inplace=false)',
  (): OpDef => ({
    forward(x: Tensor, lower: number, upper: number, training: boolean) {
      if (!(lower <= upper))
        throw new TenfoldError('value', `rrelu: lower must not be above upper, got ${lower} and ${upper}`);
      if (!x.isFloatingPoint()) throw new TenfoldError('dtype', `rrelu: needs a floating-point dtype, got ${x.dtype}`);
      if (!training) return leakyRelu(x, (lower + upper) / 2);
      const below = x.detach().le(0);
      // Limits are of x's dtype, the numbers between them drawn as float64: one for each element that takes one.
      const [from, to] = tensor([lower, upper], { dtype: x.dtype }).double().tolist() as [number, number];
      const slopes = Tensor.raw([countTrue(below)], Code.f64)
        .uniform_(from, to)
        .to(x.dtype);
      return x.mul(onesLike(x).detach().maskedScatter(below, slopes));
    },
    composite: true,
  }),
);

/** First half times sigmoid of the second half along `dim` (Dauphin et al. 2016). See torch.nn.functional.glu. */
export const glu = defineOp('glu(Tensor input, int dim=-1)', (): OpDef => ({
  forward(x: Tensor, dim: number) {
    if (x.shape.length === 0) throw new TenfoldError('shape', 'glu: a 0-dim tensor has no dim to halve');
    const at = wrapDim('glu', dim, x.shape.length);
    const size = x.shape[at]!;
    if (size % 2 !== 0) throw new TenfoldError('shape', `glu: dim ${at} must have an even size, got ${size}`);
    return x.narrow(at, 0, size / 2).mul(x.narrow(at, size / 2, size / 2).sigmoid());
  },
  composite: true,
}));

const needDim = (call: string, dim: number | null): number => {
  if (dim === null) throw new TenfoldError('value', `${call}: give the dim that sums to 1`);
  return dim;
};
/** eˣ over its sum along dim. See torch.nn.functional.softmax. */
export const softmax = defineOp('softmax(Tensor input, int? dim=null, *, dtype? dtype=null)', (): OpDef => ({
  forward: (x: Tensor, dim: number | null, dtype: DType | null) => x.softmax(needDim('softmax', dim), dtype),
  composite: true,
}));
/** log(softmax(x)) along dim. See torch.nn.functional.log_softmax. */
export const logSoftmax = defineOp('logSoftmax(Tensor input, int? dim=null, *, dtype? dtype=null)', (): OpDef => ({
  forward: (x: Tensor, dim: number | null, dtype: DType | null) => x.logSoftmax(needDim('logSoftmax', dim), dtype),
  composite: true,
}));
/** softmax(−x) along dim. See torch.nn.functional.softmin. */
export const softmin = defineOp('softmin(Tensor input, int? dim=null, *, dtype? dtype=null)', (): OpDef => ({
  forward: (x: Tensor, dim: number | null, dtype: DType | null) => x.neg().softmax(needDim('softmin', dim), dtype),
  composite: true,
}));
/**
 * A sample from the Gumbel-softmax distribution over `dim` (Jang et al. 2017): softmax((logits + noise) / tau). With `hard` it is
 * one-hot, and has the gradient of the soft one. The noise is PyTorch's for a seed. See torch.nn.functional.gumbel_softmax.
 */
export const gumbelSoftmax = defineOp(
  'gumbelSoftmax(Tensor logits, float tau=1, bool hard=false, float eps=1e-10, int dim=-1)',
  (): OpDef => ({
    forward(logits: Tensor, tau: number, hard: boolean, eps: number, dim: number) {
      if (eps !== 1e-10) throw new TenfoldError('value', 'gumbelSoftmax: eps has no effect any more; leave it out');
      if (!logits.isFloatingPoint())
        throw new TenfoldError('dtype', `gumbelSoftmax: needs a floating-point dtype, got ${logits.dtype}`);
      const at = wrapDim('gumbelSoftmax', dim, logits.shape.length);
      const noise = Tensor.raw(logits.shape, logits.code).exponential_().log().neg();
      const soft = logits.add(noise).div(tau).softmax(at);
      if (!hard) return soft;
      const oneHot = Tensor.zeros(logits.shape, logits.code).scatter(at, soft.detach().argmax(at, true), 1);
      return oneHot.sub(soft.detach()).add(soft);
    },
    composite: true,
  }),
);
