/** Functions of images: sampling at points, patches as columns, channels as pixels. */
import { TenfoldError, show } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import { noGrad } from '../../autograd/mode.js';
import { run } from '../../launch/run.js';
import { kernel, type Kernel } from '../../native/launch.js';
import { formatShape, numelOf } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { where } from '../../ops/arithmetic.js';
import { linspace, ones } from '../../ops/creation.js';
import { back, computed, planeGather } from './planes.js';
import { CUBIC } from './resample.js';
import { perDim, three } from './windows.js';

type Ints = readonly number[];

// ---- patches as columns -------------------------------------------------------------------------------------------------

const UNFOLD = kernel('unfold');
const FOLD = kernel('fold');

interface Patching {
  size: Ints; // of the image
  places: Ints; // of the kernel on it
  kernelSize: Ints;
  dilation: Ints;
  padding: Ints;
  stride: Ints;
}
function launchPatches(call: string, k: Kernel, x: Tensor, channels: number, p: Patching, shape: Ints): Tensor {
  const { t, id } = computed(call, k, x);
  const out = Tensor.raw(shape, t.code);
  if (out.count > 0) {
    run(
      id,
      shape[0]!,
      1,
      channels,
      0,
      three(p.size, 1),
      three(p.kernelSize, 1),
      three(p.places, 1),
      three(p.stride, 1),
      three(p.padding, 0),
      three(p.dilation, 1),
      t,
      out,
    );
  }
  return back(out, x);
}
/** Patches of [n, c, h, w] images as columns [n, c * taps, places]. */
const patchesToColumns = defineOp(
  'patchesToColumns(Tensor input, int[] places, int[] kernelSize, int[] dilation, int[] padding, int[] stride)',
  (): OpDef => ({
    forward(input: Tensor, places: Ints, kernelSize: Ints, dilation: Ints, padding: Ints, stride: Ints) {
      const [n, c, ...size] = input.shape as [number, number, ...number[]];
      const patching = { size, places, kernelSize, dilation, padding, stride };
      return launchPatches('unfold', UNFOLD, input, c, patching, [n, c * numelOf(kernelSize), numelOf(places)]);
    },
    backward: {
      input: d((grad, c) =>
        columnsToPatches(grad, c.input.shape.slice(2), c.places, c.kernelSize, c.dilation, c.padding, c.stride),
      ),
    },
    gradName: 'Im2ColBackward0',
  }),
);
/** Columns [n, c * taps, places] added up to [n, c, h, w] images of a size. */
const columnsToPatches = defineOp(
  'columnsToPatches(Tensor input, int[] size, int[] places, int[] kernelSize, int[] dilation, int[] padding, int[] stride)',
  (): OpDef => ({
    forward(input: Tensor, size: Ints, places: Ints, kernelSize: Ints, dilation: Ints, padding: Ints, stride: Ints) {
      const channels = input.shape[1]! / numelOf(kernelSize);
      const patching = { size, places, kernelSize, dilation, padding, stride };
      return launchPatches('fold', FOLD, input, channels, patching, [input.shape[0]!, channels, ...size]);
    },
    backward: {
      input: d((grad, c) => patchesToColumns(grad, c.places, c.kernelSize, c.dilation, c.padding, c.stride)),
    },
    gradName: 'Col2ImBackward0',
  }),
);

function patchingOf(
  call: string,
  size: Ints,
  kernelSize: number | Ints,
  dilation: number | Ints,
  padding: number | Ints,
  stride: number | Ints,
): Patching {
  const p = {
    size,
    kernelSize: perDim(call, 'kernelSize', kernelSize, 2, 1),
    dilation: perDim(call, 'dilation', dilation, 2, 1),
    padding: perDim(call, 'padding', padding, 2, 0),
    stride: perDim(call, 'stride', stride, 2, 1),
  };
  const places = size.map(
    (s, i) => Math.floor((s + 2 * p.padding[i]! - p.dilation[i]! * (p.kernelSize[i]! - 1) - 1) / p.stride[i]!) + 1,
  );
  if (places.some((s) => s < 1)) {
    throw new TenfoldError(
      'shape',
      `${call}: a kernel of ${p.kernelSize.join(' x ')} doesn't fit an image of ${size.join(' x ')} with its padding`,
    );
  }
  return { ...p, places };
}

