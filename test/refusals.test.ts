/**
 * What bad input gets: an error of the right kind whose message names the call, what it got and what would do, before
 * anything is changed. Files have their own (serialization.test.ts), and so have PyTorch's bad calls (operators/).
 */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';
import type { Tensor } from '../lib/index.js';

// Calls that TypeScript would refuse are made as JavaScript makes them.
/* eslint-disable @typescript-eslint/no-explicit-any */
type Any = any;
const t: Any = tf;
const { nn, optim } = t;
const F = nn.functional;
const { DataLoader, TensorDataset } = t.utils.data;
/* eslint-enable @typescript-eslint/no-explicit-any */

const z = (...size: number[]): Any => tf.zeros(size);
const ints = (...values: number[]): Any => tf.tensor(values.map(BigInt));
const leaf = (...size: number[]): Any => tf.ones(size).requiresGrad_();
const gone = (...size: number[]): Any => {
  const x = z(...size);
  x.dispose();
  return x;
};

/** What is called, the kind of error (a code for TenfoldError), a part of the message. */
type Row = [call: () => unknown, kind: string, message: string];

const SHAPES: Row[] = [
  [() => z(2, 3).add(z(4)), 'shape', "add: shapes [2, 3] and [4] can't broadcast: sizes 3 and 4 at dim 1 differ"],
  [() => z(3).mul_(z(2, 3)), 'shape', "mul_: the result's shape [2, 3] is not self's [3]"],
  [() => t.where(z(2).eq(0), z(3), 0), 'shape', "where: shapes [2] and [3] can't broadcast"],
  [() => z(2, 3).matmul(z(4, 5)), 'shape', 'matmul: [2, 3] @ [4, 5]: inner sizes 3 and 4 differ'],
  [() => z().matmul(z(2)), 'shape', 'matmul: both operands need at least 1 dim, got [] @ [2]'],
  [() => t.bmm(z(2, 3, 4), z(3, 4, 5)), 'shape', 'bmm: batches of 2 and 3 differ'],
  [() => z(2, 3).expand(2, 4), 'shape', "expand: size 3 at dim 1 can't become 4"],
  [() => t.cat([z(2, 3), z(3, 2)]), 'shape', 'cat: shapes [2, 3] and [3, 2] must agree in all dims but dim 0'],
  [() => t.cat([]), 'shape', 'cat: expected at least one tensor'],
  [() => t.stack([z(2), z(3)]), 'shape', 'stack: all tensors must have one shape, got [2] and, at 1, [3]'],
  [() => z(2, 3).reshape(4), 'shape', "reshape: shape [4] doesn't hold the 6 elements of [2, 3]"],
  [() => z(6).reshape(-1, -1), 'shape', 'reshape: only one size can be -1'],
  [() => z(0).view(-1, 0), 'shape', 'view: the size for -1 in [-1,0] is ambiguous'],
  [() => z(2, 3).t().view(6), 'shape', 'without a copy; use reshape'],
  [() => t.chainMatmul(z(2, 2), z(2)), 'shape', "chainMatmul: 'matrices[1]' must have 2 dims, got shape [2]"],
  [() => t.chainMatmul(z(2, 2), 3), 'TypeError', 'chainMatmul: argument 1 must be a tensor, got 3'],
  [() => t.repeatInterleave(ints(1).view(1, 1)), 'shape', 'repeatInterleave: repeats alone must have one dim'],
  [() => t.repeatInterleave(ints(1), { outputSize: 2 }), 'value', 'outputSize is 2, but the repeats add up to 1'],
  [() => t.einsum('ij,jk->ik', z(2, 3), z(4, 5)), 'shape', "einsum: index 'j' has size 4 in operand 1 and 3 before"],
  [() => F.linear(z(2, 3), z(4, 5)), 'shape', "linear: input [2, 3] doesn't end in the 5 features"],
  [() => F.conv2d(z(1, 3, 4, 4), z(2, 4, 1, 1)), 'shape', 'conv2d: a weight of shape [2, 4, 1, 1]'],
  [() => F.conv2d(z(1, 3, 2, 2), z(2, 3, 5, 5)), 'shape', 'is larger than the padded input'],
  [() => F.mseLoss(z(2), z(3)), 'shape', "mseLoss: shapes [2] and [3] can't broadcast"],
  [() => F.crossEntropy(z(2, 3), ints(0, 1, 2)), 'shape', 'crossEntropy: target has shape [3], expected [2]'],
  [() => F.batchNorm(z(1, 3), null, null, { training: true }), 'shape', 'batchNorm: more than one value per channel'],
  [() => z().diff(), 'shape', 'diff: needs at least one dim, got a 0-dim tensor'],
  [() => t.linalg.norm(z(2, 2, 2), 1), 'shape', 'norm: ord 1 needs one dim or two, got 3 of shape [2, 2, 2]'],
  [() => t.linalg.norm(z(2), 'fro'), 'shape', "norm: ord 'fro' needs two dims, got 1 of shape [2]"],
  [() => t.linalg.norm(z(2, 2), { dim: [] }), 'shape', 'norm: dim must be one dim or two, got []'],
  [() => t.linalg.matrixNorm(z(2)), 'shape', 'matrixNorm: needs two dims of a matrix, got dims [-2,-1] of [2]'],
  [() => t.linalg.norm(z(2, 2), 3), 'value', "norm: ord must be 'fro', 'nuc', ±1, ±2 or ±Infinity, got 3"],
  [() => t.linalg.norm(z(0, 2), 2), 'RangeError', 'norm: nothing to reduce: shape [0]'],
  [() => t.linalg.matrixNorm(z(2, 2), 'nuc', [0, 2]), 'RangeError', 'matrixNorm: dim 2'],
  [() => z(2, 2, 2).norm('nuc'), 'shape', "norm: 'nuc' without dim needs a matrix, got [2, 2, 2]"],
  [() => z(2, 2).norm('nuc', { dtype: 'float64' }), 'value', "norm: 'nuc' takes no dtype; use linalg.matrixNorm"],
  [() => t.linalg.svd(z(2)), 'shape', 'svd: needs matrices [..., m, n], got [2]'],
  [() => t.linalg.svdvals(t.stack([t.eye(2), t.full([2, 2], NaN)])), 'value', 'svdvals: matrix 1 of the batch has NaN'],
  [() => t.full([2, 2], NaN).norm('nuc'), 'value', 'norm: the matrix has NaN in it'],
  [() => t.linalg.pinv(t.eye(2), 0.1, { rtol: 0.1 }), 'value', 'pinv: give rcond, or atol and rtol, not both'],
  [() => t.linalg.matrixRank(t.eye(2), 1, { atol: 1 }), 'value', 'matrixRank: give tol, or atol and rtol, not both'],
  [() => t.linalg.matrixRank(t.eye(2), { rtol: 'none' }), 'TypeError', 'matrixRank: rtol must be a number or a tensor'],
  [() => t.linalg.pinv(z(2, 3), { hermitian: true }), 'shape', 'pinv: needs square matrices [..., n, n], got [2, 3]'],
  [() => t.linalg.cond(z(2, 3), 1), 'shape', 'cond: needs square matrices [..., n, n], got [2, 3]'],
  [() => t.linalg.cond(z(2, 2), 'two'), 'value', "cond: p must be 'fro', 'nuc', ±1, ±2 or ±Infinity, got 'two'"],
  [() => z(2, 3).det(), 'shape', 'det: needs square matrices [..., n, n], got [2, 3]'],
  [() => t.linalg.inv(z(2)), 'shape', 'inv: needs square matrices [..., n, n], got [2]'],
  [
    () => t.linalg.inv(t.stack([t.eye(2), z(2, 2)])),
    'value',
    'inv: matrix 1 of the batch is singular: its pivot 1 is zero',
  ],
  [() => t.ones(2, 2).inverse(), 'value', 'inverse: the matrix is singular: its pivot 2 is zero'],
  [() => t.linalg.solve(z(2, 2), z(2)), 'value', 'solve: the matrix is singular: its pivot 1 is zero'],
  [() => t.linalg.solve(t.eye(2), z(3)), 'shape', 'solve: for A [2, 2] B must be [..., 2, k], got [3, 1]'],
  [() => t.linalg.solve(t.eye(2), z()), 'shape', 'solve: for A [2, 2] B must be [..., 2, k], got []'],
  [() => t.linalg.solve(t.eye(2), z(3, 3), { left: false }), 'shape', 'B must be [..., k, 2], got [3, 3]'],
  [() => t.linalg.solve(t.eye(2), z(2), { left: false }), 'shape', 'solve: with left: false B must be matrices'],
  [() => t.linalg.solve(z(2, 2, 2), z(3, 2, 1)), 'shape', "solve: shapes [2] and [3] can't broadcast"],
  [() => t.linalg.solveTriangular(t.eye(2), z(2, 1)), 'TypeError', 'solveTriangular: missing option upper'],
  [
    () =>
      t.linalg.cholesky(
        t.tensor([
          [1, 2],
          [2, 1],
        ]),
      ),
    'value',
    'cholesky: the matrix is not positive definite: its leading minor of order 2',
  ],
  [() => t.full([1, 2, 2], NaN).cholesky(), 'value', 'cholesky: matrix 0 of the batch is not positive definite'],
  [() => F.groupNorm(z(1, 2), 2), 'shape', 'groupNorm: more than one value per group is needed, got [1, 2]'],
  [() => new nn.LSTM(2, 2).forward(z(3)), 'shape', 'LSTM: input must be [l, n, 2] or [l, 2], got [3]'],
  [() => new nn.LSTM(2, 2).forward(z(0, 1, 2)), 'shape', 'LSTM: a sequence has at least one step, got [0, 1, 2]'],
  [() => new nn.GRU(2, 2, { batchFirst: true }).forward(z(3, 0, 2)), 'shape', 'GRU: a sequence has at least one step'],
  [() => z(2).tril(), 'shape', 'tril: needs at least 2 dims, got [2]'],
  [() => t.cdist(z(2), z(2, 2)), 'shape', 'cdist: both inputs need at least 2 dims, got [2] and [2, 2]'],
  [() => t.cdist(z(4, 2), z(4, 3)), 'shape', 'cdist: rows must have as many columns in both inputs, got [4, 2] and'],
  [() => t.cdist(z(2, 4, 2), z(3, 4, 2)), 'shape', "cdist: shapes [2] and [3] can't broadcast"],
  [() => z(2).item(), 'shape', 'item: a tensor of 2 elements has no single value'],
  [() => +z(2), 'shape', 'item: a tensor of 2 elements has no single value'],
];

