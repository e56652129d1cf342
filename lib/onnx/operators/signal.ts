/** Fourier transforms, windows and what goes before them. */
import { TenfoldError } from '../../errors.js';
import { arange, fromTypedArray } from '../../ops/creation.js';
import { cat, stack } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { numberOf } from '../integers.js';
import { operator, table, type Operator } from '../signature.js';
import { dtypeFor } from '../tensors.js';
import { padded } from './padding.js';
import { wrapAxis } from './shape.js';

type Complex = readonly [real: Tensor, imaginary: Tensor];

/** cos and sin of 2π i j / n for i < rows, j < columns. */
function waves(rows: number, columns: number, n: number): Complex {
  const angle = (i: number): number => (2 * Math.PI * ((Math.floor(i / columns) * (i % columns)) % n)) / n;
  const make = (f: (x: number) => number): Tensor =>
    fromTypedArray(
      Float64Array.from({ length: rows * columns }, (_, i) => f(angle(i))),
      [rows, columns],
    );
  return [make(Math.cos), make(Math.sin)];
}

/** Above, an even length is two transforms of half of it. */
const DIRECT = 64;

/** The transform along the last dim, in float64; `sign` -1 forwards, 1 backwards without its factor. */
function transform([re, im]: Complex, sign: number): Complex {
  const n = re.shape.at(-1)!;
  if (n > DIRECT && n % 2 === 0) {
    const part = (start: number): Complex => transform([re.slice(-1, start, n, 2), im.slice(-1, start, n, 2)], sign);
    const [even, odd] = [part(0), part(1)];
    const [cos, sin] = waves(2, n / 2, n).map((t) => t.select(0, 1)) as [Tensor, Tensor];
    const turned: Complex = [
      odd[0].mul(cos).sub(odd[1].mul(sin).mul(sign)),
      odd[1].mul(cos).add(odd[0].mul(sin).mul(sign)),
    ];
    const both = (k: 0 | 1): Tensor => cat([even[k].add(turned[k]), even[k].sub(turned[k])], -1);
    return [both(0), both(1)];
  }
  const [cos, sin] = waves(n, n, n);
  return [re.matmul(cos).sub(im.matmul(sin).mul(sign)), im.matmul(cos).add(re.matmul(sin).mul(sign))];
}

interface Fourier {
  inverse: number;
  onesided: number;
}
/** x [..., 1 or 2] along a dim; the result has its real and imaginary parts in the last one. */
function dft(a: Fourier, x: Tensor, length: number | null, axis: number): Tensor {
  const dim = wrapAxis('DFT', axis, x.ndim);
  if (dim === x.ndim - 1) throw new RangeError(`DFT: axis ${axis} is the one of real and imaginary parts`);
  const whole = a.inverse !== 0 && a.onesided !== 0;
  const n = length ?? (whole ? 2 * (x.shape[dim]! - 1) : x.shape[dim]!);
  const sized = (y: Tensor, m: number): Tensor => padded(y, [dim], [0], [m - y.shape[dim]!], 'constant', 0);
  const y = sized(x.to('float64'), whole ? Math.floor(n / 2) + 1 : n);
  const real = y.select(-1, 0).movedim(dim, -1);
  const imaginary = y.shape.at(-1) === 2 ? y.select(-1, 1).movedim(dim, -1) : real.mul(0);
  const input: Complex = whole ? mirrored(real, imaginary, n) : [real, imaginary];
  let [re, im] = transform(input, a.inverse ? 1 : -1);
  if (a.inverse) [re, im] = [re.div(n), im.div(n)];
  if (a.onesided && !a.inverse)
    [re, im] = [re, im].map((t) => t.narrow(-1, 0, Math.floor(n / 2) + 1)) as [Tensor, Tensor];
  const out = stack(whole ? [re] : [re, im], -1);
  return out.movedim(-2, dim).to(x.dtype);
}
/** The whole spectrum of a real signal from its first half. */
function mirrored(re: Tensor, im: Tensor, n: number): Complex {
  const rest = n - re.shape.at(-1)!;
  const back = (t: Tensor): Tensor => t.narrow(-1, 1, rest).flip(-1);
  return [cat([re, back(re)], -1), cat([im, back(im).neg()], -1)];
}

