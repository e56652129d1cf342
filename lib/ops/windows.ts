/** Window functions, under the names of torch.signal.windows. */
import { TenfoldError, renamed, show } from '../errors.js';
import type { DType } from '../dtype.js';
import { getDefaultDtype } from '../dtype.js';
import { signature, type Arguments } from '../op/schema.js';
import type { Tensor } from '../tensor/tensor.js';
import { linspace, ones, empty } from './creation.js';

const TAIL = 'bool sym=true, dtype? dtype=null, bool requiresGrad=false)';
/**
 * A window of M samples: checked, with the two cases that need no formula, else `of` in the dtype. `period` is M − 1 of a
 * symmetric window, M of a periodic one (the first part of a symmetric window of M + 1).
 */
function windowOf(
  call: string,
  M: number,
  sym: boolean,
  dtype: DType | null,
  requiresGrad: boolean,
  of: (dtype: DType, period: number) => Tensor,
): Tensor {
  const type = dtype ?? getDefaultDtype();
  if (M < 0) throw new RangeError(`${call}: M must not be negative, got ${M}`);
  if (type !== 'float32' && type !== 'float64')
    throw new TenfoldError('dtype', `${call}: dtype must be float32 or float64, got ${show(type)}`);
  const out =
    M === 0
      ? empty([0], { dtype: type })
      : M === 1
        ? ones([1], { dtype: type })
        : renamed(call, () => of(type, sym ? M - 1 : M));
  return requiresGrad ? out.requiresGrad_() : out;
}
/** a[0] − a[1] cos(k) + a[2] cos(2k) − … over one period. */
function cosines(a: readonly number[], M: number, dtype: DType, period: number): Tensor {
  const k = linspace(0, ((M - 1) * 2 * Math.PI) / period, M, { dtype });
  return a
    .map((factor, i) =>
      k
        .mul(i)
        .cos()
        .mul(i % 2 === 0 ? factor : -factor),
    )
    .reduce((sum, term) => sum.add(term));
}

const triangular = signature(`bartlett(int M, *, ${TAIL}`);
/** Bartlett's window: 1 − |2n / (M − 1) − 1|. See torch.signal.windows.bartlett. */
export function bartlett(...args: Arguments<typeof triangular.schema>): Tensor {
  const [M, sym, dtype, requiresGrad] = triangular.read(args);
  return windowOf('bartlett', M, sym, dtype, requiresGrad, (type, period) =>
    linspace(-1, -1 + ((M - 1) * 2) / period, M, { dtype: type })
      .abs()
      .neg()
      .add(1),
  );
}
const three = signature(`blackman(int M, *, ${TAIL}`);
/** Blackman's window, with 0.42, 0.5 and 0.08 as generalCosine's factors. See torch.signal.windows.blackman. */
export function blackman(...args: Arguments<typeof three.schema>): Tensor {
  const [M, sym, dtype, requiresGrad] = three.read(args);
  return windowOf('blackman', M, sym, dtype, requiresGrad, (t, period) => cosines([0.42, 0.5, 0.08], M, t, period));
}
const arch = signature(`cosine(int M, *, ${TAIL}`);
/** sin(π (n + ½) / M). See torch.signal.windows.cosine. */
export function cosine(...args: Arguments<typeof arch.schema>): Tensor {
  const [M, sym, dtype, requiresGrad] = arch.read(args);
  return windowOf('cosine', M, sym, dtype, requiresGrad, (type, period) => {
    const step = Math.PI / (period + 1);
    return linspace(0.5 * step, (M - 0.5) * step, M, { dtype: type }).sin();
  });
}
const decay = signature(`exponential(int M, *, float? center=null, float tau=1, ${TAIL}`);
/**
 * exp(−|n − center| / tau); the center of a symmetric window is its middle, and can't be given. See
 * torch.signal.windows.exponential.
 */
