/** Sampling at places, regions of interest, boxes. */
import * as F from '../../nn/functional/index.js';
import { fromTypedArray, zeros } from '../../ops/creation.js';
import { cat, stack, where } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { numbersOf } from '../integers.js';
import { operator, table } from '../signature.js';
import { geometry, type Windows } from './windows.js';

const product = (list: readonly number[]): number => list.reduce((n, m) => n * m, 1);

// ---- regions -----------------------------------------------------------------------------------------------------------

interface RoiAlign {
  mode: string;
  output_height: number;
  output_width: number;
  sampling_ratio: number;
  spatial_scale: number;
  coordinate_transformation_mode: string | null;
  opset: number;
}

/** Along one dim: for each sample of each bin its two neighbours and their weights; 0 for one outside. */
interface Samples {
  readonly per: number;
  readonly low: { index: number; weight: number }[];
  readonly high: { index: number; weight: number }[];
}
function samplesOf(start: number, end: number, bins: number, ratio: number, size: number, half: boolean): Samples {
  const length = half ? end - start : Math.max(end - start, 1);
  const per = ratio > 0 ? ratio : Math.max(0, Math.ceil(length / bins));
  const samples: Samples = { per, low: [], high: [] };
  for (let bin = 0; bin < bins; bin++) {
    for (let i = 0; i < per; i++) {
      const at = start + (bin * length) / bins + ((i + 0.5) * length) / bins / per;
      const inside = at >= -1 && at <= size;
      const x = Math.max(at, 0);
      const index = Math.min(Math.floor(x), size - 1);
      const t = index >= size - 1 ? 0 : x - index;
      samples.low.push({ index: inside ? index : 0, weight: inside ? 1 - t : 0 });
      samples.high.push({ index: inside ? Math.min(index + 1, size - 1) : 0, weight: inside ? t : 0 });
    }
  }
  return samples;
}

/** A matrix [rows, size] of which row i is the sum of weights of the given neighbours of i's samples. */
function matrix(
  lists: readonly { index: number; weight: number }[][],
  size: number,
  per: number,
  like: Tensor,
): Tensor {
  const rows = lists[0]!.length / Math.max(per, 1);
  const data = new Float64Array(rows * size);
  for (const list of lists)
    list.forEach(({ index, weight }, i) => (data[Math.floor(i / per) * size + index]! += weight));
  return fromTypedArray(data, [rows, size]).to(like.dtype);
}

function roiAlign(a: RoiAlign, x: Tensor, rois: Tensor, batch: readonly number[]): Tensor {
  const mode = a.coordinate_transformation_mode ?? (a.opset < 16 ? 'output_half_pixel' : 'half_pixel');
  const half = mode === 'half_pixel';
  const [h, w] = x.shape.slice(2) as [number, number];
  const places = numbersOf(rois);
  if (batch.length === 0) return zeros([0, x.shape[1]!, a.output_height, a.output_width], { dtype: x.dtype });
  const results = batch.map((b, n) => {
    const [x1, y1, x2, y2] = places.slice(4 * n, 4 * n + 4).map((v) => v * a.spatial_scale - (half ? 0.5 : 0)) as [
      number,
      number,
      number,
      number,
    ];
    const rows = samplesOf(y1, y2, a.output_height, a.sampling_ratio, h, half);
    const columns = samplesOf(x1, x2, a.output_width, a.sampling_ratio, w, half);
    const image = x.select(0, b);
    const count = Math.max(rows.per * columns.per, 1);
    if (rows.per * columns.per === 0) return zeros([x.shape[1]!, a.output_height, a.output_width], { dtype: x.dtype });
    if (a.mode.toLowerCase() === 'avg') {
      // Means of bilinear samples are two products: rows, then columns.
      const left = matrix([rows.low, rows.high], h, rows.per, x);
      const right = matrix([columns.low, columns.high], w, columns.per, x);
      return left.matmul(image).matmul(right.t()).div(count);
    }
    // The greatest of the weighted neighbours, as ONNX defines it: not of the samples.
    const corners = [rows.low, rows.high].flatMap((r) =>
      [columns.low, columns.high].map((c) =>
        matrix([r], h, 1, x)
          .matmul(image)
          .matmul(matrix([c], w, 1, x).t()),
      ),
    );
    const greatest = corners.reduce((p, q) => p.maximum(q));
    return greatest.reshape([x.shape[1]!, a.output_height, rows.per, a.output_width, columns.per]).amax([2, 4]);
  });
  return stack(results);
}