const DTYPES: Row[] = [
  [() => t.cdist(z(2, 2), z(2, 2).double()), 'dtype', 'cdist: needs floats of one dtype, got float32 and float64'],
  [() => t.cdist(z(2, 2).long(), z(2, 2).long()), 'dtype', 'cdist: needs floats of one dtype, got int64 and int64'],
  [() => z(2).add(z(2), { alpha: true }), 'dtype', 'add: a boolean alpha is only for bool tensors'],
  [() => ints(1).sub(ints(1), { alpha: 0.5 }), 'dtype', 'sub: alpha 0.5 is no integer, but the result is int64'],
  [() => ints(1).deg2rad_(), 'dtype', "deg2rad_: a float32 result can't be written into a int64 tensor"],
  [() => ints(1).clampMin_(0.5), 'dtype', "clampMin_: a float32 result can't be written into a int64 tensor"],
  [() => z(2, 2).matmul(ints(1, 2)), 'dtype', 'must have one dtype, got float32 and int64'],
  [() => ints(1).mean(), 'dtype', "mean: needs a floating-point dtype, got int64; give { dtype: 'float32' }"],
  [() => ints(1).view(1, 1).det(), 'dtype', 'det: needs a floating-point dtype, got int64'],
  [() => t.linalg.svd(ints(1).view(1, 1)), 'dtype', 'svd: needs a floating-point dtype, got int64'],
  [() => t.eye(2).half().norm('nuc'), 'dtype', 'norm: needs float32 or float64, got float16; use float()'],
  [() => t.linalg.inv(t.eye(2).half()), 'dtype', 'inv: needs float32 or float64, got float16; use float()'],
  [
    () => t.linalg.solve(t.eye(2), z(2).double()),
    'dtype',
    'solve: A and B must have one dtype, got float32 and float64',
  ],
  [() => ints(1).softmax(0), 'dtype', 'softmax: needs a floating-point dtype, got int64'],
  [() => z(1).bitwiseAnd(z(1)), 'dtype', 'bitwiseAnd: needs integers or bool'],
  [() => z(1).gt(0).sub(z(1).gt(0)), 'dtype', 'sub: not defined for bool; use logicalXor'],
  [() => ints(1).div_(2), 'dtype', "div_: a float32 result can't be written into a int64 tensor"],
  [() => ints(1).add_(1.5), 'dtype', "add_: a float32 result can't be written into a int64 tensor"],
  [() => ints(2).pow(-1), 'value', 'pow: integers to negative integer powers are not allowed'],
  [() => z(1).floatPower_(2), 'dtype', "floatPower_: a float64 result can't be written into a float32 tensor"],
  [() => z(1).cumsum_(0, { dtype: 'float64' }), 'dtype', "cumsum_: a float64 result can't be written into a float32"],
  [() => ints(1).bool().cumprod_(0), 'dtype', 'cumprod_: not defined for bool'],
  [() => ints(1).cumsum(0, { dtype: 'bool' }), 'dtype', 'cumsum: not defined for bool'],
  [() => F.huberLoss(ints(1), z(1)), 'dtype', 'huberLoss: a float32 target needs a floating-point input, got int64'],
  [() => ints(1).indexAdd(0, ints(0), ints(1), { alpha: 1e30 }), 'value', 'indexAdd: alpha 1e+30 has no int64 value'],
  [() => ints(1).requiresGrad_(), 'dtype', 'requiresGrad_: only floating-point tensors can require grad'],
  [() => F.crossEntropy(z(2, 3), z(2)), 'dtype', 'crossEntropy: target must hold classes as int64, got float32'],
  [() => F.embedding(z(2), z(3, 2)), 'dtype', 'embedding: the input must hold classes as int64 or int32'],
  [() => F.linear(z(2, 3), z(4, 3).double()), 'dtype', 'linear: input, weight and bias must have one dtype'],
  [() => z(3).gather(0, z(1)), 'dtype', 'gather: the index must be int64, got float32'],
  [() => z(2).maskedFill(z(2), 1), 'dtype', 'maskedFill: the mask must be bool, got float32; use mask.bool()'],
  [() => z(1).to('float31'), 'TypeError', "to: unknown dtype 'float31', did you mean 'float32'?"],
  [() => z(2).add('x'), 'TypeError', "add: 'other' must be a tensor or a number, got 'x'"],
  [() => z(2).add(null), 'TypeError', "add: 'other' must be a tensor or a number, got null"],
  [() => z(2).add([1, 2]), 'TypeError', "add: 'other' must be a tensor or a number, got [1, 2]"],
  ...['ReLU', 'Sigmoid', 'Tanh', 'Flatten'].map((name): Row => [
    () => new nn[name]().forward([1, 2]),
    'TypeError',
    `${name}: 'input' must be a tensor, got [1, 2]; wrap it in tensor(…)`,
  ]),
  [() => new nn.BatchNorm1d(2).forward(3), 'TypeError', "BatchNorm1d: 'input' must be a tensor, got 3"],
  [() => new nn.InstanceNorm1d(2).forward({}), 'TypeError', "InstanceNorm1d: 'input' must be a tensor, got an object"],
  [() => new nn.LSTM(2, 2).forward(null), 'TypeError', "LSTM: 'input' must be a tensor, got null"],
  [() => new nn.GRUCell(2, 2).forward(undefined), 'TypeError', "GRUCell: 'input' must be a tensor, got undefined"],
  [() => nn.init.eye_(null), 'TypeError', "eye_: 'tensor' must be a tensor, got null"],
  [() => nn.utils.parametersToVector([3]), 'TypeError', "parametersToVector: 'parameters' must be a tensor, got 3"],
  [() => t.randLike(null), 'TypeError', "randLike: 'input' must be a tensor, got null"],
  [() => t.autograd.gradgradcheck((x: Any) => x, [3]), 'TypeError', "gradgradcheck: 'inputs' must be a tensor, got 3"],
  [() => z(2).add(), 'TypeError', "add: missing argument 'other'"],
  [() => z(2).sum(1.5), 'TypeError', "sum: 'dim' must be an integer or a list of integers or null, got 1.5"],
  [() => t.cat([z(2), 3]), 'TypeError', "cat: 'tensors' must be a list of tensors"],
  [() => new nn.Linear(2, 2).forward([1, 2]), 'TypeError', "linear: 'input' must be a tensor, got [1, 2]; wrap it"],
  [
    () => new nn.LSTM(2, 2).forward(z(3, 1, 2), z(1, 1, 2)),
    'TypeError',
    'LSTM: the state must be a list of two tensors, [h, c]',
  ],
  [
    () => new nn.LSTMCell(2, 2).forward(z(3, 2), z(3, 2)),
    'TypeError',
    'LSTMCell: the state must be a list of two tensors',
  ],
  [
    () => new nn.GRU(2, 2).forward(z(3, 1, 2), [z(1, 1, 2)]),
    'TypeError',
    'GRU: the state must be a tensor, got [a Tensor',
  ],
  [() => t.manualSeed(1.5), 'TypeError', 'manualSeed: expected an integer, got 1.5'],
  [() => t.noGrad(3), 'TypeError', 'noGrad: expected a function, got 3'],
  [() => t.enableGrad({}), 'TypeError', 'enableGrad: expected a function, got an object'],
  [() => leaf(1).registerHook(3), 'TypeError', 'registerHook: expected a function, got 3'],
  [() => F.binaryCrossEntropy(z(2).add(2), z(2)), 'value', 'binaryCrossEntropy: input must hold probabilities'],
];

