/** Products, convolutions, pooling, normalizations, attention, lookups, resizing. */
import { TenfoldError } from '../../errors.js';
import { Code } from '../../dtype.js';
import { full, ones, zeros } from '../../ops/creation.js';
import { Tensor } from '../../tensor/tensor.js';
import { Size, rankOf, sameSize, sizesOf, type Arg, type Graph, type Value } from './graph.js';
import { reduced, sliced, staticSize } from './shapes.js';
import { axesOf, listOf, translations, type Args, type Emit, type Table } from './translation.js';

const lastSwapped = (g: Graph, x: Arg): string => {
  const rank = rankOf(x);
  const perm = Array.from({ length: rank }, (_, d) => (d < rank - 2 ? d : d === rank - 2 ? rank - 1 : rank - 2));
  return g.node('Transpose', [g.of(x)], { perm });
};

// ---- products ----------------------------------------------------------------------------------------------------------

/** x weightᵀ + bias: Gemm for two dims, a product of matrices for more. */
const linear: Emit = (g, a) => {
  const [x, weight, bias] = [a.input as Arg, a.weight as Arg, a.bias as Arg | null];
  if (rankOf(x) === 2 && rankOf(weight) === 2)
    return g.node('Gemm', [g.of(x), g.of(weight), bias && g.of(bias)], { transB: 1 });
  const turned = rankOf(weight) === 2 ? lastSwapped(g, weight) : g.of(weight);
  const product = g.node('MatMul', [g.of(x), turned]);
  return bias ? g.node('Add', [product, g.of(bias)]) : product;
};
const matmul: Emit = (g, a) => g.node('MatMul', [g.of((a.self ?? a.input) as Arg), g.of((a.other ?? a.mat2 ?? a.vec ?? a.tensor) as Arg)]); // prettier-ignore
/** β self + α (x y). */
const addProduct =
  (p: string, q: string): Emit =>
  (g, a, [out]) => {
    const scaled = (name: string, n: number): string =>
      n === 1 ? name : g.node('Mul', [name, g.number(n, out!.dtype)]);
    const product = scaled(g.node('MatMul', [g.of(a[p] as Arg), g.of(a[q] as Arg)]), a.alpha);
    return a.beta === 0 ? product : g.node('Add', [product, scaled(g.of(a.self as Arg), a.beta)]);
  };

// ---- windows -----------------------------------------------------------------------------------------------------------

/** Runs on a batch: a single sample gets a dim in front, and loses it again. */
function batched(g: Graph, x: Arg, n: number, f: (name: string) => string | string[]): string | string[] {
  if (rankOf(x) === n + 2) return f(g.of(x));
  const out = f(g.node('Unsqueeze', [g.of(x), g.ints([0])]));
  const back = (name: string): string => g.node('Squeeze', [name, g.ints([0])]);
  return Array.isArray(out) ? out.map(back) : back(out);
}
const twice = (list: readonly number[]): number[] => [...list, ...list];

const conv =
  (n: number): Emit =>
  (g, a) => {
    const weight = a.weight as Arg;
    const kernel = sizesOf(weight).slice(2) as number[];
    const dilations = listOf(a.dilation, n);
    let pads: number[];
    if (a.padding === 'valid') pads = new Array<number>(2 * n).fill(0);
    else if (a.padding === 'same') {
      const total = kernel.map((k, d) => (k - 1) * dilations[d]!);
      pads = [...total.map((t) => Math.floor(t / 2)), ...total.map((t) => t - Math.floor(t / 2))];
    } else pads = twice(listOf(a.padding, n));
    const attributes = { kernel_shape: kernel, strides: listOf(a.stride, n), pads, dilations, group: a.groups };
    return batched(g, a.input as Arg, n, (x) =>
      g.node('Conv', [x, g.of(weight), a.bias && g.of(a.bias as Arg)], attributes),
    );
  };
const convTranspose =
  (n: number): Emit =>
  (g, a) => {
    const weight = a.weight as Arg;
    const attributes = {
      kernel_shape: sizesOf(weight).slice(2), strides: listOf(a.stride, n), pads: twice(listOf(a.padding, n)),
      dilations: listOf(a.dilation, n), output_padding: listOf(a.outputPadding, n), group: a.groups,
    }; // prettier-ignore
    return batched(g, a.input as Arg, n, (x) =>
      g.node('ConvTranspose', [x, g.of(weight), a.bias && g.of(a.bias as Arg)], attributes),
    );
  };