/** Greatest elements of the bins of regions, borders rounded to elements. */
function maxRoiPool(shape: readonly number[], scale: number, x: Tensor, rois: Tensor): Tensor {
  const [height, width] = shape as [number, number];
  const [h, w] = x.shape.slice(2) as [number, number];
  const list = numbersOf(rois);
  const pooled = Array.from({ length: rois.shape[0]! }, (_, n) => {
    const [batch, ...corners] = list.slice(5 * n, 5 * n + 5) as [number, ...number[]];
    const [x1, y1, x2, y2] = corners.map((v) => Math.round(v * scale)) as [number, number, number, number];
    const bin = (start: number, end: number, bins: number, i: number, size: number): [number, number] => {
      const length = Math.max(end - start + 1, 1) / bins;
      const edge = (at: number): number => Math.min(Math.max(at + start, 0), size);
      return [edge(Math.floor(i * length)), edge(Math.ceil((i + 1) * length))];
    };
    const image = x.select(0, batch);
    const cells = Array.from({ length: height * width }, (__, k) => {
      const [top, bottom] = bin(y1, y2, height, Math.floor(k / width), h);
      const [left, right] = bin(x1, x2, width, k % width, w);
      if (bottom <= top || right <= left) return zeros([x.shape[1]!], { dtype: x.dtype });
      return image
        .narrow(1, top, bottom - top)
        .narrow(2, left, right - left)
        .amax([1, 2]);
    });
    return stack(cells, 1).reshape([x.shape[1]!, height, width]);
  });
  return pooled.length > 0 ? stack(pooled) : zeros([0, x.shape[1]!, height, width], { dtype: x.dtype });
}

// ---- boxes -------------------------------------------------------------------------------------------------------------

/** Indices [batch, class, box] of boxes that no better box of their class overlaps too much. */
function suppress(
  center: boolean,
  boxes: Tensor,
  scores: Tensor,
  most: number,
  overlap: number,
  least: number | null,
): Tensor {
  const [batches, n] = boxes.shape as [number, number];
  const classes = scores.shape[1]!;
  const corners = numbersOf(boxes);
  const values = numbersOf(scores);
  const cornersOf = (b: number, i: number): [number, number, number, number] => {
    const [p, q, r, s] = corners.slice(4 * (b * n + i), 4 * (b * n + i) + 4) as [number, number, number, number];
    if (center) return [q - s / 2, p - r / 2, q + s / 2, p + r / 2];
    return [Math.min(p, r), Math.min(q, s), Math.max(p, r), Math.max(q, s)];
  };
  const area = (box: readonly number[]): number => (box[2]! - box[0]!) * (box[3]! - box[1]!);
  const shared = (p: readonly number[], q: readonly number[]): number => {
    const h = Math.min(p[2]!, q[2]!) - Math.max(p[0]!, q[0]!);
    const w = Math.min(p[3]!, q[3]!) - Math.max(p[1]!, q[1]!);
    if (h <= 0 || w <= 0) return 0;
    const total = area(p) + area(q) - h * w;
    return total <= 0 ? 0 : (h * w) / total;
  };
  const chosen: number[] = [];
  for (let b = 0; b < batches; b++) {
    const all = Array.from({ length: n }, (_, i) => cornersOf(b, i));
    for (let c = 0; c < classes; c++) {
      const score = (i: number): number => values[(b * classes + c) * n + i]!;
      const order = all.map((_, i) => i).filter((i) => least === null || score(i) > least);
      order.sort((i, j) => score(j) - score(i) || i - j);
      const kept: number[] = [];
      for (const i of order) {
        if (kept.length >= most) break;
        if (kept.every((j) => !(shared(all[i]!, all[j]!) > overlap))) kept.push(i);
      }
      for (const i of kept) chosen.push(b, c, i);
    }
  }
  return fromTypedArray(BigInt64Array.from(chosen, BigInt), [chosen.length / 3, 3]);
}

// ---- deformable convolution --------------------------------------------------------------------------------------------

/** x [n, c, …] at places [n, dims, points] (linear between elements, zero outside): [n, c, points]. */
function sample(x: Tensor, places: Tensor): Tensor {
  const [n, c, ...size] = x.shape as [number, number, ...number[]];
  const flat = x.reshape([n, c, product(size)]);
  const low = places.floor();
  let sum: Tensor | null = null;
  for (let corner = 0; corner < 2 ** size.length; corner++) {
    let index: Tensor | null = null;
    let weight: Tensor | null = null;
    size.forEach((m, d) => {
      const at = low.select(1, d).add((corner >> d) & 1);
      const near = places.select(1, d).sub(at).abs().neg().add(1);
      const inside = at.ge(0).logicalAnd(at.le(m - 1));
      const w = where(inside, near, 0);
      weight = weight === null ? w : weight.mul(w);
      const i = at.clamp(0, m - 1);
      index = index === null ? i : index.mul(m).add(i);
    });
    const picked = flat.gather(2, index!.to('int64').unsqueeze(1).expand(n, c, places.shape[2]!));
    const part = picked.mul(weight!.unsqueeze(1));
    sum = sum === null ? part : sum.add(part);
  }
  return sum!;
}