const RANGES: Row[] = [
  [() => t.cdist(z(2, 2), z(2, 2), -1), 'RangeError', 'cdist: p must be 0 or more, got -1'],
  [() => t.cdist(z(2, 2), z(2, 2), NaN), 'RangeError', 'cdist: p must be 0 or more, got NaN'],
  [() => ints(5).byte().clamp({ max: -1 }), 'value', 'clamp: -1 has no uint8 value'],
  [() => tf.full([2], 300, { dtype: 'uint8' }), 'value', 'full: 300 has no uint8 value'],
  [
    () => leaf(2, 3).gather(0, ints(0).unsqueeze(0), { sparseGrad: true }),
    'value',
    'gather: sparse gradients do not exist here; leave sparseGrad out',
  ],
  [
    () => F.embedding(ints(0), leaf(2, 3), { sparse: true }),
    'value',
    'embedding: sparse gradients do not exist here; leave sparse out',
  ],
  [() => tf.full([2], 65505, { dtype: 'float16' }), 'value', 'full: 65505 has no float16 value'],
  [() => tf.zeros(2).fill_(-1e39), 'value', 'fill_: -1e+39 has no float32 value'],
  [() => tf.zeros(1).bfloat16().maskedFill(tf.ones(1).bool(), 3.4e38), 'value', '3.4e+38 has no bfloat16 value'],
  [() => ints(1).fill_(NaN), 'value', 'fill_: NaN has no int64 value'],
  [() => ints(1).maskedFill(z(1).eq(0), Infinity), 'value', 'maskedFill: Infinity has no int64 value'],
  [() => tf.tensor([1, 128], { dtype: 'int8' }), 'value', 'tensor: 128 has no int8 value'],
  [() => z(2, 3).sum(2), 'RangeError', 'sum: dim 2 is out of range for a tensor of 2 dimensions (expected -2 to 1)'],
  [() => z(2, 3).softmax(-3), 'RangeError', 'softmax: dim -3 is out of range'],
  [() => z(2, 3).transpose(0, 5), 'RangeError', 'transpose: dim 5 is out of range'],
  [() => z(1).unsqueeze(3), 'RangeError', 'unsqueeze: dim 3 is out of range'],
  [() => z(2, 3).permute(0, 0), 'value', 'permute: a dim appears twice'],
  [() => z(2, 3).sum([0, 0]), 'value', 'sum: dim 0 appears twice'],
  [() => z(2).select(0, 2), 'RangeError', 'select: index 2 is out of range for dim 0 of size 2'],
  [() => z(2).at(2), 'RangeError', 'at: index 2 is out of range'],
  [() => z(2, 3).index(0, 5), 'RangeError', 'index: index 5 is out of range for dim 1 of size 3'],
  [() => z(2).index(0, 0), 'RangeError', 'index: too many indices: 2 for a tensor of 1 dimension'],
  [() => z(2).index(ints(0, -3)), 'RangeError', 'index: index -3 is out of range'],
  [() => z(3).index(z(2).eq(0)), 'RangeError', "index: a mask of shape [2] doesn't fit dim 0, whose size is 3"],
  [() => z(2, 3).gather(1, ints(3).reshape(1, 1)), 'RangeError', 'gather: index 3 is out of range for dim 1 of size 3'],
  [() => z(2, 3).scatter(1, ints(3).reshape(1, 1), 1), 'RangeError', 'scatter: index 3 is out of range'],
  [() => z(2).indexSelect(0, ints(2)), 'RangeError', 'indexSelect: index 2 is out of range'],
  [() => z(4).narrow(0, 2, 5), 'RangeError', 'narrow: start 2 and length 5 are out of range for dim 0 of size 4'],
  [() => z(4).slice(0, 0, 4, 0), 'RangeError', 'slice: step must be at least 1, got 0'],
  [() => z(2).topk(3), 'RangeError', 'topk: k = 3 is out of range for dim 0 of size 2'],
  [() => z(4).split(-1), 'RangeError', 'split: the size of a part must be positive, got -1'],
  [() => z(4).chunk(0), 'RangeError', 'chunk: the number of chunks must be positive, got 0'],
  [() => z(4).asStrided([2 ** 40], [1]), 'RangeError', 'asStrided: size [1099511627776]'],
  [
    () => F.crossEntropy(z(2, 3), ints(0, 5)),
    'RangeError',
    'crossEntropy: expected targets from 0 to 2, got 5 in row 1',
  ],
  [() => F.embedding(ints(0, 9), z(3, 2)), 'RangeError', 'embedding: index 9 is out of range for dim 0 of size 3'],
  [() => F.oneHot(ints(3), 2), 'RangeError', 'oneHot: class 3 is out of range for 2 classes'],
  [() => F.dropout(z(2), 1.5), 'value', 'dropout: p must be between 0 and 1, got 1.5'],
  [() => t.arange(0, 5, 0), 'RangeError', 'arange: step must not be 0'],
  [() => t.polygamma(-1, z(1)), 'RangeError', 'polygamma: n must not be negative, got -1'],
  [() => t.polygamma(2 ** 40, z(1)), 'RangeError', 'polygamma: n must be at most 170, as n! is infinite from 171 on'],
  [() => t.setNumThreads(0), 'RangeError', 'setNumThreads: expected an integer from 1 to 1024, got 0'],
];