export function exponential(...args: Arguments<typeof decay.schema>): Tensor {
  const [M, center, tau, sym, dtype, requiresGrad] = decay.read(args);
  if (tau <= 0) throw new RangeError(`exponential: tau must be positive, got ${tau}`);
  if (sym && center !== null)
    throw new TenfoldError('value', `exponential: a symmetric window's center is its middle, got center ${center}`);
  return windowOf('exponential', M, sym, dtype, requiresGrad, (type, period) => {
    const middle = center ?? period / 2;
    return linspace(-middle / tau, (-middle + M - 1) / tau, M, { dtype: type })
      .abs()
      .neg()
      .exp();
  });
}
const bell = signature(`gaussian(int M, *, float std=1, ${TAIL}`);
/** exp(−½ ((n − middle) / std)²). See torch.signal.windows.gaussian. */
export function gaussian(...args: Arguments<typeof bell.schema>): Tensor {
  const [M, std, sym, dtype, requiresGrad] = bell.read(args);
  if (std <= 0) throw new RangeError(`gaussian: std must be positive, got ${std}`);
  return windowOf('gaussian', M, sym, dtype, requiresGrad, (type, period) => {
    const scale = 1 / (std * Math.SQRT2);
    return linspace((-period / 2) * scale, (-period / 2 + M - 1) * scale, M, { dtype: type })
      .square()
      .neg()
      .exp();
  });
}
const sum = signature(`generalCosine(int M, *, float[] a=[], ${TAIL}`);
/** a[0] − a[1] cos(2πn / (M − 1)) + a[2] cos(4πn / (M − 1)) − … See torch.signal.windows.general_cosine. */
export function generalCosine(...args: Arguments<typeof sum.schema>): Tensor {
  const [M, a, sym, dtype, requiresGrad] = sum.read(args);
  if (a.length === 0) throw new TenfoldError('value', 'generalCosine: option a must be a list of factors, not empty');
  return windowOf('generalCosine', M, sym, dtype, requiresGrad, (type, period) => cosines(a, M, type, period));
}
const two = signature(`generalHamming(int M, *, float alpha=0.54, ${TAIL}`);
/** alpha − (1 − alpha) cos(2πn / (M − 1)). See torch.signal.windows.general_hamming. */
export function generalHamming(...args: Arguments<typeof two.schema>): Tensor {
  const [M, alpha, sym, dtype, requiresGrad] = two.read(args);
  return windowOf('generalHamming', M, sym, dtype, requiresGrad, (t, period) =>
    cosines([alpha, 1 - alpha], M, t, period),
  );
}
const raised = signature(`hamming(int M, *, ${TAIL}`);
/** generalHamming with alpha 0.54. See torch.signal.windows.hamming. */
export function hamming(...args: Arguments<typeof raised.schema>): Tensor {
  const [M, sym, dtype, requiresGrad] = raised.read(args);
  return windowOf('hamming', M, sym, dtype, requiresGrad, (t, period) => cosines([0.54, 1 - 0.54], M, t, period));
}
const squared = signature(`hann(int M, *, ${TAIL}`);
/** generalHamming with alpha ½. See torch.signal.windows.hann. */
export function hann(...args: Arguments<typeof squared.schema>): Tensor {
  const [M, sym, dtype, requiresGrad] = squared.read(args);
  return windowOf('hann', M, sym, dtype, requiresGrad, (t, period) => cosines([0.5, 0.5], M, t, period));
}
const bessel = signature(`kaiser(int M, *, float beta=12, ${TAIL}`);
/** I₀(beta √(1 − (2n / (M − 1) − 1)²)) / I₀(beta). See torch.signal.windows.kaiser. */
export function kaiser(...args: Arguments<typeof bessel.schema>): Tensor {
  const [M, beta, sym, dtype, requiresGrad] = bessel.read(args);
  if (beta < 0) throw new RangeError(`kaiser: beta must not be negative, got ${beta}`);
  return windowOf('kaiser', M, sym, dtype, requiresGrad, (type, period) => {
    const k = linspace(-beta, Math.min(beta, -beta + ((M - 1) * 2 * beta) / period), M, { dtype: type });
    const whole = ones([], { dtype: type }).mul(beta).i0();
    return k
      .square()
      .neg()
      .add(beta * beta)
      .sqrt()
      .i0()
      .div(whole);
  });
}
const four = signature(`nuttall(int M, *, ${TAIL}`);
/** Nuttall's window of least sidelobes, of four cosines. See torch.signal.windows.nuttall. */
export function nuttall(...args: Arguments<typeof four.schema>): Tensor {
  const [M, sym, dtype, requiresGrad] = four.read(args);
  const a = [0.3635819, 0.4891775, 0.1365995, 0.0106411];
  return windowOf('nuttall', M, sym, dtype, requiresGrad, (type, period) => cosines(a, M, type, period));
}
