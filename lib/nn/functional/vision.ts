/** Functions of images: patches as columns, channels as pixels. */
import { TenfoldError } from '../../errors.js';
import { Code } from '../../dtype.js';
import { run } from '../../launch/run.js';
import { kernel, type Kernel } from '../../native/launch.js';
import { formatShape, numelOf } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { back, computed } from './planes.js';
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