const stridesOf = (a: Args, n: number): number[] =>
  listOf(a.stride === null || a.stride?.length === 0 ? a.kernelSize : a.stride, n);
const maxPool =
  (n: number): Emit =>
  (g, a, outs) => {
    const x = a.input as Arg;
    const attributes = {
      kernel_shape: listOf(a.kernelSize, n), strides: stridesOf(a, n), pads: twice(listOf(a.padding, n)),
      dilations: listOf(a.dilation, n), ceil_mode: a.ceilMode ? 1 : 0,
    }; // prettier-ignore
    if (outs.length < 2) return batched(g, x, n, (name) => g.node('MaxPool', [name], attributes));
    return batched(g, x, n, (name) => {
      const [values, places] = g.several('MaxPool', [name], attributes, 2) as [string, string];
      // Places are those in the plane here, in the whole tensor there.
      const plane = sizesOf(x)
        .slice(-n)
        .reduce<number>((p, m) => p * staticSize(m, 'places of maxima'), 1);
      return [values, g.node('Mod', [places, g.number(plane, 'int64')])];
    });
  };
const avgPool =
  (n: number): Emit =>
  (g, a, [out]) => {
    const kernel = listOf(a.kernelSize, n);
    const attributes = {
      kernel_shape: kernel, strides: stridesOf(a, n), pads: twice(listOf(a.padding, n)),
      ceil_mode: a.ceilMode ? 1 : 0, count_include_pad: a.countIncludePad ? 1 : 0,
    }; // prettier-ignore
    return batched(g, a.input as Arg, n, (x) => {
      if (!a.divisorOverride) return g.node('AveragePool', [x], attributes);
      const mean = g.node('AveragePool', [x], { ...attributes, count_include_pad: 1 });
      return g.node('Mul', [mean, g.number(kernel.reduce((p, k) => p * k, 1) / a.divisorOverride, out!.dtype)]);
    });
  };

/** Windows that divide a dim into so many parts, one dim after the other: slices, each reduced. */
const adaptive =
  (n: number, type: 'ReduceMean' | 'ReduceMax'): Emit =>
  (g, a, [out]) => {
    const x = a.input as Arg;
    const rank = rankOf(x);
    const from = sizesOf(x);
    const to = sizesOf(out!);
    let name = g.of(x);
    for (let axis = rank - n; axis < rank; axis++) {
      if (sameSize(from[axis]!, to[axis]!)) continue;
      if (to[axis] === 1) {
        name = reduced(g, type, name, [axis], true);
        continue;
      }
      const [size, parts] = [staticSize(from[axis]!, 'adaptive pooling'), staticSize(to[axis]!, 'adaptive pooling')];
      const cells = Array.from({ length: parts }, (_, i) => {
        const [start, end] = [Math.floor((i * size) / parts), Math.ceil(((i + 1) * size) / parts)];
        return reduced(g, type, sliced(g, name, axis, start, end), [axis], true);
      });
      name = g.node('Concat', cells, { axis });
    }
    return name;
  };
const noPlaces = (a: Args): boolean => !a.returnIndices;

/** (Σ xᵖ)^(1/p), where PyTorch takes the sign of the sum into account and ONNX sizes: the same for p = 1 of what is not negative and even p. */
const lpPool =
  (n: number): Emit =>
  (g, a) =>
    batched(g, a.input as Arg, n, (x) => g.node('LpPool', [x], { kernel_shape: listOf(a.kernelSize, n), strides: stridesOf(a, n), p: a.normType, ceil_mode: a.ceilMode ? 1 : 0 })); // prettier-ignore

