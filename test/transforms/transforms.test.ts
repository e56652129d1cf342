/** Transforms against torchvision's recorded images, by seed; refusals. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Generator, defaultGenerator, manualSeed, type nn, rand, randint, tensor, transforms, zeros, type Tensor } from '../../lib/index.js'; // prettier-ignore

interface Encoded {
  dtype: Tensor['dtype'];
  shape: number[];
  data: number[];
}
interface Row {
  name: string;
  image: string;
  args: unknown[];
  options: Record<string, unknown>;
}
const recorded = JSON.parse(
  gunzipSync(readFileSync(new URL('../fixtures/transforms.json.gz', import.meta.url))).toString(),
) as {
  images: Record<string, Encoded>;
  functional: (Row & { result: Encoded })[];
  random: (Row & { results: Encoded[]; then: number })[];
};
const decoded = ({ dtype, shape, data }: Encoded): Tensor =>
  tensor(data, { dtype: 'float64' }).to(dtype).reshape(shape);
const argumentsOf = (row: Row): unknown[] =>
  Object.keys(row.options).length > 0 ? [...row.args, row.options] : row.args;

function same(found: Tensor, wanted: Encoded, slack: number): void {
  expect([found.dtype, ...found.shape]).toEqual([wanted.dtype, ...wanted.shape]);
  const values = found.to('float64').reshape(-1).tolist() as number[];
  values.forEach((v, i) => {
    if (!(Math.abs(v - wanted.data[i]!) <= slack)) expect(v, `element ${i}`).toBe(wanted.data[i]);
  });
}
/**
 * Of floats a few roundings, the more the larger the fill. Bytes are equal, but for bicubic ones that aren't smoothed: which way a
 * half goes depends there on the machine that recorded it.
 */
function slackOf(row: Row): number {
  const { antialias, interpolation, fill } = row.options;
  if (row.image === 'bytes' && row.name !== 'toDtype')
    return interpolation === 'bicubic' && antialias === false ? 1 : 0;
  return fill === undefined ? 2e-6 : 1e-5;
}

describe('functional', () => {
  it.each(recorded.functional.map((row) => [`${row.name} ${row.image} ${JSON.stringify(argumentsOf(row))}`, row] as const))('%s', (_, row) => {
    const image = decoded(recorded.images[row.image]!);
    const before = image.clone();
    const call = transforms.functional[row.name as 'crop'] as (...args: unknown[]) => Tensor;
    same(call(image, ...argumentsOf(row)), row.result, slackOf(row));
    expect(image.equal(before)).toBe(true);
  }); // prettier-ignore
});
describe('by chance', () => {
  it.each(recorded.random.map((row, i) => [`${row.name} ${row.image} ${JSON.stringify(argumentsOf(row))}`, row, i] as const))('%s', (_, row, i) => {
    const Transform = transforms[row.name as 'RandomCrop'] as unknown as new (...args: unknown[]) => nn.Module;
    const image = decoded(recorded.images[row.image]!);
    manualSeed(i);
    const transform = new Transform(...argumentsOf(row));
    for (const wanted of row.results) same(transform.forward(image) as Tensor, wanted, slackOf(row));
    expect(randint(2 ** 31, []).item()).toBe(row.then);
    // The same from a generator of its own; the default one is left alone.
    const generator = new Generator().manualSeed(i);
    const before = defaultGenerator.getState();
    const options = { ...row.options, generator };
    const own = new Transform(...row.args, options);
    for (const wanted of row.results) same(own.forward(image) as Tensor, wanted, slackOf(row));
    expect(defaultGenerator.getState()).toEqual(before);
  }); // prettier-ignore
});
describe('corners', () => {
  it('one behind the other, modules and functions', () => {
    const both = new transforms.Compose([
      new transforms.Pad(1),
      (x) => x.add(1),
      new transforms.Lambda((x) => x.mul(2)),
    ]);
    expect(both.forward(zeros(1, 1, 1)).tolist()).toEqual([[[2, 2, 2], [2, 2, 2], [2, 2, 2]]]); // prettier-ignore
    const never = new transforms.RandomApply([new transforms.CenterCrop(1)], 0);
    expect(never.forward(zeros(1, 3, 3)).shape).toEqual([1, 3, 3]);
  });
  it('crops inside are views', () => {
    const image = zeros(1, 4, 4);
    transforms.functional.crop(image, 1, 1, 2, 2).fill_(1);
    expect(image.sum().item()).toBe(4);
  });
  it('in place where asked', () => {
    const image = rand(3, 4, 4);
    expect(transforms.functional.erase(image, 0, 0, 4, 4, 5, true)).toBe(image);
    expect(image.eq(5).all().item()).toBe(true);
    transforms.functional.normalize(image, 5, 1, { inplace: true });
    expect(image.abs().max().item()).toBe(0);
  });
  it.each([
    [() => transforms.functional.crop(rand(3), 0, 0, 1, 1), 'crop: expected an image [..., channels, height, width], got [3]'],
    [() => transforms.functional.crop(rand(3, 3), 0, 0, 0, 1), 'crop: height and width must be at least 1, got 0 and 1'],
    [() => transforms.functional.resize(rand(1, 3, 3), 0), 'resize: size must be a positive integer, or two'],
    [() => transforms.functional.resize(rand(1, 3, 3), 5, { interpolation: 'linear' }), "resize: interpolation must be one of 'nearest'"],
    [() => transforms.functional.pad(rand(1, 3, 3), 3, { paddingMode: 'reflect' }), "pad: paddings 3 and 3 of 'reflect' must be at most 2 for 3 pixels"],
    [() => transforms.functional.pad(rand(3, 3, 3), 1, { fill: [1, 2] }), 'pad: fill must have 1 or 3 values'],
    [() => transforms.functional.normalize(zeros(1, 2, 2, { dtype: 'uint8' }), 0, 1), 'normalize: expected a floating-point image, got uint8'],
    [() => transforms.functional.normalize(zeros(1, 2, 2), 0, 0), 'normalize: std must not be 0'],
    [() => transforms.functional.erase(rand(1, 2, 2), 1, 1, 2, 1, 0), 'erase: 2 x 1 at 1, 1 lies outside an image of 2 x 2'],
    [() => transforms.functional.toDtype(rand(1, 2, 2), 'int64', true), "toDtype: float32 can't hold int64's range exactly"],
    [() => transforms.functional.rotate(rand(1, 2, 2), NaN), 'rotate: angle must be a finite number'],
    [() => new transforms.RandomCrop(4).forward(rand(1, 3, 5)), "RandomCrop: 4 x 4 is more than the image's 3 x 5; padIfNeeded widens it"],
    [() => new transforms.RandomHorizontalFlip(2), 'RandomHorizontalFlip: p must be from 0 to 1, got 2'],
    [() => new transforms.RandomCrop(4, { pading: 1 } as object), "RandomCrop: unknown option 'pading', did you mean 'padding'?"],
    [() => new transforms.RandomErasing({ value: 'noise' }), "RandomErasing: value must be a number, a number for each channel, or 'random'"],
    [() => new transforms.RandomRotation([3, 1]), 'RandomRotation: degrees must be a number from 0 on, or [from, to]'],
    [() => new transforms.Compose([3 as unknown as transforms.Transform]), 'Compose: expected a transform (a module or a function), got 3'],
    [() => new transforms.Normalize(0, [1, 0]), 'Normalize: std must not be 0, got [1, 0]'],
  ] as const)('refuses %#', (wrong, message) => expect(wrong).toThrow(message)); // prettier-ignore
});