/**
 * Patches of images [n, c, h, w] or [c, h, w] as columns: [n, c * kh * kw, places]. See torch.nn.functional.unfold.
 */
export const unfold = defineOp(
  'unfold(Tensor input, int[] kernelSize, int[] dilation=1, int[] padding=0, int[] stride=1)',
  (): OpDef => ({
    forward(
      input: Tensor,
      kernelSize: number | Ints,
      dilation: number | Ints,
      padding: number | Ints,
      stride: number | Ints,
    ) {
      const dims = input.shape.length;
      if ((dims !== 3 && dims !== 4) || input.shape.slice(dims - 3).includes(0)) {
        throw new TenfoldError(
          'shape',
          `unfold: expected images [n, c, h, w] or [c, h, w], got shape ${formatShape(input.shape)}`,
        );
      }
      const p = patchingOf('unfold', input.shape.slice(-2), kernelSize, dilation, padding, stride);
      const x = dims === 4 ? input : input.unsqueeze(0);
      const own = x.code === Code.bool ? x.to('uint8') : x;
      const y = patchesToColumns(own, p.places, p.kernelSize, p.dilation, p.padding, p.stride).to(x.dtype);
      return dims === 4 ? y : y.squeeze(0);
    },
    composite: true,
  }),
);

/**
 * Images of `outputSize` [h, w] from columns [n, c * kh * kw, places] or [c * kh * kw, places]: what overlaps is added.
 * See torch.nn.functional.fold.
 */
export const fold = defineOp(
  'fold(Tensor input, int[] outputSize, int[] kernelSize, int[] dilation=1, int[] padding=0, int[] stride=1)',
  (): OpDef => ({
    forward(
      input: Tensor,
      outputSize: number | Ints,
      kernelSize: number | Ints,
      dilation: number | Ints,
      padding: number | Ints,
      stride: number | Ints,
    ) {
      const dims = input.shape.length;
      if (dims !== 2 && dims !== 3) {
        throw new TenfoldError(
          'shape',
          `fold: expected columns [n, c * kh * kw, places] or without n, got shape ${formatShape(input.shape)}`,
        );
      }
      const p = patchingOf(
        'fold',
        perDim('fold', 'outputSize', outputSize, 2, 1),
        kernelSize,
        dilation,
        padding,
        stride,
      );
      const [rows, columns] = input.shape.slice(-2) as [number, number];
      if (rows === 0 || rows % numelOf(p.kernelSize) !== 0 || columns !== numelOf(p.places)) {
        throw new TenfoldError(
          'shape',
          `fold: an image of ${p.size.join(' x ')} with kernel ${p.kernelSize.join(' x ')} takes a multiple of ` +
            `${numelOf(p.kernelSize)} rows and ${numelOf(p.places)} columns, got ${formatShape(input.shape)}`,
        );
      }
      const x = dims === 3 ? input : input.unsqueeze(0);
      const y = columnsToPatches(x, p.size, p.places, p.kernelSize, p.dilation, p.padding, p.stride);
      return dims === 3 ? y : y.squeeze(0);
    },
    composite: true,
  }),
);

// ---- channels as pixels -------------------------------------------------------------------------------------------------

/** [*, c * r², h, w] as [*, c, h * r, w * r]. See torch.nn.functional.pixel_shuffle. */
export const pixelShuffle = defineOp('pixelShuffle(Tensor input, int upscaleFactor)', (): OpDef => ({
  forward(input: Tensor, r: number) {
    const { shape } = input;
    if (shape.length < 3)
      throw new TenfoldError('shape', `pixelShuffle: expected at least [c, h, w], got shape ${formatShape(shape)}`);
    if (r < 1) throw new RangeError(`pixelShuffle: 'upscaleFactor' must be at least 1, got ${r}`);
    const lead = shape.slice(0, -3);
    const [c, h, w] = shape.slice(-3) as [number, number, number];
    if (c % (r * r) !== 0) {
      throw new TenfoldError(
        'shape',
        `pixelShuffle: ${c} channels are no multiple of upscaleFactor² = ${r * r}; shape ${formatShape(shape)}`,
      );
    }
    const n = lead.length;
    const parts = input.reshape([...lead, c / (r * r), r, r, h, w]);
    const order = [...lead.map((_, i) => i), n, n + 3, n + 1, n + 4, n + 2];
    return parts.permute(order).reshape([...lead, c / (r * r), h * r, w * r]);
  },
  composite: true,
}));