const RESIZE: Record<string, string> = { nearest: 'nearest', 'nearest-exact': 'nearest', linear: 'linear', bilinear: 'linear', trilinear: 'linear', bicubic: 'cubic' }; // prettier-ignore
const interpolate: Emit = (g, a, [out]) => {
  const x = a.input as Arg;
  const n = rankOf(x) - 2;
  const attributes = {
    mode: RESIZE[a.mode]!,
    coordinate_transformation_mode: a.mode === 'nearest' ? 'asymmetric' : a.alignCorners ? 'align_corners' : a.mode === 'nearest-exact' ? 'half_pixel' : 'pytorch_half_pixel',
    nearest_mode: a.mode === 'nearest' ? 'floor' : 'round_prefer_ceil',
    cubic_coeff_a: -0.75,
    antialias: a.antialias ? 1 : 0,
  }; // prettier-ignore
  if (a.scaleFactor !== null && !a.recomputeScaleFactor) {
    const scales = Float32Array.from([1, 1, ...listOf(a.scaleFactor, n)]);
    return g.node('Resize', [g.of(x), null, g.constant(Tensor.wrap(scales, [n + 2], Code.f32))], attributes);
  }
  return g.node('Resize', [g.of(x), null, null, g.ints(sizesOf(out!))], attributes);
};
const canResize = (a: Args): boolean => a.mode in RESIZE;

// ---- normalizations ----------------------------------------------------------------------------------------------------

/** A vector of channels, broadcast over the dims behind. */
const channels = (g: Graph, v: Arg, rank: number): string =>
  rank <= 2 ? g.of(v) : g.node('Reshape', [g.of(v), g.ints([-1, ...new Array<number>(rank - 2).fill(1)])]);
const affine = (g: Graph, name: string, weight: string | null, bias: string | null): string => {
  const scaled = weight === null ? name : g.node('Mul', [name, weight]);
  return bias === null ? scaled : g.node('Add', [scaled, bias]);
};
/** (x − mean) / √(variance + ε) over axes. */
function standardized(g: Graph, name: string, axes: readonly number[], eps: number, dtype: Value['dtype']): string {
  const centered = g.node('Sub', [name, reduced(g, 'ReduceMean', name, axes, true)]);
  const variance = reduced(g, 'ReduceMean', g.node('Mul', [centered, centered]), axes, true);
  return g.node('Div', [centered, g.node('Sqrt', [g.node('Add', [variance, g.number(eps, dtype)])])]);
}
const countOf = (x: Arg, axis: number): number => staticSize(sizesOf(x)[axis]!, 'channels');

const batchNorm: Emit = (g, a, [out]) => {
  const x = a.input as Arg;
  const rank = rankOf(x);
  const one = (value: number): Tensor => full([countOf(x, 1)], value, { dtype: out!.dtype });
  if (!a.training && a.runningMean && a.runningVar) {
    const inputs = [a.weight ?? one(1), a.bias ?? one(0), a.runningMean, a.runningVar] as Arg[];
    return g.node('BatchNormalization', [g.of(x), ...inputs.map((t) => g.of(t))], { epsilon: a.eps });
  }
  const axes = Array.from({ length: rank }, (_, d) => d).filter((d) => d !== 1);
  const y = standardized(g, g.of(x), axes, a.eps, out!.dtype);
  return affine(g, y, a.weight && channels(g, a.weight as Arg, rank), a.bias && channels(g, a.bias as Arg, rank));
};
const instanceNorm: Emit = (g, a, outs) => {
  const x = a.input as Arg;
  if (!a.useInputStats) return batchNorm(g, { ...a, training: false }, outs);
  const rank = rankOf(x);
  const y = standardized(g, g.of(x), axesOf(null, rank).slice(2), a.eps, outs[0]!.dtype);
  return affine(g, y, a.weight && channels(g, a.weight as Arg, rank), a.bias && channels(g, a.bias as Arg, rank));
};
const groupNorm: Emit = (g, a, [out]) => {
  const x = a.input as Arg;
  const rank = rankOf(x);
  const groups = g.node('Reshape', [g.of(x), g.ints([0, a.numGroups, -1])]);
  const y = standardized(g, groups, [2], a.eps, out!.dtype);
  const back = reshapedLike(g, y, x);
  return affine(g, back, a.weight && channels(g, a.weight as Arg, rank), a.bias && channels(g, a.bias as Arg, rank));
};
/** To another value's shape. */
const reshapedLike = (g: Graph, name: string, like: Arg): string => g.node('Reshape', [name, sizesOf(like).some((n) => n instanceof Size) ? g.node('Shape', [g.of(like)]) : g.ints(sizesOf(like))]); // prettier-ignore