const itself: unknown[] = [];
itself.push(itself);
const ARRAYS: Row[] = [
  [() => t.tensor([[1, 2], [3]]), 'shape', 'tensor: ragged nested arrays: at depth 1 there is an array of 1'],
  [() => t.tensor([[1, 2], 3]), 'shape', 'tensor: ragged nested arrays: at depth 1 there is 3'],
  [() => t.tensor([1, [2]]), 'shape', 'tensor: ragged nested arrays'],
  [() => t.tensor(itself), 'shape', 'tensor: arrays nested more than 64 deep, or one that holds itself'],
  [() => t.tensor(['a']), 'TypeError', "tensor: elements must be numbers, booleans or bigints, got 'a'"],
  [() => t.tensor([1, undefined]), 'TypeError', 'tensor: elements must be numbers, booleans or bigints, got undefined'],
  [() => t.tensor(null), 'TypeError', 'tensor: elements must be numbers, booleans or bigints, got null'],
  [
    () => new t.Tensor([1, 2]),
    'TypeError',
    'Tensor: tensors are made by tensor(data), zeros(2, 3), …; got new Tensor([1, 2])',
  ],
  [() => new t.Tensor(), 'TypeError', 'Tensor: tensors are made by tensor(data)'],
  [() => t.tensor([new Date()]), 'TypeError', 'got a Date'],
  [() => t.tensor([1], { dtype: 'float8' }), 'TypeError', "tensor: unknown dtype 'float8'"],
  [() => t.tensor([NaN], { dtype: 'int64' }), 'value', 'tensor: NaN has no int64 value'],
  [() => t.tensor([1, -Infinity], { dtype: 'uint8' }), 'value', 'tensor: -Infinity has no uint8 value'],
  [() => t.tensor([1, 300], { dtype: 'uint8' }), 'value', 'tensor: 300 has no uint8 value'],
  [() => t.tensor([1, -256], { dtype: 'uint8' }), 'value', 'tensor: -256 has no uint8 value'],
  [() => t.tensor(1e10, { dtype: 'int32' }), 'value', 'tensor: 10000000000 has no int32 value'],
  [() => t.tensor([128], { dtype: 'int8' }), 'value', 'tensor: 128 has no int8 value'],
  [() => t.tensor(2 ** 63, { dtype: 'int64' }), 'value', 'tensor: 9223372036854776000 has no int64 value'],
  [() => t.tensor([2n ** 63n]), 'value', 'tensor: 9223372036854775808n has no int64 value'],
  [() => t.tensor([1], { requiresGrad: 'no' }), 'TypeError', "tensor: requiresGrad must be a boolean, got 'no'"],
  [
    () => t.zeros(z(2)),
    'TypeError',
    "zeros: options must be an object such as { dtype: 'int64' }, got a Tensor of shape [2]",
  ],
];

// Sizes whose product is beyond 2^53, beyond what an ArrayBuffer holds, and beyond counting.
const SIZES: Row[] = [
  ...[NaN, Infinity, -1, 1.5, '3'].map((size): Row => [
    () => t.zeros(size),
    'RangeError',
    'zeros: sizes must be non-negative integers',
  ]),
  [() => t.zeros(2 ** 40), 'memory', 'zeros: out of memory: a tensor of 4398046511104 bytes'],
  [() => t.rand(2 ** 20, 2 ** 20), 'memory', 'rand: out of memory'],
  [() => t.zeros(2 ** 53), 'memory', 'zeros: [9007199254740992] is too large'],
  [() => t.zeros(2 ** 31, 2 ** 31, 2 ** 31), 'memory', 'is too large'],
  [() => t.zeros(new Array(65).fill(1)), 'shape', 'zeros: tensors have at most 64 dims, got 65 sizes'],
  [
    () =>
      z(1)
        .expand(2 ** 40)
        .tolist(),
    'memory',
    'tolist: out of memory',
  ],
  [() => t.zeros(1e308), 'memory', 'zeros: [1e+308] is too large'],
  [() => t.arange(2 ** 45), 'memory', 'arange: out of memory'],
  [() => t.arange(Infinity), 'TypeError', 'arange: expected finite numbers, got Infinity'],
  [() => t.eye(2 ** 25), 'memory', 'eye: out of memory'],
  [() => t.randperm(2 ** 44), 'memory', 'randperm: out of memory'],
  [
    () =>
      z(1)
        .expand(2 ** 40)
        .add(1),
    'memory',
    'add: out of memory',
  ],
  [() => z(2 ** 10).tile(2 ** 31, 2 ** 31), 'memory', 'tile: out of memory'],
  [() => z(2 ** 22, 1).matmul(z(1, 2 ** 22)), 'memory', 'matmul: out of memory'],
  [() => z(2).repeatInterleave(2 ** 45), 'memory', 'repeatInterleave: out of memory'],
  [() => t.combinations(z(10_000), 4), 'memory', 'combinations: out of memory'],
  [() => t.combinations(z(3), 2 ** 40, true), 'memory', 'combinations: out of memory'],
  [() => t.trilIndices(2 ** 40, 1), 'memory', 'trilIndices: out of memory'],
  [() => t.triuIndices(2 ** 40, 1, -(2 ** 41)), 'memory', 'triuIndices: out of memory'],
  [() => t.trilIndices(2 ** 30, 2 ** 30), 'memory', 'trilIndices: out of memory'],
  [() => t.cdist(z(2 ** 22, 1), z(2 ** 22, 1)), 'memory', 'cdist: out of memory'],
  [() => t.cdist(z(2 ** 22, 1), z(2 ** 22, 1), 1), 'memory', 'cdist: out of memory'],
  [
    () => F.interpolate(z(1, 1, 2), { size: 2 ** 40 }),
    'memory',
    'interpolate: out of memory: a dim of 1099511627776 elements',
  ],
  [() => z(2).newFull(null, 1), 'TypeError', 'newFull: expected a list of sizes, got null'],
  [() => t.fromTypedArray(new Float32Array(3), 3), 'TypeError', 'fromTypedArray: expected a list of sizes, got 3'],
  [() => z(2).tensorSplit(1e308), 'RangeError', 'tensorSplit: the number of sections must be from 1 to 16777216'],
  [() => F.pad(z(2), [2 ** 50, 0]), 'memory', 'pad: out of memory'],
  [() => F.oneHot(ints(2 ** 45)), 'memory', 'oneHot: out of memory'],
  [() => new nn.Linear(2 ** 25, 2 ** 25), 'memory', 'Parameter: out of memory'],
  [() => new nn.Linear(-1, 2), 'RangeError', 'Linear: inFeatures must not be negative, got -1'],
];

