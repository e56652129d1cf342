/** Images sampled at points: gridSample, and affineGrid for its grids. */
import { TenfoldError, show } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import { noGrad } from '../../autograd/mode.js';
import { run } from '../../launch/run.js';
import { kernel } from '../../native/launch.js';
import { formatShape, numelOf } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { all, defineOp, type OpDef } from '../../op/define.js';
import { throughFormula } from '../../op/formula.js';
import { where } from '../../ops/arithmetic.js';
import { linspace, ones } from '../../ops/creation.js';
import { planeGather } from './planes.js';
import { CUBIC } from './resample.js';

type Ints = readonly number[];

// ---- by a formula of public ops -----------------------------------------------------------------------------------------

/**
 * x in [0, size - 1]; the gradient at both ends is 0, as PyTorch's is here. As there NaN is brought to the start of an
 * image's dim, and to the end of a volume's.
 */
const clip = (x: Tensor, size: number, dims: number): Tensor =>
  dims === 2
    ? where(x.gt(0), where(x.ge(size - 1), size - 1, x), 0)
    : where(x.lt(size - 1), where(x.le(0), 0, x), size - 1);
/** x mirrored at low / 2 and high / 2 until it lies between them. */
function mirror(x: Tensor, low: number, high: number): Tensor {
  if (low === high) return x.mul(0);
  const [min, span] = [low / 2, (high - low) / 2];
  const distance = x.sub(min).abs();
  const rest = distance.fmod(span);
  const even = noGrad(() => distance.div(span).floor().remainder(2).eq(0));
  return where(even, rest.add(min), rest.neg().add(span + min));
}
/** Places outside the image brought into it, but for padding with zeros. */
function broughtIn(x: Tensor, size: number, dims: number, padding: string, align: boolean): Tensor {
  if (padding === 'zeros') return x;
  if (padding === 'border') return clip(x, size, dims);
  return clip(align ? mirror(x, 0, 2 * (size - 1)) : mirror(x, -1, 2 * size - 1), size, dims);
}

/** Elements of [n, c, …] images at whole places [n, p] along each dim, 0 outside: [n, c, p]. */
function elementsAt(flat: Tensor, sizes: Ints, places: readonly Tensor[]): Tensor {
  const [index, inside] = noGrad(() => {
    let at: Tensor | null = null;
    let valid: Tensor | null = null;
    places.forEach((x, i) => {
      const ok = x.ge(0).logicalAnd(x.le(sizes[i]! - 1));
      // NaN is nowhere.
      const whole = where(ok, x, 0).to('int64');
      at = at === null ? whole : at.mul(sizes[i]!).add(whole);
      valid = valid === null ? ok : valid.logicalAnd(ok);
    });
    return [at!, valid!] as [Tensor, Tensor];
  });
  return planeGather(flat, index.unsqueeze(1), 1).mul(inside.unsqueeze(1).to(flat.dtype));
}

/** Samples of flat images [n, c, elements] at places [n, p] along each dim: [n, c, p]. */
function samples(
  flat: Tensor,
  sizes: Ints,
  at: Tensor[],
  mode: string,
  bring: (x: Tensor, i: number) => Tensor,
): Tensor {
  if (mode === 'nearest') {
    const near = elementsAt(
      flat,
      sizes,
      at.map((x, i) => bring(x, i).detach().round()),
    );
    // The grid has a gradient, which is 0.
    return at.reduce((sum, x) => (x.requiresGrad ? sum.add(where(x.lt(x), x, 0).unsqueeze(1)) : sum), near);
  }
  const places = mode === 'bicubic' ? at : at.map(bring);
  const floors = places.map((x) => x.detach().floor());
  const rests = places.map((x, i) => x.sub(floors[i]!));
  // For each dim, the taps: how far from the floor, and the weight.
  const weights = rests.map((t) =>
    mode === 'bicubic'
      ? CUBIC.map(([c3, c2, c1, c0]) => t.mul(c3).add(c2).mul(t).add(c1).mul(t).add(c0))
      : [t.neg().add(1), t],
  );
  const first = mode === 'bicubic' ? -1 : 0;
  let sum: Tensor | null = null;
  const visit = (chosen: number[]): void => {
    const dim = chosen.length;
    if (dim < sizes.length) {
      for (let tap = 0; tap < weights[dim]!.length; tap++) visit([...chosen, tap]);
      return;
    }
    const whole = chosen.map((tap, i) => {
      const x = floors[i]!.add(first + tap);
      return mode === 'bicubic' ? bring(x, i).floor() : x;
    });
    const weight = chosen.map((tap, i) => weights[i]![tap]!).reduce((a, b) => a.mul(b));
    const term = elementsAt(flat, sizes, whole).mul(weight.unsqueeze(1));
    sum = sum === null ? term : sum.add(term);
  };
  visit([]);
  return sum!;
}