const layerNorm: Emit = (g, a, [out]) => {
  const shape = listOf(a.normalizedShape);
  const weight = (a.weight ?? ones(shape, { dtype: out!.dtype })) as Arg;
  const bias = (a.bias ?? null) as Arg | null;
  return g.node('LayerNormalization', [g.of(a.input as Arg), g.of(weight), bias && g.of(bias)], {
    axis: -shape.length,
    epsilon: a.eps,
  });
};
const rmsNorm: Emit = (g, a, [out]) => {
  const x = a.input as Arg;
  const rank = rankOf(x);
  const axes = listOf(a.normalizedShape).map((_, i, list) => rank - list.length + i);
  const eps = a.eps ?? (out!.dtype === 'float64' ? 2 ** -52 : 2 ** -23);
  const mean = reduced(g, 'ReduceMean', g.node('Mul', [g.of(x), g.of(x)]), axes, true);
  const y = g.node('Div', [g.of(x), g.node('Sqrt', [g.node('Add', [mean, g.number(eps, out!.dtype)])])]);
  return affine(g, y, a.weight && g.of(a.weight as Arg), null);
};

// ---- attention ---------------------------------------------------------------------------------------------------------

const attention: Emit = (g, a, [out]) => {
  const [q, k, v, mask] = [a.query, a.key, a.value, a.attnMask] as [Arg, Arg, Arg, Arg | null];
  const { dtype } = out!;
  const size = staticSize(sizesOf(q).at(-1)!, 'attention');
  const number = (n: number): string => g.number(n, dtype);
  const scores = g.node('MatMul', [
    g.node('Mul', [g.of(q), number(a.scale ?? 1 / Math.sqrt(size))]),
    lastSwapped(g, k),
  ]);
  const hidden = (seen: string): string => g.node('Where', [seen, scores, number(-Infinity)]);
  let masked = scores;
  if (a.isCausal) {
    const [l, s] = [sizesOf(q).at(-2)!, sizesOf(k).at(-2)!];
    const places = (n: typeof l, axis: number): string => {
      const count = g.node('Squeeze', [g.ints([n]), g.ints([0])]);
      return g.node('Unsqueeze', [
        g.node('Range', [g.number(0, 'int64'), count, g.number(1, 'int64')]),
        g.ints([axis]),
      ]);
    };
    masked = hidden(g.node('GreaterOrEqual', [places(l, 1), places(s, 0)]));
  } else if (mask !== null)
    masked = mask.dtype === 'bool' ? hidden(g.of(mask)) : g.node('Add', [scores, g.cast(mask, dtype)]);
  let weights = g.node('Softmax', [masked], { axis: -1 });
  // Rows of which nothing is kept are 0.
  if (mask !== null) weights = g.node('Where', [g.node('IsNaN', [weights]), number(0), weights]);
  return g.node('MatMul', [weights, g.of(v)]);
};

// ---- lookups and rearrangements ----------------------------------------------------------------------------------------

const embedding: Emit = (g, a) => g.node('Gather', [g.of(a.weight as Arg), g.of(a.input as Arg)], { axis: 0 });
const oneHot: Emit = (g, a, [out]) => {
  const depth = g.number(staticSize(sizesOf(out!).at(-1)!, 'oneHot'), 'int64');
  return g.node('OneHot', [g.of(a.input as Arg), depth, g.ints([0, 1])], { axis: -1 });
};

/** Blocks of r × r channels in and out of space, for one image or a batch. */
const pixelShuffle: Emit = (g, a) =>
  batched(g, a.input as Arg, 2, (x) => g.node('DepthToSpace', [x], { blocksize: a.upscaleFactor, mode: 'CRD' }));