function stft(onesided: number, signal: Tensor, step: number, window: Tensor | null, length: number | null): Tensor {
  const n = length ?? window?.count ?? 0;
  if (!(n > 0 && step > 0)) throw new TenfoldError('value', `STFT: frames of ${n} elements, ${step} apart`);
  // [batch, frames, n, parts]
  const frames = signal.unfold(1, n, step).transpose(2, 3);
  const weighted = window === null ? frames : frames.mul(window.reshape([-1, 1]));
  return dft({ inverse: 0, onesided }, weighted, null, 2);
}

/** a0 − a1 cos(2π i / n) + a2 cos(4π i / n), n one less unless the window is periodic. */
const cosineWindow = (name: string, a0: number, a1: number, a2: number): Operator =>
  operator(
    `${name}(ints size; int periodic=1, int output_datatype=1)` as 'W(ints size; int periodic=1, int output_datatype=1)',
    (a, [size]: [number]) => {
      const angle = arange(size, { dtype: 'float64' }).mul((2 * Math.PI) / (a.periodic ? size : size - 1));
      const window = angle.cos().mul(-a1).add(a0).add(angle.mul(2).cos().mul(a2));
      return window.to(dtypeFor(name, a.output_datatype));
    },
  );

/** Triangles, evenly spread over the mel scale: [spectrum, bands]. */
function melWeights(bands: number, length: number, rate: number, lowest: number, highest: number): Tensor {
  const spectrum = Math.floor(length / 2) + 1;
  const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const step = (mel(highest) - mel(lowest)) / (bands + 2);
  const bins = Array.from({ length: bands + 2 }, (_, i) => {
    const hertz = 700 * (10 ** ((mel(lowest) + i * step) / 2595) - 1);
    return Math.floor(((length + 1) * hertz) / rate);
  });
  const data = new Float64Array(spectrum * bands);
  for (let i = 0; i < bands; i++) {
    const [low, center, high] = bins.slice(i, i + 3) as [number, number, number];
    const put = (j: number, weight: number): void => void (j < spectrum && (data[j * bands + i] = weight));
    if (low === center) put(center, 1);
    for (let j = low; j <= center && low !== center; j++) put(j, (j - low) / (center - low));
    for (let j = center; j < high; j++) put(j, (high - j) / (high - center));
  }
  return fromTypedArray(data, [spectrum, bands]);
}

export const SIGNAL = table(
  operator(
    'DFT(Tensor input, ints? dft_length, ints? axis; int inverse=0, int onesided=0, int? axis)',
    (a, x: Tensor, length: number[] | null, axis: number[] | null) =>
      dft(a, x, length?.[0] ?? null, axis?.[0] ?? a.axis ?? (a.opset < 20 ? 1 : -2)),
  ),
  operator(
    'STFT(Tensor signal, ints frame_step, setting? window, ints? frame_length; int onesided=1)',
    (a, x: Tensor, step: number[], window: Tensor | null, length: number[] | null) =>
      stft(a.onesided, x, step[0]!, window, length?.[0] ?? null),
  ),
  cosineWindow('HannWindow', 0.5, 0.5, 0),
  cosineWindow('HammingWindow', 25 / 46, 21 / 46, 0),
  cosineWindow('BlackmanWindow', 0.42, 0.5, 0.08),
  operator(
    'MelWeightMatrix(setting num_mel_bins, setting dft_length, setting sample_rate, setting lower_edge_hertz, setting upper_edge_hertz; int output_datatype=1)',
    (a, bands: Tensor, length: Tensor, rate: Tensor, low: Tensor, high: Tensor) =>
      melWeights(numberOf(bands), numberOf(length), numberOf(rate), numberOf(low), numberOf(high)).to(
        dtypeFor('MelWeightMatrix', a.output_datatype),
      ),
  ),
);