const LIFE: Row[] = [
  ...['sum', 'clone', 'exp_', 'sort', 'normal_', 'tolist', 'toTypedArray', 'asTypedArray', 'toString'].map((name): Row => [
    () => gone(3)[name](),
    'freed',
    `${name}: tensor used after it was freed`,
  ]),
  [() => gone().item(), 'freed', 'item: tensor used after it was freed'],
  [() => z(3).add(gone(3)), 'freed', 'add: tensor used'],
  [() => z(3).copy_(gone(3)), 'freed', 'copy_: tensor used'],
  [() => z(3, 3).matmul(gone(3)), 'freed', 'matmul: tensor used'],
  [() => F.conv2d(z(1, 1, 3, 3), gone(1, 1, 1, 1)), 'freed', 'conv2d: tensor used'],
  [() => F.embedding(ints(0), gone(2, 2)), 'freed', 'embedding: tensor used'],
  [() => t.tensor(gone(3)), 'freed', 'tensor: tensor used'],
  [() => { const x = leaf(3); const y = x.exp(); const s = y.sum(); y.dispose(); s.backward(); }, 'freed', 'tensor used'],
  [() => { const s = leaf(3).square().sum(); s.backward(); s.backward(); }, 'graph', 'backward: <PowBackward0> has already run'],
  [() => { const x = leaf(3); const s = x.square(); s.sum().backward(); s.sum().backward(); }, 'graph', '{ retainGraph: true }'],
  [() => z(1).sum().backward(), 'graph', "backward: the tensor doesn't require grad"],
  [() => leaf(3).mul(2).backward(), 'graph', 'backward: a gradient can be left out only for a single element'],
  [() => leaf(3).mul(2).backward(z(2)), 'shape', 'backward: a gradient of shape [2] for a tensor of shape [3]'],
  [() => leaf(3).sum().backward('x'), 'TypeError', "backward: 'gradient' must be a tensor or options, got 'x'"],
  [() => t.autograd.grad(leaf(3).sum(), leaf(3)), 'graph', 'autograd.grad: input 0 was not used'],
  ...[
    (x: Any) => x.add_(1), (x: Any) => x.normal_(), (x: Any) => x.bernoulli_(0.5), (x: Any) => x.zero_(),
    (x: Any) => x.copy_(z(3)), (x: Any) => x.indexPut_([0], 1), (x: Any) => x.clampMin_(2), (x: Any) => x.eq_(0),
    (x: Any) => F.relu(x, { inplace: true }), (x: Any) => F.dropout(x, { inplace: true }),
  ].map((change): Row => [() => change(leaf(3)), 'inplace', "a leaf tensor that requires grad can't be changed in place"]),
  [() => leaf(3).select(0, 0).add_(1), 'inplace', 'add_: a view of a leaf tensor that requires grad'],
  [() => { const y = leaf(3).exp(); const s = y.square().sum(); y.add_(1); s.backward(); }, 'graph', 'was changed by an in-place operation'],
  [() => { const w = z(3); const s = leaf(3).mul(w).sum(); w.add_(1); s.backward(); }, 'graph', 'at version 1, expected version 0'],
  [() => z(3).expand(2, 3).add_(1), 'inplace', 'it was expanded); clone() it first'],
  [() => { leaf(3).grad = z(2); }, 'shape', 'grad: a gradient of shape [2] for a tensor of shape [3]'],
  [() => leaf(3).sum().backward(null, 'yes'), 'TypeError', "backward: retainGraph must be a boolean, got 'yes'"],
  [() => leaf(3).sum().backward({ createGraph: 1 }), 'TypeError', 'backward: createGraph must be a boolean, got 1'],
  [() => leaf(3).sum().backward({ gradient: 'x' }), 'TypeError', "backward: a gradient must be a tensor, got 'x'"],
  [() => leaf(3).sum().backward({ inputs: 3 }), 'TypeError', 'backward: inputs must be a tensor or a list of at least one, got 3'],
  [() => leaf(3).sum().backward({ inputs: [] }), 'TypeError', 'backward: inputs must be a tensor or a list of at least one, got []'],
  [() => leaf(3).sum().backward({ inputs: [3] }), 'TypeError', 'backward: inputs[0] must be a tensor, got 3'],
  [() => leaf(3).sum().backward({ inputs: z(3) }), 'graph', "backward: inputs[0] doesn't require grad"],
  [() => t.autograd.backward(null), 'TypeError', "autograd.backward: 'tensors' must be tensors, got null"],
  [() => { const x = leaf(3); t.autograd.grad([x.sum()], x, [3]); }, 'TypeError', 'autograd.grad: a gradient must be a tensor, got 3'],
  [() => { const x = leaf(3); t.autograd.grad([x.sum(), x.sum()], x, [z()]); }, 'shape', 'autograd.grad: 1 gradients were given for 2 outputs'],
  [() => t.autograd.jacobian(3, z(1)), 'TypeError', 'autograd.functional.jacobian: expected a function, got 3'],
  [() => t.autograd.jacobian(() => 3, z(1)), 'TypeError', 'autograd.functional.jacobian: the function must return a tensor or a list of tensors, got 3'],
  [() => t.autograd.jacobian((x: Any) => x, [3]), 'TypeError', "autograd.functional.jacobian: 'inputs' must be tensors, got 3"],
  [() => t.autograd.vjp(() => 3, z(1)), 'TypeError', 'autograd.functional.vjp: the function must return a tensor or a list of tensors, got 3'],
  [() => t.autograd.hessian(null, z(1)), 'TypeError', 'autograd.functional.hessian: expected a function, got null'],
  [() => t.autograd.gradcheck(3, leaf(1)), 'TypeError', 'gradcheck: expected a function, got 3'],
  ...[[3, 'TypeError', 'a hook must return a tensor or nothing, it returned 3'], [z(2), 'shape', 'a gradient of shape [2] for one of [3]'],
    [z(3).double(), 'dtype', 'a float64 gradient for one of float32']].map(([result, kind, message]: Any): Row => [
    () => { const x = leaf(3); x.registerHook(() => result); x.sum().backward(); }, kind, message]),
  [() => { const m = new nn.Linear(3, 3); m.registerFullBackwardHook(() => ['x']); m.forward(leaf(3)).sum().backward(); }, 'TypeError', "registerFullBackwardHook: a hook must return tensors or nothing, got 'x'"],
  [() => leaf(3).registerPostAccumulateGradHook(3), 'TypeError', 'registerPostAccumulateGradHook: expected a function, got 3'],
  [() => t.setGradEnabled('no'), 'TypeError', "setGradEnabled: expected a boolean, got 'no'"],
  [() => t.noGrad(function* () { yield 1; }), 'TypeError', 'noGrad: the function is a generator'],
  [() => t.noGrad(async function* () { yield await Promise.resolve(1); }), 'TypeError', 'noGrad: the function is a generator'],
]; // prettier-ignore