/** The columns of unfold: a convolution with one kernel for each place in a window. */
const unfold: Emit = (g, a, [out]) => {
  const x = a.input as Arg;
  if (rankOf(x) !== 4) throw new TenfoldError('shape', 'onnx.export: unfold needs an input of 4 dims');
  const c = countOf(x, 1);
  const [kh, kw] = listOf(a.kernelSize, 2) as [number, number];
  const taps = kh * kw;
  const kernels = zeros([c * taps, 1, kh, kw], { dtype: out!.dtype });
  const places = Array.from({ length: c * taps }, (_, i) => i * taps + (i % taps));
  kernels
    .view([c * taps * taps])
    .indexFill_(0, Tensor.wrap(BigInt64Array.from(places, BigInt), [places.length], Code.i64), 1);
  const name = g.node('Conv', [g.of(x), g.constant(kernels)], {
    kernel_shape: [kh, kw], strides: listOf(a.stride, 2), pads: twice(listOf(a.padding, 2)), dilations: listOf(a.dilation, 2), group: c,
  }); // prettier-ignore
  return g.node('Reshape', [name, g.ints([0, c * taps, -1])]);
};
const fold: Emit = (g, a) => {
  if (rankOf(a.input as Arg) !== 3) throw new TenfoldError('shape', 'onnx.export: fold needs an input of 3 dims');
  return g.node('Col2Im', [g.of(a.input as Arg), g.ints(listOf(a.outputSize, 2)), g.ints(listOf(a.kernelSize, 2))], {
    strides: listOf(a.stride, 2), pads: twice(listOf(a.padding, 2)), dilations: listOf(a.dilation, 2),
  }); // prettier-ignore
};
const gridSample: Emit = (g, a) => {
  const old = g.opset < 20;
  const mode = old ? a.mode : a.mode === 'bilinear' ? 'linear' : a.mode === 'bicubic' ? 'cubic' : a.mode;
  return g.node('GridSample', [g.of(a.input as Arg), g.of(a.grid as Arg)], { mode, padding_mode: a.paddingMode, align_corners: a.alignCorners ? 1 : 0 }); // prettier-ignore
};
/** x1ᵀ weight x2 for each output. */
const trilinear: Emit = (g, a) =>
  g.node('Einsum', [g.of(a.x1 as Arg), g.of(a.weight as Arg), g.of(a.x2 as Arg)], { equation: 'ni,oij,nj->no' });

const idle = (a: Args): boolean => !a.training || a.p === 0;
const same: Emit = (g, a) => g.node('Identity', [g.of(a.input as Arg)]);

export const LAYERS: Table = translations({
  linear,
  affine: linear,
  matmul,
  matmulBatched: matmul,
  mm: matmul,
  bmm: matmul,
  mv: matmul,
  dot: matmul,
  addmm: addProduct('mat1', 'mat2'),
  addmv: addProduct('mat', 'vec'),
  baddbmm: addProduct('batch1', 'batch2'),
  trilinear,

  conv1d: conv(1),
  conv2d: conv(2),
  conv3d: conv(3),
  convTranspose1d: convTranspose(1),
  convTranspose2d: convTranspose(2),
  convTranspose3d: convTranspose(3),
  maxPool1d: maxPool(1),
  maxPool2d: maxPool(2),
  maxPool3d: maxPool(3),
  avgPool1d: avgPool(1),
  avgPool2d: avgPool(2),
  avgPool3d: avgPool(3),
  adaptiveAvgPool1d: adaptive(1, 'ReduceMean'),
  adaptiveAvgPool2d: adaptive(2, 'ReduceMean'),
  adaptiveAvgPool3d: adaptive(3, 'ReduceMean'),
  adaptiveMaxPool1d: [noPlaces, adaptive(1, 'ReduceMax')],
  adaptiveMaxPool2d: [noPlaces, adaptive(2, 'ReduceMax')],
  adaptiveMaxPool3d: [noPlaces, adaptive(3, 'ReduceMax')],
  lpPool1d: [(a) => a.normType === 2, lpPool(1)],
  lpPool2d: [(a) => a.normType === 2, lpPool(2)],
  interpolate: [canResize, interpolate],
  unfold: [(a) => a.kernelSize !== undefined, unfold],
  fold,
  pixelShuffle: [(a) => a.input.ndim <= 4, pixelShuffle],
  gridSample,

  batchNorm,
  instanceNorm,
  groupNorm,
  layerNorm,
  rmsNorm,
  localResponseNorm: (g, a) =>
    g.node('LRN', [g.of(a.input as Arg)], { size: a.size, alpha: a.alpha, beta: a.beta, bias: a.k }),
  scaledDotProductAttention: [(a) => !(a.dropoutP > 0) && !a.enableGqa, attention],
  embedding: [(a) => a.maxNorm === null, embedding],
  oneHot,
  dropout: [idle, same],
  dropout1d: [idle, same],
  dropout2d: [idle, same],
  dropout3d: [idle, same],
  alphaDropout: [idle, same],
  featureAlphaDropout: [idle, same],
});
