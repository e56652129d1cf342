/** What transforms take: sizes, paddings, fills and words, checked. */
import { TenfoldError, show } from '../errors.js';
import { tensor } from '../ops/creation.js';
import { formatShape } from '../tensor/shape.js';
import { type Tensor } from '../tensor/tensor.js';

/** Height and width of an image. */
export function sizeOf(call: string, image: Tensor): [height: number, width: number] {
  if (image.shape.length < 2)
    throw new TenfoldError('shape', `${call}: expected an image [..., channels, height, width], got ${formatShape(image.shape)}`); // prettier-ignore
  return [image.shape.at(-2)!, image.shape.at(-1)!];
}

/** A size as users give it: one number for both, or [height, width]. */
export function pairOf(call: string, size: number | readonly number[]): [height: number, width: number] {
  const pair = typeof size === 'number' ? [size, size] : size.length === 1 ? [size[0]!, size[0]!] : size;
  if (pair.length !== 2 || !pair.every((n) => Number.isInteger(n) && n >= 1))
    throw new RangeError(`${call}: size must be a positive integer, or two: [height, width]; got ${show(size)}`);
  return [pair[0]!, pair[1]!];
}

/** Channels of an image; 1 where it has no dim for them. */
export const channelsOf = (image: Tensor): number => (image.shape.length > 2 ? image.shape.at(-3)! : 1);

/** How values between pixels are found. */
export type Interpolation = 'nearest' | 'nearest-exact' | 'bilinear' | 'bicubic';
export const INTERPOLATIONS: readonly string[] = ['nearest', 'nearest-exact', 'bilinear', 'bicubic'];

/** Refuses an interpolation that the call has not. */
export function checkInterpolation(call: string, given: string, known: readonly string[]): void {
  if (!known.includes(given))
    throw new TenfoldError('value', `${call}: interpolation must be one of ${known.map((k) => `'${k}'`).join(', ')}, got ${show(given)}`); // prettier-ignore
}

/** How the place around an image is filled. */
export type PaddingMode = 'constant' | 'edge' | 'reflect' | 'symmetric';
const PADDING_MODES: readonly string[] = ['constant', 'edge', 'reflect', 'symmetric'];
/** A value for every channel, or one for each. */
export type Fill = number | readonly number[];

/** Refuses an unknown padding mode. */
export function checkPaddingMode(call: string, mode: string): void {
  if (!PADDING_MODES.includes(mode))
    throw new TenfoldError('value', `${call}: paddingMode must be one of ${PADDING_MODES.map((k) => `'${k}'`).join(', ')}, got ${show(mode)}`); // prettier-ignore
}

/** [left, top, right, bottom]. */
export function sidesOf(call: string, padding: number | readonly number[]): readonly [number, number, number, number] {
  const p = typeof padding === 'number' ? [padding] : padding;
  if (![1, 2, 4].includes(p.length) || !p.every((n) => Number.isInteger(n) && n >= 0))
    throw new RangeError(`${call}: padding must be 1, 2 or 4 integers from 0 on, got ${show(padding)}`);
  return [p[0]!, p[p.length > 1 ? 1 : 0]!, p[p.length === 4 ? 2 : 0]!, p[p.length === 4 ? 3 : p.length - 1]!];
}

/** Numbers as a float64 tensor [channels, 1, 1]. */
export const perChannel = (list: readonly number[]): Tensor =>
  tensor([...list], { dtype: 'float64' }).reshape(-1, 1, 1);