const loader = (options: object) => (): unknown => new DataLoader(new TensorDataset(z(4)), options);
const sgd = (): Any => new optim.SGD([leaf(2)], { lr: 1 });
const schedule = optim.lrScheduler;
const OPTIONS: Row[] = [
  [
    () => t.cdist(z(2, 2), z(2, 2), { computeMode: 'fast' }),
    'value',
    "cdist: computeMode must be 'use_mm_for_euclid_dist_if_necessary', 'use_mm_for_euclid_dist' or 'donot_use_mm_for_euclid_dist', got 'fast'",
  ],
  [() => t.cdist(z(2, 2), z(2, 2), 2, 1), 'TypeError', "cdist: 'computeMode' must be a string, got 1"],
  [() => t.sum(z(2), { dmi: 1 }), 'TypeError', "sum: unknown option 'dmi', did you mean 'dim'?"],
  [() => z(2).sum({ keep_dim: true }), 'TypeError', "sum: unknown option 'keep_dim', did you mean 'keepdim'?"],
  [() => z(2).sum({ where: 1 }), 'TypeError', "sum: unknown option 'where' (options: dim, keepdim, dtype)"],
  [() => z(2).sum({ dtype: 'flot32' }), 'TypeError', "sum: unknown dtype 'flot32', did you mean 'float32'?"],
  [() => t.zeros(2, { dtyp: 'int64' }), 'TypeError', "zeros: unknown option 'dtyp', did you mean 'dtype'?"],
  [() => t.rand(2, { low: 3 }), 'TypeError', "rand: unknown option 'low' (options: dtype, requiresGrad, device, generator)"],
  [() => t.tensor([1], { requires_grad: true }), 'TypeError', "did you mean 'requiresGrad'?"],
  [() => F.crossEntropy(z(2, 3), ints(0, 1), { lableSmoothing: 1 }), 'TypeError', "did you mean 'labelSmoothing'?"],
  [() => F.crossEntropy(z(2, 3), ints(0, 1), { reduction: 'avg' }), 'value', "reduction must be 'none', 'mean' or 'sum'"],
  [() => leaf(3).sum().backward({ retainGrap: true }), 'TypeError', "did you mean 'retainGraph'?"],
  [() => new nn.Linear(2, 3, { bais: false }), 'TypeError', "Linear: unknown option 'bais', did you mean 'bias'?"],
  [() => new nn.Conv2d(1, 1, 3, { strides: 2 }), 'TypeError', "Conv2d: unknown option 'strides', did you mean 'stride'?"],
  [() => new nn.ConvTranspose1d(1, 1, 3, { outpad: 1 }), 'TypeError', "ConvTranspose1d: unknown option 'outpad'"],
  [() => new nn.Dropout({ prob: 0.5 }), 'TypeError', "Dropout: unknown option 'prob' (options: p, inplace)"],
  [() => new nn.Linear(2.5, 2), 'TypeError', "Linear: 'inFeatures' must be an integer, got 2.5"],
  [() => new nn.Conv2d(3, 4, 3, { groups: 2 }), 'value', "Conv2d: 3 channels in and 4 out can't form 2 groups"],
  [() => new nn.MultiheadAttention(5, 2), 'value', 'MultiheadAttention: embedDim 5 is not divisible by 2 heads'],
  [() => new nn.Sequential(3), 'TypeError', 'Sequential: expected a module, got 3'],
  [() => new optim.SGD([leaf(2)], { learningRate: 0.1 }), 'TypeError', "SGD: unknown option 'learningRate' (options: lr,"],
  [() => new optim.Adam([leaf(2)], { lr: 0.1, beta: 1 }), 'TypeError', "Adam: unknown option 'beta', did you mean 'betas'?"],
  [() => new optim.Adam([leaf(2)], { lr: -1 }), 'RangeError', 'Adam: lr must be at least 0, got -1'],
  [() => new optim.SGD([leaf(2)], { lr: NaN }), 'RangeError', 'SGD: lr must be at least 0, got NaN'],
  [() => new optim.SGD([leaf(2)], { lr: '0.1' }), 'TypeError', "SGD: lr must be a number, got '0.1'"],
  [() => new optim.SGD([], { lr: 0.1 }), 'value', 'SGD: the list of parameters is empty'],
  [() => new optim.SGD(z(2), { lr: 1 }), 'TypeError', 'SGD: params must be a list of tensors or of groups'],
  [loader({ batchsize: 2 }), 'TypeError', "DataLoader: unknown option 'batchsize', did you mean 'batchSize'?"],
  [loader({ batchSize: 0 }), 'RangeError', 'DataLoader: batchSize must be a positive integer, got 0 (null: no batches)'],
  [loader({ shuffle: 'yes' }), 'TypeError', "DataLoader: shuffle must be a boolean, got 'yes'"],
  [() => new TensorDataset(z(4), 3), 'TypeError', 'TensorDataset: argument 1 must be a tensor, got 3'],
  [() => new t.utils.data.ConcatDataset(3), 'TypeError', 'ConcatDataset: expected a list of datasets, got 3'],
  [() => t.utils.data.randomSplit(new TensorDataset(z(4)), 2), 'TypeError', 'randomSplit: lengths must be a list, got 2'],
  [() => t.utils.data.randomSplit(null, [2]), 'TypeError', 'randomSplit: expected a dataset with a length, got null'],
  [() => t.utils.data.defaultCollate([]), 'TypeError', 'defaultCollate: expected a list of at least one sample, got []'],
  [() => new nn.ModuleDict([1]), 'TypeError', 'ModuleDict: entries must be [name, value], got 1'],
  [() => new nn.ParameterDict([1]), 'TypeError', 'ParameterDict: entries must be [name, value], got 1'],
  [() => new nn.ParameterDict(1), 'TypeError', 'ParameterDict: expected an object of parameters, got 1'],
  [() => new nn.ParameterList(1), 'TypeError', 'ParameterList: expected a list of parameters, got 1'],
  [() => nn.utils.clipGradNorm_(null, 1), 'TypeError', 'clipGradNorm_: expected a tensor or a list of tensors, got null'],
  [loader({ collateFn: 3 }), 'TypeError', 'DataLoader: collateFn must be a function, got 3'],
  [loader({ sampler: 3 }), 'TypeError', 'DataLoader: sampler must be iterable, got 3'],
  [loader({ batchSampler: 'x' }), 'TypeError', "DataLoader: batchSampler must be iterable, got 'x'"],
  [loader({ generator: 3 }), 'TypeError', 'DataLoader: generator must be a Generator, got 3'],
  [() => new schedule.LambdaLR(sgd(), () => 'a'), 'TypeError', "LambdaLR: lrLambda must return a number, it returned 'a' for epoch 0"],
  [() => new schedule.ReduceLROnPlateau(sgd()).step(), 'TypeError', 'ReduceLROnPlateau.step: expected the measured value'],
  [() => new schedule.ReduceLROnPlateau(sgd()).step('3'), 'TypeError', "a number or a tensor of one element, got '3'"],
  [() => new schedule.StepLR(sgd(), 1).loadStateDict(null), 'TypeError', 'StepLR.loadStateDict: expected what stateDict() gave, got null'],
  [() => { const o = sgd(); const [p] = o.paramGroups[0].params; p.sum().backward(); p.dispose(); o.step(); }, 'freed', 'SGD.step: tensor used after it was freed'],
  [() => nn.utils.clipGradNorm_('x', 1), 'TypeError', "clipGradNorm_: expected a tensor or a list of tensors, got 'x'"],
  [() => nn.utils.clipGradNorm_([leaf(2)], NaN), 'TypeError', 'clipGradNorm_: maxNorm must be a number, got NaN'],
  [() => nn.utils.clipGradValue_([3], 1), 'TypeError', 'clipGradValue_: parameters must be tensors, got 3'],
  [() => new nn.Linear(2, 2).registerBuffer('weight', z(1)), 'value', "registerBuffer: Linear has a parameter 'weight' already"],
  [() => new TensorDataset(z(4), z(3)), 'shape', 'TensorDataset: first dims 4, 3 differ'],
  [() => nn.utils.clipGradNorm_([leaf(2)], 1, { norm_type: 2 }), 'TypeError', "did you mean 'normType'?"],
  [() => t.autograd.backward(leaf(1).sum(), null, null), 'TypeError', 'autograd.backward: options must be an object, got null'],
  [() => t.setPrintoptions({ precisoin: 3 }), 'TypeError', "did you mean 'precision'?"],
]; // prettier-ignore

