/** Quantised tensors: 8- and 16-bit integers with scales and zero points. */
import { TenfoldError } from '../../errors.js';
import { codeOf, type DType } from '../../dtype.js';
import type { Tensor } from '../../tensor/tensor.js';
import { operator, operators, table } from '../signature.js';
import { dtypeFor } from '../tensors.js';
import { boundOf } from './reduction.js';
import { wrapAxis } from './shape.js';
import { conv, type Windows } from './windows.js';

/** A scale or zero point as what broadcasts to x: one for all, one for each slice of an axis, or one for each block of it. */
function spread(s: Tensor, x: Tensor, axis: number, block: number): Tensor {
  if (s.count === 1 && block === 0) return s.reshape([]);
  const dim = wrapAxis('QuantizeLinear', axis, x.ndim);
  if (block > 0) return s.repeatInterleave(block, dim).narrow(dim, 0, x.shape[dim]!);
  return s.reshape(x.shape.map((n, d) => (d === dim ? n : 1)));
}

/** Rounded (half to even), moved by the zero point, and cut to the dtype's range. */
function saturated(x: Tensor, zero: Tensor | null, dtype: DType): Tensor {
  const code = codeOf('QuantizeLinear', dtype);
  const wide = x.to('float64').round();
  const moved = zero === null ? wide : wide.add(zero.to('float64'));
  return moved.clamp(Number(boundOf(code, false)), Number(boundOf(code, true))).to(dtype);
}

interface Quantize {
  axis: number;
  block_size: number;
  output_dtype: number;
  precision: number;
}
function quantize(a: Quantize, x: Tensor, scale: Tensor, zero: Tensor | null): Tensor {
  const dtype = zero !== null ? zero.dtype : a.output_dtype ? dtypeFor('QuantizeLinear', a.output_dtype) : 'uint8';
  const precise = a.precision ? dtypeFor('QuantizeLinear', a.precision) : x.isFloatingPoint() ? x.dtype : scale.dtype;
  const quotient = x.to(precise).div(spread(scale.to(precise), x, a.axis, a.block_size));
  return saturated(quotient, zero === null ? null : spread(zero, x, a.axis, a.block_size), dtype);
}
function dequantize(a: Omit<Quantize, 'precision'>, x: Tensor, scale: Tensor, zero: Tensor | null): Tensor {
  let y = x.to('float32');
  if (zero !== null) y = y.sub(spread(zero.to('float32'), x, a.axis, a.block_size));
  y = y.mul(spread(scale, x, a.axis, a.block_size).to('float32'));
  return y.to(a.output_dtype ? dtypeFor('DequantizeLinear', a.output_dtype) : scale.dtype);
}

/** Of float32 numbers, to uint8, with the scale and zero point that their range asks for. */
function dynamicQuantize(x: Tensor): Tensor[] {
  const low = x.amin().clampMax(0);
  const high = x.amax().clampMin(0);
  const scale = high.sub(low).div(255);
  const zero = saturated(low.neg().div(scale).nanToNum(0), null, 'uint8');
  return [saturated(x.div(scale).nanToNum(0), zero, 'uint8'), scale, zero];
}

/** Exact integers in float64, moved by the zero point. `dim`: where a vector of zero points stands. */
function exact(x: Tensor, zero: Tensor | null, dim: number): Tensor {
  const y = x.to('float64');
  if (zero === null) return y;
  const z = zero.to('float64');
  if (z.count === 1) return y.sub(z.reshape([]));
  if (z.ndim === x.ndim) return y.sub(z);
  if (z.ndim !== 1) throw new TenfoldError('shape', `a zero point of shape [${z.shape}] for [${x.shape}]`);
  return y.sub(z.reshape(Array.from({ length: x.ndim }, (_, d) => (d === dim ? z.count : 1))));
}
const matmulInteger = (a: Tensor, b: Tensor, aZero: Tensor | null, bZero: Tensor | null): Tensor =>
  exact(a, aZero, a.ndim - 2).matmul(exact(b, bZero, b.ndim - 1));

