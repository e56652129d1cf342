/**
 * Initial values, drawn as PyTorch draws them: after manualSeed a layer's weights are PyTorch's. Every function fills its
 * tensor in place, outside the graph, and returns it. `fanIn` is the number of inputs that one output sees.
 */
import { TenfoldError, checkCount, didYouMean, renamed, show } from '../errors.js';
import { mode } from '../autograd/mode.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor, checkIsTensor } from '../tensor/tensor.js';
import { randperm, where } from '../ops/index.js';
import type { Generator } from '../random/generator.js';
import { signature, type Arguments } from '../op/schema.js';

function fill<T extends Tensor>(call: string, tensor: T, fn: () => void): T {
  const before = mode.grad;
  mode.grad = false;
  try {
    renamed(call, fn);
  } finally {
    mode.grad = before;
  }
  return tensor;
}

const uniformCall = signature('uniform_(Tensor tensor, float a=0, float b=1, generator? generator=null)');
/** Uniform in [a, b). See torch.nn.init.uniform_. */
export function uniform_(...args: Arguments<typeof uniformCall.schema>): Tensor {
  const [tensor, a, b, generator] = uniformCall.read(args);
  return fill('uniform_', tensor, () => tensor.uniform_(a, b, { generator }));
}
const normalCall = signature('normal_(Tensor tensor, float mean=0, float std=1, generator? generator=null)');
/** Normal with a mean and a standard deviation. See torch.nn.init.normal_. */
export function normal_(...args: Arguments<typeof normalCall.schema>): Tensor {
  const [tensor, mean, std, generator] = normalCall.read(args);
  return fill('normal_', tensor, () => tensor.normal_(mean, std, { generator }));
}
const constantCall = signature('constant_(Tensor tensor, Scalar val)');
/** One value everywhere. See torch.nn.init.constant_. */
export function constant_(...args: Arguments<typeof constantCall.schema>): Tensor {
  const [tensor, val] = constantCall.read(args);
  return fill('constant_', tensor, () => tensor.fill_(val));
}
const onesCall = signature('ones_(Tensor tensor)');
/** Ones. See torch.nn.init.ones_. */
export function ones_(...args: Arguments<typeof onesCall.schema>): Tensor {
  const [tensor] = onesCall.read(args);
  return fill('ones_', tensor, () => tensor.fill_(1));
}
const zerosCall = signature('zeros_(Tensor tensor)');
/** Zeros. See torch.nn.init.zeros_. */
export function zeros_(...args: Arguments<typeof zerosCall.schema>): Tensor {
  const [tensor] = zerosCall.read(args);
  return fill('zeros_', tensor, () => tensor.fill_(0));
}

const eyeCall = signature('eye_(Tensor tensor)');
/** The identity, for a matrix. See torch.nn.init.eye_. */
export function eye_(...args: Arguments<typeof eyeCall.schema>): Tensor {
  const [tensor] = eyeCall.read(args);
  if (tensor.shape.length !== 2)
    throw new TenfoldError('shape', `eye_: needs a matrix, got shape ${formatShape(tensor.shape)}`);
  return fill('eye_', tensor, () => {
    tensor.zero_();
    const n = Math.min(tensor.shape[0]!, tensor.shape[1]!);
    const [row, column] = tensor.strides as [number, number];
    if (n > 0) tensor.asStrided([n], [row + column], tensor.offset).fill_(1);
  });
}

const diracCall = signature('dirac_(Tensor tensor, int groups=1)');
/** The kernel of a convolution [out, in, …] that passes its channels on. See torch.nn.init.dirac_. */
export function dirac_(...args: Arguments<typeof diracCall.schema>): Tensor {
  const [tensor, groups] = diracCall.read(args);
  const { shape } = tensor;
  if (shape.length < 3 || shape.length > 5) {
    throw new TenfoldError(
      'shape',
      `dirac_: needs the kernel of a convolution (3 to 5 dims), got shape ${formatShape(shape)}`,
    );
  }
  if (groups < 1 || shape[0]! % groups !== 0)
    throw new TenfoldError('value', `dirac_: ${shape[0]} channels can't form ${groups} groups`);
  return fill('dirac_', tensor, () => {
    tensor.zero_();
    const perGroup = shape[0]! / groups;
    for (let g = 0; g < groups; g++) {
      for (let c = 0; c < Math.min(perGroup, shape[1]!); c++) {
        let at = tensor.select(0, g * perGroup + c).select(0, c);
        for (const size of shape.slice(2)) at = at.select(0, Math.floor(size / 2));
        at.fill_(1);
      }
    }
  });
}

