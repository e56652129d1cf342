/** Pixels of image tensors: (height, width, channels) in bytes; several images become one, eight in a row. */
import { TenfoldError, show } from '../../errors.js';
import { isFloatCode } from '../../dtype.js';
import { cat } from '../../ops/joining.js';
import { zeros } from '../../ops/creation.js';
import { Tensor } from '../../tensor/tensor.js';

const COLUMNS = 8;

/** What the encoder takes. */
export interface Pixels {
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** (n, height, width, channels) as one image; black where a row isn't full. */
function grid(images: Tensor): Tensor {
  const [n, h, w, c] = images.shape as unknown as [number, number, number, number];
  const columns = Math.min(COLUMNS, n);
  const rows = Math.ceil(n / columns);
  const full =
    rows * columns === n ? images : cat([images, zeros([rows * columns - n, h, w, c], { dtype: images.dtype })]);
  return full
    .reshape(rows, columns, h, w, c)
    .permute(0, 2, 1, 3, 4)
    .reshape(rows * h, columns * w, c);
}

export function pixelsOf(call: string, image: unknown, dataformats: unknown): Pixels {
  if (!(image instanceof Tensor)) throw new TypeError(`${call}: expected a tensor, got ${show(image)}`);
  const dims = typeof dataformats === 'string' ? dataformats.toUpperCase() : '';
  if (!/^N?(CHW|HWC|HW)$/.test(dims))
    throw new TypeError(
      `${call}: dataformats must be one of CHW, HWC, HW, with N in front for several, got ${show(dataformats)}`,
    );
  if (dims.length !== image.shape.length || image.shape.includes(0))
    throw new TenfoldError('shape', `${call}: an image of dims ${dims} can't have shape [${image.shape}]`);
  let t = image.detach();
  if (!dims.includes('C')) t = t.unsqueeze(-1);
  const order = dims.includes('C') ? dims : `${dims}C`;
  t = t.permute(...['N', 'H', 'W', 'C'].flatMap((d) => (order.includes(d) ? [order.indexOf(d)] : [])));
  if (t.shape.length === 4) t = grid(t);
  const [height, width, channels] = t.shape as unknown as [number, number, number];
  if (channels > 4)
    throw new TenfoldError('shape', `${call}: an image has 1 to 4 channels, got shape [${image.shape}]`);
  // Cut off, not rounded, as PyTorch does.
  const scaled = isFloatCode(t.code) ? t.to('float32').mul(255).clamp(0, 255) : t.clamp(0, 255);
  return { pixels: scaled.to('uint8').contiguous().toTypedArray() as Uint8Array, height, width, channels };
}