/** [*, c, h * r, w * r] as [*, c * r², h, w]. See torch.nn.functional.pixel_unshuffle. */
export const pixelUnshuffle = defineOp('pixelUnshuffle(Tensor input, int downscaleFactor)', (): OpDef => ({
  forward(input: Tensor, r: number) {
    const { shape } = input;
    if (shape.length < 3)
      throw new TenfoldError('shape', `pixelUnshuffle: expected at least [c, h, w], got shape ${formatShape(shape)}`);
    if (r < 1) throw new RangeError(`pixelUnshuffle: 'downscaleFactor' must be at least 1, got ${r}`);
    const lead = shape.slice(0, -3);
    const [c, h, w] = shape.slice(-3) as [number, number, number];
    if (h % r !== 0 || w % r !== 0) {
      throw new TenfoldError(
        'shape',
        `pixelUnshuffle: an image of ${h} x ${w} can't be cut in squares of ${r}; shape ${formatShape(shape)}`,
      );
    }
    const n = lead.length;
    const parts = input.reshape([...lead, c, h / r, r, w / r, r]);
    const order = [...lead.map((_, i) => i), n, n + 2, n + 4, n + 1, n + 3];
    return parts.permute(order).reshape([...lead, c * r * r, h / r, w / r]);
  },
  composite: true,
}));

/**
 * Channels of [n, c, …] in another order: those at the same place of each of `groups` equal groups come to lie behind each
 * other (Zhang et al. 2018). See torch.nn.functional.channel_shuffle.
 */
export const channelShuffle = defineOp('channelShuffle(Tensor input, int groups)', (): OpDef => ({
  forward(input: Tensor, groups: number) {
    const { shape } = input;
    if (shape.length < 3)
      throw new TenfoldError('shape', `channelShuffle: expected at least [n, c, l], got shape ${formatShape(shape)}`);
    if (groups < 1) throw new RangeError(`channelShuffle: 'groups' must be at least 1, got ${groups}`);
    const [n, c, ...rest] = shape as [number, number, ...number[]];
    if (c % groups !== 0)
      throw new TenfoldError('shape', `channelShuffle: ${c} channels can't be cut in ${groups} equal groups`);
    return input
      .reshape([n, groups, c / groups, ...rest])
      .transpose(1, 2)
      .reshape(shape);
  },
  composite: true,
}));

// ---- sampling at points -------------------------------------------------------------------------------------------------

/** x in [0, size - 1]; the gradient at both ends is 0, as PyTorch's is here. */
const clip = (x: Tensor, size: number): Tensor => where(x.le(0), 0, where(x.ge(size - 1), size - 1, x));
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
function broughtIn(x: Tensor, size: number, padding: string, align: boolean): Tensor {
  if (padding === 'border') return clip(x, size);
  if (padding === 'reflection') return clip(align ? mirror(x, 0, 2 * (size - 1)) : mirror(x, -1, 2 * size - 1), size);
  return x;
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

/**
 * Samples of images at points: input [n, c, h, w] with grid [n, h', w', 2], or [n, c, d, h, w] with [n, d', h', w', 3]. The
 * grid holds x, y(, z) in [-1, 1]. `mode`: 'bilinear', 'nearest' or 'bicubic' (images of two dims); `paddingMode`:
 * 'zeros', 'border' or 'reflection'. See torch.nn.functional.grid_sample.
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
      const bring = (x: Tensor, i: number): Tensor => broughtIn(x, sizes[i]!, padding, align);
      return samples(flat, sizes, at, mode, bring).reshape([batch, channels, ...grid.shape.slice(1, -1)]);
    },
    composite: true,
  }),
);

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