/** Functions that calculateGain knows. */
export type Nonlinearity =
  | 'linear'
  | 'conv1d'
  | 'conv2d'
  | 'conv3d'
  | 'conv_transpose1d'
  | 'conv_transpose2d'
  | 'conv_transpose3d'
  | 'sigmoid'
  | 'tanh'
  | 'relu'
  | 'leaky_relu'
  | 'selu';
const GAINS: Record<string, (param: number | null) => number> = {
  tanh: () => 5 / 3,
  relu: () => Math.sqrt(2),
  leaky_relu: (slope) => Math.sqrt(2 / (1 + (slope ?? 0.01) ** 2)),
  selu: () => 3 / 4,
};
for (const name of [
  'linear',
  'conv1d',
  'conv2d',
  'conv3d',
  'conv_transpose1d',
  'conv_transpose2d',
  'conv_transpose3d',
  'sigmoid',
]) {
  GAINS[name] = () => 1;
}
/** Factor by which weights before this function are scaled to keep variances. See torch.nn.init.calculate_gain. */
export function calculateGain(nonlinearity: Nonlinearity | (string & {}), param: number | null = null): number {
  checkCount('calculateGain', arguments, 2);
  if (param !== null && typeof param !== 'number')
    throw new TypeError(`calculateGain: 'param' must be a number or null, got ${show(param)}`);
  // Also spelt in camelCase: leakyRelu.
  const key = typeof nonlinearity === 'string' ? nonlinearity.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) : '';
  const gain = GAINS[key];
  if (!Object.hasOwn(GAINS, key) || !gain) {
    const hint = didYouMean(key, Object.keys(GAINS)) || ` (known: ${Object.keys(GAINS).join(', ')})`;
    throw new TenfoldError('value', `calculateGain: unknown nonlinearity ${show(nonlinearity)}${hint}`);
  }
  return gain(param);
}

/** Inputs per output and outputs per input of a weight [out, in, …]. */
export function calculateFanInAndFanOut(tensor: Tensor): [fanIn: number, fanOut: number] {
  checkCount('calculateFanInAndFanOut', arguments, 1);
  return fans('calculateFanInAndFanOut', tensor) as [number, number];
}
function fans(call: string, tensor: Tensor): number[] {
  checkIsTensor(call, 'tensor', tensor);
  const { shape } = tensor;
  if (shape.length < 2)
    throw new TenfoldError('shape', `${call}: needs at least 2 dims to know its fans, got shape ${formatShape(shape)}`);
  const field = shape.slice(2).reduce((a, b) => a * b, 1);
  return [shape[1]! * field, shape[0]! * field];
}

const xavierUniformCall = signature('xavierUniform_(Tensor tensor, float gain=1, generator? generator=null)');
/** Uniform with variance gain² · 2 / (fanIn + fanOut) (Glorot and Bengio 2010). See torch.nn.init.xavier_uniform_. */
export function xavierUniform_(...args: Arguments<typeof xavierUniformCall.schema>): Tensor {
  const [tensor, gain, generator] = xavierUniformCall.read(args);
  const [fanIn, fanOut] = fans('xavierUniform_', tensor) as [number, number];
  const bound = Math.sqrt(3) * (gain * Math.sqrt(2 / (fanIn + fanOut)));
  return fill('xavierUniform_', tensor, () => tensor.uniform_(-bound, bound, { generator }));
}
const xavierNormalCall = signature('xavierNormal_(Tensor tensor, float gain=1, generator? generator=null)');
/** Normal with variance gain² · 2 / (fanIn + fanOut). See torch.nn.init.xavier_normal_. */
export function xavierNormal_(...args: Arguments<typeof xavierNormalCall.schema>): Tensor {
  const [tensor, gain, generator] = xavierNormalCall.read(args);
  const [fanIn, fanOut] = fans('xavierNormal_', tensor) as [number, number];
  return fill('xavierNormal_', tensor, () => tensor.normal_(0, gain * Math.sqrt(2 / (fanIn + fanOut)), { generator }));
}