describe.each(Object.entries({ SHAPES, DTYPES, RANGES, ARRAYS, SIZES, LIFE, OPTIONS }))('%s', (_, rows) => {
  it.each(rows.map(([call, kind, message]) => ({ call, kind, message })))('$message', ({ call, kind, message }) => {
    let error: unknown;
    try {
      call();
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(Error);
    const { name, code, message: text } = error as tf.TenfoldError;
    expect(text).toContain(message);
    expect(name === 'TenfoldError' ? code : name).toBe(kind);
    expect(text, 'names the call').toMatch(/^[\w.]+: /);
  });
});

describe('memory that the user takes away', () => {
  const transfer = (array: Any): void => void structuredClone(array, { transfer: [array.buffer] });
  it.each([10, 100_000])('a transferred tensor of %i elements is gone, and no other', (n) => {
    const before = tf.ones(8);
    const x = tf.ones(n);
    const view = x.view(-1, 2);
    transfer(x.asTypedArray());
    for (const use of [() => x.add(1), () => view.sum(), () => x.tolist(), () => x.exp_()]) {
      expect(use).toThrow('tensor used after its ArrayBuffer was taken away');
    }
    expect(inspect(x)).toContain('tensor(freed');
    expect(tf.ones(8).add(before).tolist()).toEqual(new Array(8).fill(2));
  });
  it('views and .data of a tensor still alias it after asTypedArray()', () => {
    const x = tf.zeros(4);
    const view = x.view(2, 2);
    const { data } = x;
    const array = x.asTypedArray();
    expect(array.buffer.byteLength).toBeLessThan(1000);
    array[3] = 7;
    expect([view.tolist(), data.tolist()]).toEqual([[[0, 0], [0, 7]], [0, 0, 0, 7]]); // prettier-ignore
    view.add_(1);
    expect([...array]).toEqual([1, 1, 1, 8]);
  });
  it('a buffer that was made smaller', () => {
    const buffer = new (ArrayBuffer as Any)(1 << 16, { maxByteLength: 1 << 20 });
    const x = tf.fromTypedArray(new Float32Array(buffer));
    buffer.resize(1 << 18);
    expect(x.sum().item()).toBe(0);
    buffer.resize(0);
    expect(() => x.sum()).toThrow('sum: tensor used after its ArrayBuffer was taken away');
  });
  it('an array whose buffer is gone already', () => {
    const array = new Float32Array(2);
    transfer(array);
    expect(() => tf.fromTypedArray(array)).toThrow("fromTypedArray: the array's ArrayBuffer was transferred away");
  });
  it('a tensor is not cloned to something that looks like one', () => {
    expect(() => structuredClone({ x: z(2) })).toThrow('a tensor: send t.toTypedArray() and t.shape');
  });
  it('strides are a copy', () => {
    const x = z(2, 3);
    x.stride().reverse();
    expect(x.stride()).toEqual([3, 1]);
  });
});

it('tensor() takes NaN for true, and lists of tensors in one dtype that holds them all', () => {
  expect(tf.tensor([NaN, 0], { dtype: 'bool' }).tolist()).toEqual([true, false]);
  expect(tf.tensor([255, -1, -255], { dtype: 'uint8' }).tolist()).toEqual([255, 255, 1]);
  expect(tf.tensor([ints(1).reshape([]), 2.5])).toEqual(tf.tensor([1, 2.5]));
  expect(tf.tensor([ints(1, 2), tf.tensor([0.5, 1])])).toEqual(tf.tensor([[1, 2], [0.5, 1]])); // prettier-ignore
});

it('triangles of very many empty rows', () => {
  expect(tf.triuIndices(2 ** 40, 2).tolist()).toEqual([[0, 0, 1], [0, 1, 1]]); // prettier-ignore
  expect(tf.trilIndices(3, 2 ** 40, -1).tolist()).toEqual([[1, 2, 2], [0, 0, 1]]); // prettier-ignore
  expect(tf.trilIndices(2 ** 40, 0).shape).toEqual([2, 0]);
});

describe('derivatives as values', () => {
  const x = tf.tensor([1, 2], { dtype: 'float64' });
  const cubes = (v: Tensor): Tensor => v.pow(3);
  it('jacobian: one input, several, an empty result', () => {
    expect(tf.autograd.jacobian(cubes, x).tolist()).toEqual([[3, 0], [0, 12]]); // prettier-ignore
    const [a, b] = tf.autograd.jacobian((p, q) => p.mul(q), [x, x.add(1)]);
    expect([a.tolist(), b.tolist()]).toEqual([[[2, 0], [0, 3]], [[1, 0], [0, 2]]]); // prettier-ignore
    expect(tf.autograd.jacobian((v) => v.mul(2), z(0)).shape).toEqual([0, 0]);
  });
  it('jacobian with createGraph goes on to the inputs', () => {
    const leafX = x.clone().requiresGrad_();
    tf.autograd.jacobian(cubes, leafX, { createGraph: true }).sum().backward();
    expect(leafX.grad!.tolist()).toEqual([6, 12]);
  });
  it('hessian', () => {
    expect(tf.autograd.hessian((v) => v.pow(3).sum().add(v.prod()), x).tolist()).toEqual([[6, 1], [1, 12]]); // prettier-ignore
  });
  it('vjp', () => {
    const [value, product] = tf.autograd.vjp(cubes, x, tf.tensor([1, 10], { dtype: 'float64' }));
    expect([value.tolist(), product.tolist()]).toEqual([[1, 8], [3, 120]]); // prettier-ignore
  });
});

describe('nothing is half changed', () => {
  const base = (): Any => tf.arange(6, { dtype: 'float32' }).reshape(2, 3);
  it.each<[string, (x: Any) => unknown]>([
    ['add_', (x) => x.add_(z(4))],
    ['copy_', (x) => x.copy_(z(4))],
    ['indexPut_', (x) => x.indexPut_([ints(0, 1, 9)], 7)],
    ['scatter_', (x) => x.scatter_(1, ints(0, 3).reshape(1, 2), 7)],
    ['indexAdd_', (x) => x.indexAdd_(0, ints(0, 2), tf.ones(2, 3))],
    ['indexCopy_', (x) => x.indexCopy_(0, ints(0, 2), tf.ones(2, 3))],
    ['put_', (x) => x.put_(ints(0, 6), tf.ones(2))],
    ['maskedScatter_', (x) => x.maskedScatter_(x.gt(-1), tf.ones(3))],
    ['uniform_', (x) => x.uniform_(2, 1)],
    ['fill_', (x) => x.fill_(z(2))],
  ])('%s', (_, change) => {
    const x = base();
    expect(() => change(x)).toThrow();
    expect(x).toEqual(base());
  });

  it.each(['remainder_', 'fmod_', 'floorDivide_'] as const)('%s by an integer zero among others', (name) => {
    const x = ints(5, 6, 7);
    expect(() => x[name](ints(2, 0, 2))).toThrow();
    expect(x).toEqual(ints(5, 6, 7));
  });

  it('random numbers: a refused call takes none', () => {
    tf.manualSeed(1);
    expect(() => t.rand(2 ** 41)).toThrow();
    expect(() => t.randperm(2 ** 44)).toThrow();
    const after = tf.rand(3);
    tf.manualSeed(1);
    expect(after).toEqual(tf.rand(3));
  });

  it('a module whose state dict fits in part', () => {
    const model = new nn.Linear(2, 2);
    const before = (model.weight as Tensor).tolist();
    expect(() => model.loadStateDict({ weight: z(2, 2), bias: z(3) })).toThrow("'bias' has shape [3]");
    expect((model.weight as Tensor).tolist()).toEqual(before);
  });
});

it('what describes a tensor can not be assigned', () => {
  const x = z(2);
  for (const name of ['dtype', 'device', 'ndim', 'isLeaf', 'gradFn', 'version', 'length', 'retainsGrad']) {
    expect(() => (x[name] = 1), name).toThrow(`${name}: a tensor's ${name} can't be assigned`);
  }
  expect(() => (x.data = z(3))).toThrow('copy_() within noGrad() changes its elements');
});

// As debuggers and mocking libraries do.
it('the properties of the prototypes can be read, and calls on them end in an error', () => {
  for (const prototype of [t.Tensor.prototype, nn.Parameter.prototype]) {
    for (const name of Reflect.ownKeys(prototype)) expect(() => prototype[name], String(name)).not.toThrow();
    expect([prototype.shape, prototype.grad, prototype.requiresGrad]).toEqual([[], null, false]);
    expect(() => prototype.item()).toThrow('item: tensor used after it was freed');
    expect(() => `${prototype}`).toThrow('tensor used after it was freed');
  }
  expect(Object.keys(t.Tensor.prototype)).not.toContain('storage');
  expect(tf.ones(2).tolist()).toEqual([1, 1]);
});

it('what is not in the types leaves memory alone when it is called wrongly', () => {
  const x = tf.ones(2, 3) as Any;
  const wrong: [call: () => unknown, kind: string, message: string][] = [
    [() => x.rawCopy(undefined), 'TypeError', "rawCopy: 'source' must be a tensor, got undefined"],
    [() => x.rawCopy(tf.ones(3, 3)), 'TenfoldError', "rawCopy: shapes [2, 3] and [3, 3] can't broadcast"],
    [() => x.rawCopy(tf.ones(4, 2, 3)), 'TenfoldError', "rawCopy: shape [4,2,3] doesn't broadcast to [2,3]"],
    [() => x.stridedView([7], [1], 0), 'RangeError', 'stridedView: shape [7] at 0 with strides [1] leaves the memory'],
    [() => x.stridedView([2], [-1], 0), 'RangeError', 'leaves the memory'],
    [() => x.stridedView([2], [], 0), 'RangeError', 'leaves the memory'],
    [() => t.Tensor.raw([-5], 0), 'RangeError', 'a size must be an integer >= 0, got -5'],
    [() => t.Tensor.zeros([2], 'float32'), 'TenfoldError', 'out of memory'],
    [() => t.Tensor.wrap(new Float32Array(2), [3], 0), 'RangeError', "needs more than the array's 8 bytes"],
  ];
  for (const [call, kind, message] of wrong) {
    expect(call, message).toThrow(message);
    expect(call).toThrow(expect.objectContaining({ name: kind }));
  }
  expect(x.tolist()).toEqual(tf.ones(2, 3).tolist());
});

it('a freed tensor can be looked at, and freed again', () => {
  const x = gone(2, 3);
  expect(inspect({ x })).toBe('{ x: tensor(freed, size=(2, 3), dtype=float32) }');
  expect(() => x.dispose()).not.toThrow();
});

it('what an in-place op without derivative overwrites gets no gradient', () => {
  const x = leaf(3);
  const y = x.mul(2);
  y.select(0, 1).normal_();
  y.sum().backward();
  expect(x.grad.tolist()).toEqual([2, 0, 2]);
});