interface Deform extends Windows {
  group: number;
  offset_group: number;
}
function deformConv(a: Deform, x: Tensor, w: Tensor, offset: Tensor, b: Tensor | null, mask: Tensor | null): Tensor {
  const kernel = w.shape.slice(2);
  const dims = kernel.length;
  const g = geometry('DeformConv', a, x, kernel);
  const taps = product(kernel);
  const points = product(g.out);
  const [n, c] = x.shape as [number, number];
  // Places without offsets: [dims, taps, points].
  const base = new Float64Array(dims * taps * points);
  for (let d = 0, at = 0; d < dims; d++) {
    const after = (list: readonly number[]): number => product(list.slice(d + 1));
    for (let t = 0; t < taps; t++) {
      for (let p = 0; p < points; p++) {
        const tap = Math.floor(t / after(kernel)) % kernel[d]!;
        const out = Math.floor(p / after(g.out)) % g.out[d]!;
        base[at++] = out * g.stride[d]! - g.before[d]! + tap * g.dilation[d]!;
      }
    }
  }
  const grid = fromTypedArray(base, [1, dims, taps, points]).to(x.dtype);
  const per = c / a.offset_group;
  const columns = Array.from({ length: a.offset_group }, (_, o) => {
    const moved = offset.reshape([n, a.offset_group, taps, dims, points]).select(1, o).transpose(1, 2).add(grid);
    const values = sample(x.narrow(1, o * per, per), moved.reshape([n, dims, taps * points])).reshape([
      n,
      per,
      taps,
      points,
    ]);
    return mask === null ? values : values.mul(mask.reshape([n, a.offset_group, 1, taps, points]).select(1, o));
  });
  // A product of each group's weights with its columns.
  const all = cat(columns, 1).reshape([n, a.group, (c / a.group) * taps, points]);
  const weights = w.reshape([1, a.group, w.shape[0]! / a.group, -1]);
  const y = weights.matmul(all).reshape([n, w.shape[0]!, ...g.out]);
  return b === null ? y : y.add(b.reshape([-1, ...kernel.map(() => 1)]));
}

const MODES: Record<string, string> = { linear: 'bilinear', cubic: 'bicubic' };

export const VISION = table(
  operator(
    'GridSample(Tensor X, Tensor grid; string mode=linear, string padding_mode=zeros, int align_corners=0)',
    (a, x: Tensor, grid: Tensor) =>
      F.gridSample(x, grid.to(x.dtype), {
        mode: (MODES[a.mode] ?? a.mode) as 'bilinear',
        paddingMode: a.padding_mode as 'zeros',
        alignCorners: a.align_corners !== 0,
      }),
  ),
  operator('AffineGrid(Tensor theta, ints size; int align_corners=0)', (a, theta: Tensor, size: number[]) =>
    F.affineGrid(theta, size, a.align_corners !== 0),
  ),
  operator(
    'RoiAlign(Tensor X, Tensor rois, ints batch_indices; string mode=avg, int output_height=1, int output_width=1, int sampling_ratio=0, float spatial_scale=1, string? coordinate_transformation_mode)',
    (a, x: Tensor, rois: Tensor, batch: number[]) => roiAlign(a, x, rois, batch),
  ),
  operator(
    'MaxRoiPool(Tensor X, Tensor rois; ints pooled_shape, float spatial_scale=1)',
    (a, x: Tensor, rois: Tensor) => maxRoiPool(a.pooled_shape, a.spatial_scale, x, rois),
  ),
  operator(
    'NonMaxSuppression(Tensor boxes, Tensor scores, ints? max_output_boxes_per_class, setting? iou_threshold, setting? score_threshold; int center_point_box=0)',
    (a, boxes: Tensor, scores: Tensor, most: number[] | null, overlap: Tensor | null, least: Tensor | null) =>
      suppress(
        a.center_point_box !== 0,
        boxes,
        scores,
        most?.[0] ?? 0,
        overlap === null ? 0 : numbersOf(overlap)[0]!,
        least === null ? null : numbersOf(least)[0]!,
      ),
  ),
  operator(
    'DeformConv(Tensor X, Tensor W, Tensor offset, Tensor? B, Tensor? mask; ints? strides, ints? pads, ints? dilations, ints? kernel_shape, int group=1, int offset_group=1)',
    (a, x: Tensor, w: Tensor, offset: Tensor, b: Tensor | null, mask: Tensor | null) =>
      deformConv(a, x, w, offset, b, mask),
  ),
);
