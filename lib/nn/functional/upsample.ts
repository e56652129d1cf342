/** interpolate under its older names, and gridSample under those that PyTorch gives its kernels. */
import { TenfoldError } from '../../errors.js';
import { formatShape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineOp, type OpDef } from '../../op/define.js';
import { interpolate } from './resample.js';
import { gridSample } from './gridSample.js';

type Size = number | readonly number[] | null;

/** interpolate without its newer options. See torch.nn.functional.upsample. */
export const upsample = defineOp(
  "upsample(Tensor input, int[]? size=null, float|float[]? scaleFactor=null, 'nearest'|'linear'|'bilinear'|'bicubic'|'trilinear' mode='nearest', bool? alignCorners=null)",
  (): OpDef => ({
    forward: (x: Tensor, size: Size, scale: Size, mode: 'nearest' | 'linear', align: boolean | null) =>
      interpolate(x, size, scale, mode, align),
    composite: true,
  }),
);
/** interpolate of mode 'nearest'. See torch.nn.functional.upsample_nearest. */
export const upsampleNearest = defineOp(
  'upsampleNearest(Tensor input, int[]? size=null, float|float[]? scaleFactor=null)',
  (): OpDef => ({ forward: (x: Tensor, size: Size, scale: Size) => interpolate(x, size, scale), composite: true }),
);
/** interpolate of images [n, c, h, w], mode 'bilinear' with alignCorners. See torch.nn.functional.upsample_bilinear. */
export const upsampleBilinear = defineOp(
  'upsampleBilinear(Tensor input, int[]? size=null, float|float[]? scaleFactor=null)',
  (): OpDef => ({
    forward: (x: Tensor, size: Size, scale: Size) => interpolate(x, size, scale, 'bilinear', true),
    composite: true,
  }),
);

const MODES = ['bilinear', 'nearest', 'bicubic'] as const;
const PADDINGS = ['zeros', 'border', 'reflection'] as const;
const sampler =
  (call: string, dims: readonly number[]) =>
  (x: Tensor, grid: Tensor, mode: number, padding: number, align: boolean): Tensor => {
    if (!dims.includes(x.shape.length))
      throw new TenfoldError(
        'shape',
        `${call}: input must have ${dims.join(' or ')} dims, got ${formatShape(x.shape)}`,
      );
    const choice = <W extends string>(name: string, list: readonly W[], at: number): W => {
      if (!(at in list))
        throw new RangeError(`${call}: ${name} must be from 0 to ${list.length - 1} (${list.join(', ')}), got ${at}`);
      return list[at]!;
    };
    return gridSample(x, grid, choice('interpolationMode', MODES, mode), choice('paddingMode', PADDINGS, padding), align); // prettier-ignore
  };
/** gridSample with numbers for its modes: 0 bilinear, 1 nearest, 2 bicubic; 0 zeros, 1 border, 2 reflection. See torch.grid_sampler. */
export const gridSampler = defineOp(
  'gridSampler(Tensor input, Tensor grid, int interpolationMode, int paddingMode, bool alignCorners)',
  (): OpDef => ({ forward: sampler('gridSampler', [4, 5]), composite: true }),
);
/** gridSampler of images [n, c, h, w]. See torch.grid_sampler_2d. */
export const gridSampler2d = defineOp(
  'gridSampler2d(Tensor input, Tensor grid, int interpolationMode, int paddingMode, bool alignCorners)',
  (): OpDef => ({ forward: sampler('gridSampler2d', [4]), composite: true }),
);
/** gridSampler of volumes [n, c, d, h, w]. See torch.grid_sampler_3d. */
export const gridSampler3d = defineOp(
  'gridSampler3d(Tensor input, Tensor grid, int interpolationMode, int paddingMode, bool alignCorners)',
  (): OpDef => ({ forward: sampler('gridSampler3d', [5]), composite: true }),
);