function kaimingStd(call: string, tensor: Tensor, a: number, fanMode: string, nonlinearity: string): number {
  const which = fanMode === 'fan_in' || fanMode === 'fanIn' ? 0 : 1;
  return calculateGain(nonlinearity, a) / Math.sqrt(fans(call, tensor)[which]!);
}
const kaimingUniformCall = signature(
  "kaimingUniform_(Tensor tensor, float a=0, 'fan_in'|'fan_out'|'fanIn'|'fanOut' mode='fan_in', 'linear'|'conv1d'|'conv2d'|'conv3d'|'conv_transpose1d'|'conv_transpose2d'|'conv_transpose3d'|'sigmoid'|'tanh'|'relu'|'leaky_relu'|'leakyRelu'|'selu' nonlinearity='leaky_relu', generator? generator=null)",
);
/** Uniform with variance gain² / fan (He et al. 2015); `a` is leaky_relu's slope. See torch.nn.init.kaiming_uniform_. */
export function kaimingUniform_(...args: Arguments<typeof kaimingUniformCall.schema>): Tensor {
  const [tensor, a, fanMode, nonlinearity, generator] = kaimingUniformCall.read(args);
  if (tensor.shape.includes(0)) return tensor;
  const bound = Math.sqrt(3) * kaimingStd('kaimingUniform_', tensor, a, fanMode, nonlinearity);
  return fill('kaimingUniform_', tensor, () => tensor.uniform_(-bound, bound, { generator }));
}
const kaimingNormalCall = signature(
  "kaimingNormal_(Tensor tensor, float a=0, 'fan_in'|'fan_out'|'fanIn'|'fanOut' mode='fan_in', 'linear'|'conv1d'|'conv2d'|'conv3d'|'conv_transpose1d'|'conv_transpose2d'|'conv_transpose3d'|'sigmoid'|'tanh'|'relu'|'leaky_relu'|'leakyRelu'|'selu' nonlinearity='leaky_relu', generator? generator=null)",
);
/** Normal with variance gain² / fan; `a` is leaky_relu's slope. See torch.nn.init.kaiming_normal_. */
export function kaimingNormal_(...args: Arguments<typeof kaimingNormalCall.schema>): Tensor {
  const [tensor, a, fanMode, nonlinearity, generator] = kaimingNormalCall.read(args);
  if (tensor.shape.includes(0)) return tensor;
  const std = kaimingStd('kaimingNormal_', tensor, a, fanMode, nonlinearity);
  return fill('kaimingNormal_', tensor, () => tensor.normal_(0, std, { generator }));
}

/** The standard normal distribution's share below x. */
const normalCdf = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;
// Series near 0, continued fraction far out: full double precision, which the bounds below need.
function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
      if (n > 200) break;
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / ((a + fraction) * Math.sqrt(Math.PI)));
}

const truncCall = signature(
  'truncNormal_(Tensor tensor, float mean=0, float std=1, float a=-2, float b=2, generator? generator=null)',
);
/**
 * Normal, drawn again outside [a, b]; where little of the normal lies there, uniform in it and kept with the normal's density, as
 * PyTorch does it. See torch.nn.init.trunc_normal_.
 */
export function truncNormal_(...args: Arguments<typeof truncCall.schema>): Tensor {
  const [tensor, mean, std, a, b, generator] = truncCall.read(args);
  if (!(std > 0) || !(a < b))
    throw new RangeError(`truncNormal_: std must be positive and a below b, got ${std}, ${a}, ${b}`);
  const share = normalCdf((b - mean) / std) - normalCdf((a - mean) / std);
  return fill('truncNormal_', tensor, () => {
    if (share > 0.3) redraw(tensor, mean, std, a, b, generator);
    else reject(tensor, mean, std, a, b, generator);
  });
}
type Draw = (tensor: Tensor, mean: number, std: number, a: number, b: number, generator: Generator | null) => void;
const redraw: Draw = (tensor, mean, std, a, b, generator) => {
  // The bounds as the dtype has them, so that a value on one is inside.
  const [low, high] = [a, b].map((x) => Tensor.zeros([], tensor.code).add(x).item()) as [number, number];
  tensor.normal_(mean, std, { generator });
  for (;;) {
    const outside = tensor.lt(low).logicalOr(tensor.gt(high));
    if (!outside.any().item<boolean>()) return;
    tensor.copy_(where(outside, Tensor.rawLike(tensor, tensor.code).normal_(mean, std, { generator }), tensor));
  }
};
const reject: Draw = (tensor, mean, std, a, b, generator) => {
  const peak = -0.5 * ((Math.max(a, Math.min(mean, b)) - mean) / std) ** 2;
  const candidates = Tensor.rawLike(tensor, tensor.code);
  const dice = Tensor.rawLike(tensor, tensor.code);
  let pending: Tensor | null = null;
  do {
    candidates.uniform_(a, b, { generator });
    tensor.copy_(pending === null ? candidates : where(pending, candidates, tensor));
    candidates.sub_(mean).div_(std).pow_(2).mul_(-0.5).sub_(peak);
    const missed: Tensor = dice.uniform_({ generator }).log_().gt(candidates);
    pending = pending === null ? missed : where(pending, missed, pending);
  } while (pending!.any().item<boolean>());
};

