/**
 * Fourier transforms whose results are real, under the names of torch.fft, and stft as pairs of real numbers. What gives
 * complex numbers isn't here: dtypes are real ones.
 *
 * On the way a complex number is a pair of float64 tensors. All is written with public ops, so gradients of every order come
 * free: a length is split into factors of at most 64, for which the transform is a product with a matrix of cosines and
 * sines. A prime above 64 is one such product, of n² numbers.
 */
import { TenfoldError, show } from '../errors.js';
import { Code, getDefaultDtype, isFloatCode, type DType } from '../dtype.js';
import { formatShape, wrapDim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';
import { signature, type Arguments } from '../op/schema.js';
import { arange, fromTypedArray, full, zeros } from './creation.js';
import { cat, stack } from './joining.js';

// ---- transforms of pairs ---------------------------------------------------------------------------------------------

/** Real and imaginary parts; null stands for zeros. */
type Pair = readonly [re: Tensor, im: Tensor | null];

const DIRECT = 64;

/** exp(sign · 2πi j k / n) for j < rows, k < columns, as cosines and sines [rows, columns]. */
function waves(rows: number, columns: number, n: number, sign: number): [Tensor, Tensor] {
  const angles = Float64Array.from(
    { length: rows * columns },
    (_, i) => (sign * 2 * Math.PI * ((Math.floor(i / columns) * (i % columns)) % n)) / n,
  );
  const make = (f: (x: number) => number): Tensor => fromTypedArray(angles.map(f), [rows, columns]);
  return [make(Math.cos), make(Math.sin)];
}
function times([re, im]: Pair, [cos, sin]: [Tensor, Tensor], product: (a: Tensor, b: Tensor) => Tensor): Pair {
  if (im === null) return [product(re, cos), product(re, sin)];
  return [product(re, cos).sub(product(im, sin)), product(im, cos).add(product(re, sin))];
}
/** The transform along the last dim; `sign` -1 forwards, 1 backwards without its factor. */
function transform(x: Pair, sign: number): Pair {
  const n = x[0].shape.at(-1)!;
  let a = Math.min(DIRECT, n);
  while (a > 1 && n % a !== 0) a--;
  const b = n / a;
  if (a === 1 || b === 1) return times(x, waves(n, n, n, sign), (p, q) => p.matmul(q));
  // Element j₁ b + j₂ to k₁ + a k₂: over j₁, a turn by j₂ k₁ / n, then over j₂.
  const batch = x[0].shape.slice(0, -1);
  const apart = x.map((t) => t && t.reshape([...batch, a, b])) as unknown as Pair;
  const first = times(apart, waves(a, a, a, sign), (p, q) => q.matmul(p));
  const turned = times(first, waves(a, b, n, sign), (p, q) => p.mul(q));
  return transform(turned, sign).map((t) => t && t.transpose(-1, -2).reshape([...batch, n])) as unknown as Pair;
}
/** The last dim cut or filled with zeros to n elements. */
function sized(x: Tensor, n: number): Tensor {
  const have = x.shape.at(-1)!;
  if (have >= n) return have === n ? x : x.narrow(-1, 0, n);
  return cat([x, zeros([...x.shape.slice(0, -1), n - have], { dtype: x.dtype })], -1);
}
const sizedPair = ([re, im]: Pair, n: number): Pair => [sized(re, n), im && sized(im, n)];
/** The n real numbers whose half spectrum, the first n / 2 + 1 elements, is given; backwards without its factor. */
function toReal(half: Pair, n: number): Tensor {
  const [re, im] = sizedPair(half, Math.floor(n / 2) + 1);
  const rest = n - re.shape.at(-1)!;
  const mirrored = (t: Tensor): Tensor => t.narrow(-1, 1, rest).flip(-1);
  return transform([cat([re, mirrored(re)], -1), im && cat([im, mirrored(im).neg()], -1)], 1)[0];
}

// ---- calls -----------------------------------------------------------------------------------------------------------

const NORMS = ['backward', 'ortho', 'forward'];
/** The factor of an inverse transform of `count` elements; `forwards` exchanges the two ends. */
function factor(call: string, norm: string | null, count: number, forwards: boolean): number {
  const name = norm ?? 'backward';
  if (!NORMS.includes(name))
    throw new TenfoldError('value', `${call}: norm must be one of ${NORMS.join(', ')}, got ${show(norm)}`);
  if (name === 'ortho') return 1 / Math.sqrt(count);
  return (name === 'backward') === forwards ? 1 : 1 / count;
}
/** As float64, and the dtype to answer in. */
function wide(call: string, x: Tensor): [Tensor, DType] {
  if (x.code === Code.f16 || x.code === Code.bf16)
    throw new TenfoldError('dtype', `${call}: not defined for ${x.dtype}; use float()`);
  return [x.double(), isFloatCode(x.code) ? x.dtype : getDefaultDtype()];
}
function checkLength(call: string, n: number): void {
  if (n < 1) throw new RangeError(`${call}: a transform needs at least 1 element, got ${n}`);
}
/** The dims to transform, and how many elements each shall have; null where that is the input's affair. */
function dimsOf(
  call: string,
  x: Tensor,
  s: number | readonly number[] | null,
  dim: number | readonly number[] | null,
): [dims: number[], sizes: (number | null)[]] {
  const dims = x.shape.length;
  const sizes = s === null ? null : typeof s === 'number' ? [s] : s;
  const given = dim === null ? null : typeof dim === 'number' ? [dim] : dim;
  if (sizes !== null && given !== null && sizes.length !== given.length)
    throw new TenfoldError('shape', `${call}: 's' has ${sizes.length} sizes for ${given.length} dims`);
  if (sizes !== null && given === null && sizes.length > dims)
    throw new TenfoldError('shape', `${call}: 's' has ${sizes.length} sizes for a tensor of ${dims} dims`);
  const count = sizes?.length ?? dims;
  const list = given ?? Array.from({ length: count }, (_, i) => dims - count + i);
  if (dims === 0 && list.length > 0)
    throw new RangeError(`${call}: dim ${list[0]} is out of range: a 0-dim tensor has no dims`);
  const at = list.map((d) => wrapDim(call, d, dims));
  if (new Set(at).size !== at.length) throw new TenfoldError('value', `${call}: a dim appears twice in [${list}]`);
  if (at.length === 0) throw new TenfoldError('value', `${call}: there must be a dim to transform, got none`);
  return [at, at.map((_, i) => (sizes === null || sizes[i] === -1 ? null : sizes[i]!))];
}
/** The real result of an inverse transform over several dims, whose last one is half a spectrum. */
function inverseReal(
  call: string,
  x: Tensor,
  s: number | readonly number[] | null,
  dim: number | readonly number[] | null,
  norm: string | null,
  forwards: boolean,
): Tensor {
  const [dims, sizes] = dimsOf(call, x, s, dim);
  const [input, dtype] = wide(call, x);
  const last = dims.at(-1)!;
  const n = sizes.at(-1) ?? 2 * (x.shape[last]! - 1);
  const lengths = dims.map((d, i) => (i === dims.length - 1 ? n : (sizes[i] ?? x.shape[d]!)));
  for (const length of lengths) checkLength(call, length);
  const scale = factor(call, norm, lengths.reduce((a, b) => a * b, 1), forwards); // prettier-ignore
  let pair: Pair = [input, null];
  const along = (p: Pair, d: number, f: (p: Pair) => Pair): Pair =>
    f(p.map((t) => t && t.movedim(d, -1)) as unknown as Pair).map((t) => t && t.movedim(-1, d)) as unknown as Pair;
  // Of half a spectrum only what counts is transformed.
  pair = along(pair, last, (p) => sizedPair(p, Math.floor(n / 2) + 1));
  dims.slice(0, -1).forEach((d, i) => (pair = along(pair, d, (p) => transform(sizedPair(p, lengths[i]!), 1))));
  return along(pair, last, (p) => [toReal(p, n), null])[0]
    .mul(scale)
    .to(dtype);
}

type Sizes = number | readonly number[] | null;
/** One dim: `n` is the result's size. */
const oneDim =
  (call: string, forwards: boolean) =>
  (x: Tensor, n: number | null, dim: number, norm: string | null): Tensor =>
    inverseReal(call, x, n === null ? null : [n], [dim], norm, forwards);
const severalDims =
  (call: string, forwards: boolean) =>
  (x: Tensor, s: Sizes, dim: Sizes, norm: string | null): Tensor =>
    inverseReal(call, x, s, dim, norm, forwards);

/**
 * The real signal of `n` elements whose spectrum's first half is the input along `dim`; n is 2 (size − 1) by default, the input
 * is cut or filled with zeros. Divided by n for norm 'backward', by its root for 'ortho'. Inputs are real here: a spectrum
 * without imaginary parts. float32 or float64 (integers become the default dtype). See torch.fft.irfft.
 */
export const irfft = defineOp('irfft(Tensor input, int? n=null, int dim=-1, string? norm=null)', (): OpDef => ({
  forward: oneDim('irfft', false),
  composite: true,
}));
/** irfft over the last of two dims, an inverse transform over the other. See torch.fft.irfft2. */
export const irfft2 = defineOp(
  'irfft2(Tensor input, int[]? s=null, int[] dim=[-2,-1], string? norm=null)',
  (): OpDef => ({ forward: severalDims('irfft2', false), composite: true }),
);
/** irfft over the last dim (of `dim`), inverse transforms over the others; `s` are the result's sizes. See torch.fft.irfftn. */
export const irfftn = defineOp(
  'irfftn(Tensor input, int[]? s=null, int[]? dim=null, string? norm=null)',
  (): OpDef => ({ forward: severalDims('irfftn', false), composite: true }),
);
/**
 * The real spectrum, of `n` elements, of a signal that is its own mirror image and of which the input along `dim` is the first
 * half: irfft with the other norms ('backward' leaves it undivided). See torch.fft.hfft.
 */
export const hfft = defineOp('hfft(Tensor input, int? n=null, int dim=-1, string? norm=null)', (): OpDef => ({
  forward: oneDim('hfft', true),
  composite: true,
}));
/** hfft over the last of two dims, a transform over the other. See torch.fft.hfft2. */
export const hfft2 = defineOp(
  'hfft2(Tensor input, int[]? s=null, int[] dim=[-2,-1], string? norm=null)',
  (): OpDef => ({ forward: severalDims('hfft2', true), composite: true }),
);
/** hfft over the last dim (of `dim`), transforms over the others. See torch.fft.hfftn. */
export const hfftn = defineOp('hfftn(Tensor input, int[]? s=null, int[]? dim=null, string? norm=null)', (): OpDef => ({
  forward: severalDims('hfftn', true),
  composite: true,
}));

// ---- the order of frequencies ----------------------------------------------------------------------------------------

const rolled =
  (call: string, half: (size: number) => number) =>
  (x: Tensor, dim: Sizes): Tensor => {
    const dims = dim === null ? x.shape.map((_, i) => i) : (typeof dim === 'number' ? [dim] : dim).map((d) => wrapDim(call, d, x.shape.length)); // prettier-ignore
    if (dims.length === 0 || x.shape.length === 0) return x.clone();
    return x.roll(
      dims.map((d) => half(x.shape[d]!)),
      dims,
    );
  };
/** Frequencies in the order of fftfreq with 0 brought to the middle, along `dim` or all dims. See torch.fft.fftshift. */
export const fftshift = defineOp('fftshift(Tensor input, int[]? dim=null)', (): OpDef => ({
  forward: rolled('fftshift', (n) => Math.floor(n / 2)),
  composite: true,
}));
/** Undoes fftshift. See torch.fft.ifftshift. */
export const ifftshift = defineOp('ifftshift(Tensor input, int[]? dim=null)', (): OpDef => ({
  forward: rolled('ifftshift', (n) => Math.ceil(n / 2)),
  composite: true,
}));

function frequencies(call: string, count: number, n: number, d: number, dtype: DType | null, grad: boolean): Tensor {
  if (n < 1) throw new RangeError(`${call}: n must be at least 1, got ${n}`);
  const out = arange(count, { dtype: dtype ?? getDefaultDtype() });
  if (!isFloatCode(out.code))
    throw new TenfoldError('dtype', `${call}: dtype must be floating-point, got ${show(dtype)}`);
  const behind = Math.floor((n + 1) / 2);
  const whole = count === n && n > 1 ? cat([out.narrow(0, 0, behind), out.narrow(0, behind, n - behind).sub(n)]) : out;
  const scaled = whole.mul(1 / (n * d));
  return grad ? scaled.requiresGrad_() : scaled;
}
const all = signature('fftfreq(int n, float d=1, *, dtype? dtype=null, bool requiresGrad=false)');
/** Frequencies of the n elements of a transform, for samples that are `d` apart: 0 … then the negative ones. See torch.fft.fftfreq. */
export function fftfreq(...args: Arguments<typeof all.schema>): Tensor {
  const [n, d, dtype, grad] = all.read(args);
  return frequencies('fftfreq', n, n, d, dtype, grad);
}
const firstHalf = signature('rfftfreq(int n, float d=1, *, dtype? dtype=null, bool requiresGrad=false)');
/** The frequencies of half a spectrum: the first n / 2 + 1 of fftfreq, all positive. See torch.fft.rfftfreq. */
export function rfftfreq(...args: Arguments<typeof firstHalf.schema>): Tensor {
  const [n, d, dtype, grad] = firstHalf.read(args);
  return frequencies('rfftfreq', Math.floor(n / 2) + 1, n, d, dtype, grad);
}

// ---- spectra over time -----------------------------------------------------------------------------------------------

/** Where elements in front of and behind a signal come from. */
const OUTSIDE: Record<string, ((at: number, size: number) => number) | null> = {
  constant: null,
  reflect: (at, size) => (at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at),
  replicate: (at, size) => Math.min(Math.max(at, 0), size - 1),
  circular: (at, size) => (at + size) % size,
};
function widened(x: Tensor, margin: number, mode: string): Tensor {
  if (!(mode in OUTSIDE))
    throw new TenfoldError('value', `stft: padMode must be one of ${Object.keys(OUTSIDE).join(', ')}, got ${show(mode)}`); // prettier-ignore
  const place = OUTSIDE[mode]!;
  const size = x.shape.at(-1)!;
  if (place === null) {
    const margins = full([...x.shape.slice(0, -1), margin], 0, { dtype: x.dtype });
    return cat([margins, x, margins], -1);
  }
  if (mode === 'reflect' ? margin >= size : mode === 'circular' ? margin > size : size === 0)
    throw new TenfoldError('shape', `stft: a signal of ${size} elements can't be padded by ${margin} (nFft / 2) on both sides`); // prettier-ignore
  const index = BigInt64Array.from({ length: size + 2 * margin }, (_, i) => BigInt(place(i - margin, size)));
  return x.indexSelect(-1, fromTypedArray(index));
}
/**
 * Spectra of overlapping parts of a signal [l] or [n, l]: `nFft` elements every `hopLength` (nFft / 4), times a window of
 * `winLength` (nFft) elements; with `center` the signal is padded by nFft / 2 on both sides first. Gives real and imaginary
 * parts [(n,) frequencies, parts, 2], so `returnComplex: false` must be said: complex dtypes don't exist here. See torch.stft.
 */
export const stft = defineOp(
  "stft(Tensor self, int nFft, int? hopLength=null, int? winLength=null, Tensor? window=null, bool center=true, string padMode='reflect', bool normalized=false, bool? onesided=null, bool? returnComplex=null)",
  (): OpDef => ({
    forward(
      x: Tensor,
      n: number,
      hop: number | null,
      length: number | null,
      window: Tensor | null,
      center: boolean,
      mode: string,
      normalized: boolean,
      onesided: boolean | null,
      complex: boolean | null,
    ) {
      if (complex !== false)
        throw new TenfoldError('dtype', 'stft: complex dtypes don’t exist here; say returnComplex: false for pairs of real numbers'); // prettier-ignore
      if (!isFloatCode(x.code) || (x.shape.length !== 1 && x.shape.length !== 2))
        throw new TenfoldError('shape', `stft: needs a floating-point signal [l] or [n, l], got ${x.dtype} ${formatShape(x.shape)}`); // prettier-ignore
      const step = hop ?? Math.floor(n / 4);
      const width = length ?? window?.shape[0] ?? n;
      const signal = center ? widened(x, Math.floor(n / 2), mode) : x;
      if (n < 1 || n > signal.shape.at(-1)!)
        throw new RangeError(`stft: nFft must be from 1 to the signal's ${signal.shape.at(-1)} elements, got ${n}`);
      if (step < 1) throw new RangeError(`stft: hopLength must be at least 1, got ${step}`);
      if (width < 1 || width > n) throw new RangeError(`stft: winLength must be from 1 to nFft (${n}), got ${width}`);
      if (window !== null && (window.shape.length !== 1 || window.shape[0] !== width))
        throw new TenfoldError('shape', `stft: window must have ${width} elements, got ${formatShape(window.shape)}`);
      let frames = signal.unfold(-1, n, step).double(); // [(n,) parts, nFft]
      if (window !== null || width < n) {
        const before = Math.floor((n - width) / 2);
        const shape = window?.double() ?? full([width], 1, { dtype: 'float64' });
        const margin = (size: number): Tensor => zeros([size], { dtype: 'float64' });
        frames = frames.mul(cat([margin(before), shape, margin(n - width - before)]));
      }
      const count = (onesided ?? true) ? Math.floor(n / 2) + 1 : n;
      const parts = transform([frames, null], -1).map((t) => t!.narrow(-1, 0, count).transpose(-1, -2));
      const out = stack(parts, -1);
      return (normalized ? out.div(Math.sqrt(n)) : out).to(x.dtype);
    },
    composite: true,
  }),
);