/** gridSample, which see, of any images, modes and floating-point dtypes. */
function byFormula(input: Tensor, grid: Tensor, mode: string, padding: string, align: boolean): Tensor {
  const sizes = input.shape.slice(2);
  const n = sizes.length;
  const [batch, channels] = [input.shape[0]!, input.shape[1]!];
  const points = numelOf(grid.shape.slice(1, -1));
  const flat = input.reshape([batch, channels, numelOf(sizes)]);
  const at = sizes.map((size, i) => {
    const x = grid.select(-1, n - 1 - i).reshape([batch, points]);
    return align
      ? x
          .add(1)
          .div(2)
          .mul(size - 1)
      : x.add(1).mul(size).sub(1).div(2);
  });
  const bring = (x: Tensor, i: number): Tensor => broughtIn(x, sizes[i]!, n, padding, align);
  return samples(flat, sizes, at, mode, bring).reshape([batch, channels, ...grid.shape.slice(1, -1)]);
}

// ---- by kernels -------------------------------------------------------------------------------------------------------

const K = { gridSample: kernel('gridSample'), gridSampleBackward: kernel('gridSampleBackward') };
/** As the kernels count them. */
const PADDINGS = ['zeros', 'border', 'reflection'];
/** Of an image: the kernels hold places in 32 bits. */
const MOST_ELEMENTS = 2 ** 30;

/** What both kernels read first. */
function samplesFrame(image: Tensor, grid: Tensor, nearest: boolean, padding: number, align: boolean) {
  const points = grid.shape[1]! * grid.shape[2]!;
  return [...image.shape, points, nearest, padding, align, image.rawDense(), grid.rawDense()] as const;
}

/** Bilinear or nearest samples of images [n, c, h, w], not empty, at [n, h', w', 2], in float32 or float64. */
const gridSamplePlanes = defineOp(
  'gridSamplePlanes(Tensor image, Tensor grid, bool nearest, int padding, bool align)',
  (): OpDef => ({
    forward(image: Tensor, grid: Tensor, nearest: boolean, padding: number, align: boolean) {
      const out = Tensor.raw([...image.shape.slice(0, 2), ...grid.shape.slice(1, 3)], image.code);
      if (out.count > 0) run(K.gridSample[image.code]!, ...samplesFrame(image, grid, nearest, padding, align), out);
      return out;
    },
    backward: all(['image', 'grid'], (grad, { image, grid }, { nearest, padding, align }, needs) => {
      const dense = grad.contiguous(); // once for both
      return [true, false].map((ofImage, i) =>
        needs[i] ? gridSampleBackward(dense, image, grid, ofImage, nearest, padding, align) : null,
      );
    }),
    gradName: 'GridSampler2DBackward0',
  }),
);

/** The gradient of the image or of the grid. */
const gridSampleBackward = defineOp(
  'gridSampleBackward(Tensor grad, Tensor image, Tensor grid, bool ofImage, bool nearest, int padding, bool align)',
  (): OpDef => ({
    forward(
      grad: Tensor,
      image: Tensor,
      grid: Tensor,
      ofImage: boolean,
      nearest: boolean,
      padding: number,
      align: boolean,
    ) {
      const { shape } = ofImage ? image : grid;
      if (grad.count === 0) return Tensor.zeros(shape, grad.code);
      const out = Tensor.raw(shape, grad.code);
      const frame = samplesFrame(image, grid, nearest, padding, align);
      const into = ofImage ? [out, null] : [null, out];
      run(K.gridSampleBackward[grad.code]!, ...frame, grad.rawDense(), ...into);
      return out;
    },
    backward: all(['grad', 'image', 'grid'], (pull, { grad, image, grid }, { ofImage, nearest, padding, align }) => {
      const leaf = (t: Tensor): Tensor => (t.requiresGrad ? t : t.detach().requiresGrad_());
      const gradient = (g: Tensor, ...inputs: Tensor[]): Tensor => {
        const sample = ([x, at]: (Tensor | null)[]): Tensor[] => [
          byFormula(x!, at!, nearest ? 'nearest' : 'bilinear', PADDINGS[padding]!, align),
        ];
        return throughFormula(inputs.map(leaf), sample, [g])[ofImage ? 0 : 1]!;
      };
      return throughFormula([grad, image, grid], ([g, x, at]) => [gradient(g!, x!, at!)], [pull]);
    }),
  }),
);

// ---- gridSample and affineGrid ----------------------------------------------------------------------------------------