const orthogonalCall = signature('orthogonal_(Tensor tensor, float gain=1, generator? generator=null)');
/**
 * Orthogonal rows (or columns, where there are fewer of them), times gain; dims behind the first count as columns. From a
 * QR decomposition by Householder reflections with a positive diagonal of R (Saxe et al. 2013). See
 * torch.nn.init.orthogonal_.
 */
export function orthogonal_(...args: Arguments<typeof orthogonalCall.schema>): Tensor {
  const [tensor, gain, generator] = orthogonalCall.read(args);
  if (tensor.shape.length < 2) {
    throw new TenfoldError('shape', `orthogonal_: needs at least 2 dims, got shape ${formatShape(tensor.shape)}`);
  }
  if (tensor.count === 0) return tensor;
  const rows = tensor.shape[0]!;
  const columns = tensor.count / rows;
  return fill('orthogonal_', tensor, () => {
    const drawn = Tensor.raw([rows, columns], tensor.code);
    drawn.normal_(0, 1, { generator });
    const wide = (rows < columns ? drawn.t() : drawn).to('float64').contiguous();
    const [m, n] = wide.shape as unknown as [number, number];
    const q = Tensor.wrap(orthonormalColumns(wide.toTypedArray() as Float64Array, m, n), [m, n], wide.code);
    tensor.copy_((rows < columns ? q.t() : q).reshape(tensor.shape));
    tensor.mul_(gain);
  });
}

/** Q of the QR decomposition of a row-major m × n matrix, m ≥ n, signed so that R's diagonal is positive. */
function orthonormalColumns(a: Float64Array, m: number, n: number): Float64Array {
  const reflections: Float64Array[] = [];
  const signs: number[] = [];
  for (let k = 0; k < n; k++) {
    const v = new Float64Array(m);
    let norm = 0;
    for (let i = k; i < m; i++) norm += (v[i] = a[i * n + k]!) ** 2;
    const alpha = v[k]! > 0 ? -Math.sqrt(norm) : Math.sqrt(norm);
    v[k]! -= alpha;
    reflections.push(v);
    signs.push(Math.sign(alpha) || 1);
    reflect(v, a, m, n, k);
  }
  const q = new Float64Array(m * n);
  for (let k = 0; k < n; k++) q[k * n + k] = signs[k]!;
  for (let k = n - 1; k >= 0; k--) reflect(reflections[k]!, q, m, n, 0);
  return q;
}
// x − 2 v (v·x) / (v·v), for each column from `from` on.
function reflect(v: Float64Array, x: Float64Array, m: number, n: number, from: number): void {
  let vv = 0;
  for (let i = 0; i < m; i++) vv += v[i]! * v[i]!;
  if (vv === 0) return;
  for (let j = from; j < n; j++) {
    let vx = 0;
    for (let i = 0; i < m; i++) vx += v[i]! * x[i * n + j]!;
    const f = (2 * vx) / vv;
    for (let i = 0; i < m; i++) x[i * n + j]! -= f * v[i]!;
  }
}

const sparseCall = signature('sparse_(Tensor tensor, float sparsity, float std=0.01, generator? generator=null)');
/** A matrix with this fraction of each column zero, the rest normal with `std`. See torch.nn.init.sparse_. */
export function sparse_(...args: Arguments<typeof sparseCall.schema>): Tensor {
  const [tensor, sparsity, std, generator] = sparseCall.read(args);
  if (!(sparsity >= 0 && sparsity <= 1)) throw new RangeError(`sparse_: sparsity must be from 0 to 1, got ${sparsity}`);
  if (tensor.shape.length !== 2)
    throw new TenfoldError('shape', `sparse_: needs a matrix, got shape ${formatShape(tensor.shape)}`);
  const [rows, columns] = tensor.shape as unknown as [number, number];
  const zeros = Math.ceil(sparsity * rows);
  return fill('sparse_', tensor, () => {
    tensor.normal_(0, std, { generator });
    for (let column = 0; column < columns; column++) {
      const order = randperm(rows, { generator }).toTypedArray() as BigInt64Array;
      for (let i = 0; i < zeros; i++) tensor.select(1, column).select(0, Number(order[i])).fill_(0);
    }
  });
}