/** A result's scale: those of the operands, over its own. `dim`: where a vector of scales stands. */
function rescaled(y: Tensor, scales: readonly [Tensor, number][], own: Tensor, zero: Tensor): Tensor {
  let out = y;
  for (const [scale, dim] of scales) {
    const s = scale.to('float64');
    const vector = (): Tensor => s.reshape(Array.from({ length: y.ndim }, (_, d) => (d === dim ? s.count : 1)));
    out = out.mul(s.count === 1 ? s.reshape([]) : s.ndim === y.ndim ? s : vector());
  }
  return saturated(out.div(own.to('float64').reshape([])), zero, zero.dtype);
}

export const QUANTIZATION = table(
  operator(
    'QuantizeLinear(Tensor x, setting y_scale, Tensor? y_zero_point; int axis=1, int saturate=1, int output_dtype=0, int block_size=0, int precision=0)',
    (a, x: Tensor, scale: Tensor, zero: Tensor | null) => quantize(a, x, scale, zero),
  ),
  operator(
    'DequantizeLinear(Tensor x, setting x_scale, Tensor? x_zero_point; int axis=1, int output_dtype=0, int block_size=0)',
    (a, x: Tensor, scale: Tensor, zero: Tensor | null) => dequantize(a, x, scale, zero),
  ),
  operators('DynamicQuantizeLinear(Tensor x)', (_, x: Tensor) => dynamicQuantize(x)),
  operator(
    'MatMulInteger(Tensor A, Tensor B, Tensor? a_zero_point, Tensor? b_zero_point)',
    (_, a: Tensor, b: Tensor, aZero: Tensor | null, bZero: Tensor | null) =>
      matmulInteger(a, b, aZero, bZero).to('int32'),
  ),
  operator(
    'QLinearMatMul(Tensor a, setting a_scale, Tensor a_zero_point, Tensor b, setting b_scale, Tensor b_zero_point, setting y_scale, Tensor y_zero_point)',
    (
      _,
      a: Tensor,
      aScale: Tensor,
      aZero: Tensor,
      b: Tensor,
      bScale: Tensor,
      bZero: Tensor,
      scale: Tensor,
      zero: Tensor,
    ) => {
      const y = matmulInteger(a, b, aZero, bZero);
      return rescaled(
        y,
        [
          [aScale, y.ndim - 2],
          [bScale, y.ndim - 1],
        ],
        scale,
        zero,
      );
    },
  ),
  operator(
    'ConvInteger(Tensor x, Tensor w, Tensor? x_zero_point, Tensor? w_zero_point; int group=1, ints? pads, string auto_pad=NOTSET, ints? strides, ints? dilations, ints? kernel_shape)',
    (a, x: Tensor, w: Tensor, xZero: Tensor | null, wZero: Tensor | null) =>
      conv(a as Windows & { group: number }, exact(x, xZero, 1), exact(w, wZero, 0), null).to('int32'),
  ),
  operator(
    'QLinearConv(Tensor x, setting x_scale, Tensor x_zero_point, Tensor w, setting w_scale, Tensor w_zero_point, setting y_scale, Tensor y_zero_point, Tensor? B; int group=1, ints? pads, string auto_pad=NOTSET, ints? strides, ints? dilations, ints? kernel_shape)',
    (
      a,
      x: Tensor,
      xScale: Tensor,
      xZero: Tensor,
      w: Tensor,
      wScale: Tensor,
      wZero: Tensor,
      scale: Tensor,
      zero: Tensor,
      b: Tensor | null,
    ) =>
      rescaled(
        conv(a, exact(x, xZero, 1), exact(w, wZero, 0), b?.to('float64') ?? null),
        [
          [xScale, 1],
          [wScale, 1],
        ],
        scale,
        zero,
      ),
  ),
);