/**
 * Samples of images at points: input [n, c, h, w] with grid [n, h', w', 2], or [n, c, d, h, w] with [n, d', h', w', 3]. The
 * grid holds x, y(, z) in [-1, 1]. `mode`: 'bilinear', 'nearest' or 'bicubic' (images of two dims); `paddingMode`:
 * 'zeros', 'border' or 'reflection'. NaN in the grid counts as -1 for images with 'border' and 'reflection' ('bicubic': NaN).
 * See torch.nn.functional.grid_sample.
 */
export const gridSample = defineOp(
  "gridSample(Tensor input, Tensor grid, 'bilinear'|'nearest'|'bicubic' mode='bilinear', 'zeros'|'border'|'reflection' paddingMode='zeros', bool? alignCorners=null)",
  (): OpDef => ({
    forward(input: Tensor, grid: Tensor, mode: string, padding: string, alignCorners: boolean | null) {
      const align = alignCorners ?? false;
      const n = input.shape.length - 2;
      if (
        (n !== 2 && n !== 3) ||
        grid.shape.length !== n + 2 ||
        grid.shape[0] !== input.shape[0] ||
        grid.shape.at(-1) !== n
      ) {
        throw new TenfoldError(
          'shape',
          `gridSample: expected [n, c, h, w] with a grid [n, h', w', 2], or [n, c, d, h, w] with [n, d', h', w', 3], ` +
            `got ${formatShape(input.shape)} and ${formatShape(grid.shape)}`,
        );
      }
      if (input.code !== grid.code || !isFloatCode(input.code)) {
        throw new TenfoldError(
          'dtype',
          `gridSample: input and grid must have one floating-point dtype, got ${input.dtype} and ${grid.dtype}`,
        );
      }
      const sizes = input.shape.slice(2);
      if (sizes.includes(0))
        throw new TenfoldError('shape', `gridSample: the image is empty: ${formatShape(input.shape)}`);
      const ready = input.code === Code.f32 || input.code === Code.f64;
      if (n === 2 && ready && mode !== 'bicubic' && numelOf(sizes) <= MOST_ELEMENTS)
        return gridSamplePlanes(input, grid, mode === 'nearest', PADDINGS.indexOf(padding), align);
      return byFormula(input, grid, mode, padding, align);
    },
    composite: true,
  }),
);

/**
 * The grid that gridSample takes for affine maps: theta [n, 2, 3] with size [n, c, h, w] gives [n, h, w, 2], theta
 * [n, 3, 4] with size [n, c, d, h, w] gives [n, d, h, w, 3]. See torch.nn.functional.affine_grid.
 */
export const affineGrid = defineOp('affineGrid(Tensor theta, int[] size, bool? alignCorners=null)', (): OpDef => ({
  forward(theta: Tensor, size: number | Ints, alignCorners: boolean | null) {
    const list = typeof size === 'number' ? [size] : size;
    const n = list.length - 2;
    if (!isFloatCode(theta.code))
      throw new TenfoldError('dtype', `affineGrid: 'theta' must have a floating-point dtype, got ${theta.dtype}`);
    if (
      (n !== 2 && n !== 3) ||
      theta.shape.length !== 3 ||
      theta.shape[1] !== n ||
      theta.shape[2] !== n + 1 ||
      theta.shape[0] !== list[0]
    ) {
      throw new TenfoldError(
        'shape',
        `affineGrid: expected theta [n, 2, 3] with size [n, c, h, w], or [n, 3, 4] with [n, c, d, h, w], got ` +
          `${formatShape(theta.shape)} and ${show(size)}`,
      );
    }
    if (list.some((s) => s < 1)) throw new RangeError(`affineGrid: sizes must be positive, got ${show(size)}`);
    const sizes = list.slice(2);
    const dtype = theta.dtype;
    // Homogeneous coordinates x, y(, z), 1 of every point: [points, n + 1].
    const axes = sizes.map((s, i) => {
      const line = s === 1 ? ones([1], { dtype }).mul(0) : linspace(-1, 1, s, { dtype });
      const scaled = (alignCorners ?? false) ? line : line.mul((s - 1) / s);
      return scaled
        .view(sizes.map((_, j) => (j === i ? s : 1)))
        .expand(sizes)
        .reshape([-1, 1]);
    });
    let points: Tensor = ones([numelOf(sizes), 1], { dtype });
    points = joinColumns([...axes.reverse(), points]);
    return points.matmul(theta.transpose(1, 2)).reshape([list[0]!, ...sizes, n]);
  },
  composite: true,
}));

/** Columns [rows, 1] side by side. Coordinates are constants: no graph. */
function joinColumns(columns: readonly Tensor[]): Tensor {
  const out = Tensor.raw([columns[0]!.shape[0]!, columns.length], columns[0]!.code);
  columns.forEach((c, i) => out.select(1, i).rawCopy(c.select(1, 0)));
  return out;
}
