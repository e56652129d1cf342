/** Matrix products. All of them end in one native kernel, which takes transposed operands as they lie. */
import { TenfoldError } from '../errors.js';
import { COMPUTE, DTYPES } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { broadcastShapes, formatShape, numelOf, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, direct, type OpDef } from '../op/define.js';

const MATMUL = kernel('matmul');

/** How a matrix lies in memory: row-major with this leading dimension, or transposed; null where it is neither. */
function layout(
  rows: number,
  columns: number,
  rowStride: number,
  columnStride: number,
): { ld: number; transposed: boolean } | null {
  if ((columnStride === 1 || columns === 1) && (rowStride >= columns || rows === 1)) {
    return { ld: rows === 1 ? Math.max(columns, 1) : rowStride, transposed: false };
  }
  if ((rowStride === 1 || rows === 1) && (columnStride >= rows || columns === 1)) {
    return { ld: columns === 1 ? Math.max(rows, 1) : columnStride, transposed: true };
  }
  return null;
}

interface Operand {
  t: Tensor;
  ld: number;
  transposed: boolean;
  batchStride: number;
}

/** A [..., r, c] tensor as the kernel takes it, copied only where no leading dimension describes it. */
function operand(t: Tensor, batch: Shape): Operand {
  const n = t.shape.length;
  const rows = t.shape[n - 2]!;
  const columns = t.shape[n - 1]!;
  const how = layout(rows, columns, t.strides[n - 2]!, t.strides[n - 1]!);
  if (n === 2 && how !== null && batch.length === 0)
    return { t, ld: how.ld, transposed: how.transposed, batchStride: 0 };
  const own = t.shape.slice(0, -2);
  const stride = how === null ? null : batchStride(own, t.strides.slice(0, -2), batch);
  if (how !== null && stride !== null) return { t, ...how, batchStride: stride };
  const full = t.expand([...batch, rows, columns]).rawClone();
  return { t: full, ld: Math.max(columns, 1), transposed: false, batchStride: rows * columns };
}

/** One stride that walks a broadcast batch, or null where several are needed. */
function batchStride(shape: Shape, strides: readonly number[], batch: Shape): number | null {
  let stride: number | null = null;
  let step = 1;
  for (let i = batch.length - 1; i >= 0; i--) {
    const own = i - (batch.length - shape.length);
    if (batch[i] === 1) continue;
    const s = own < 0 || shape[own] === 1 ? 0 : strides[own]!;
    if (stride === null) stride = s;
    else if (s !== stride * step) return null;
    step *= batch[i]!;
  }
  return stride ?? 0;
}

const NO_BATCH: Shape = [];

/** a [..., m, k] @ b [..., k, n] (+ bias), activated; same dtype, batches broadcast. No graph. */
export function product(call: string, a: Tensor, b: Tensor, bias: Tensor | null = null, relu = false): Tensor {
  const aDims = a.shape.length;
  const bDims = b.shape.length;
  const m = a.shape[aDims - 2]!;
  const k = a.shape[aDims - 1]!;
  const n = b.shape[bDims - 1]!;
  if (k !== b.shape[bDims - 2]!) {
    throw new TenfoldError(
      'shape',
      `${call}: ${formatShape(a.shape)} @ ${formatShape(b.shape)}: inner sizes ${k} and ${b.shape[bDims - 2]} differ`,
    );
  }
  if (a.code !== b.code) {
    throw new TenfoldError('dtype', `${call}: operands must have one dtype, got ${a.dtype} and ${b.dtype}`);
  }
  const compute = COMPUTE[a.code]!;
  if (compute !== a.code) {
    const wide = DTYPES[compute]!;
    return product(call, a.to(wide), b.to(wide), bias?.to(wide) ?? null, relu).to(a.dtype);
  }
  const id = MATMUL[compute]!;
  if (id < 0) throw new TenfoldError('dtype', `${call}: not defined for ${a.dtype}`);
  const flat = aDims === 2 && bDims === 2;
  const batch = flat ? NO_BATCH : broadcastShapes(call, a.shape.slice(0, -2), b.shape.slice(0, -2));
  const out = Tensor.raw(flat ? [m, n] : [...batch, m, n], a.code);
  if (out.count === 0) return out;
  const x = operand(a, batch);
  const y = operand(b, batch);
  let batches = flat ? 1 : numelOf(batch);
  let rows = m;
  // A batch of row-major matrices times one matrix is one taller product.
  if (batches > 1 && y.batchStride === 0 && !x.transposed && x.ld === k && x.batchStride === m * k) {
    rows = m * batches;
    batches = 1;
  }
  run(
    id, batches, rows, n, k, x.t, x.batchStride, x.ld, x.transposed, y.t, y.batchStride, y.ld, y.transposed,
    out, m * n, n, 0, bias, bias !== null, relu,
  ); // prettier-ignore
  return out;
}

function needDims(call: string, name: string, t: Tensor, dims: number): void {
  if (t.shape.length !== dims) {
    throw new TenfoldError('shape', `${call}: '${name}' must have ${dims} dims, got shape ${formatShape(t.shape)}`);
  }
}

/** Matrix product of two matrices [m, k] @ [k, n]. See torch.mm. */
export const mm = defineOp('mm(Tensor self, Tensor mat2)', (): OpDef => ({
  forward(self: Tensor, mat2: Tensor) {
    needDims('mm', 'self', self, 2);
    needDims('mm', 'mat2', mat2, 2);
    return product('mm', self, mat2);
  },
  backward: {
    self: d('mat2', (grad, mat2) => grad.mm(mat2.t())),
    mat2: d('self', (grad, self) => self.t().mm(grad)),
  },
}));

const runMm = direct(mm);

/** Products of matrices in two batches of equal size: [b, m, k] @ [b, k, n]. See torch.bmm. */
export const bmm = defineOp('bmm(Tensor self, Tensor mat2)', (): OpDef => ({
  forward(self: Tensor, mat2: Tensor) {
    needDims('bmm', 'self', self, 3);
    needDims('bmm', 'mat2', mat2, 3);
    if (self.shape[0] !== mat2.shape[0]) {
      throw new TenfoldError('shape', `bmm: batches of ${self.shape[0]} and ${mat2.shape[0]} differ`);
    }
    return product('bmm', self, mat2);
  },
  backward: {
    self: d('mat2', (grad, mat2) => grad.bmm(mat2.transpose(1, 2))),
    mat2: d('self', (grad, self) => self.transpose(1, 2).bmm(grad)),
  },
}));

const batched = defineOp('matmulBatched(Tensor input, Tensor other)', (): OpDef => ({
  forward: (self: Tensor, other: Tensor) => product('matmul', self, other),
  backward: {
    input: d('other', (grad, other) => batched(grad, other.transpose(-2, -1))),
    other: d('input', (grad, input) => batched(input.transpose(-2, -1), grad)),
  },
  gradName: 'UnsafeViewBackward0',
}));

/** Dot product of two vectors. See torch.dot. */
export const dot = defineOp('dot(Tensor self, Tensor tensor)', (): OpDef => ({
  forward(self: Tensor, tensor: Tensor) {
    needDims('dot', 'self', self, 1);
    needDims('dot', 'tensor', tensor, 1);
    if (self.count !== tensor.count)
      throw new TenfoldError('shape', `dot: sizes ${self.count} and ${tensor.count} differ`);
    return product('dot', self.view(1, self.count), tensor.view(tensor.count, 1)).view([]);
  },
  backward: {
    self: d('tensor', (grad, tensor) => grad.mul(tensor)),
    tensor: d('self', (grad, self) => grad.mul(self)),
  },
}));

/** Matrix times vector: [m, k] @ [k]. See torch.mv. */
export const mv = defineOp('mv(Tensor self, Tensor vec)', (): OpDef => ({
  forward(self: Tensor, vec: Tensor) {
    needDims('mv', 'self', self, 2);
    needDims('mv', 'vec', vec, 1);
    return product('mv', self, vec.unsqueeze(1)).view(self.shape[0]!);
  },
  backward: {
    self: d('vec', (grad, vec) => grad.unsqueeze(1).mul(vec)),
    vec: d('self', (grad, self) => self.t().mv(grad)),
  },
}));

/**
 * Matrix product; 1-dim operands are vectors, further dims are batches and broadcast. See torch.matmul.
 */
export const matmul = defineOp('matmul(Tensor self, Tensor other)', (): OpDef => ({
  forward(self: Tensor, other: Tensor) {
    const a = self.shape.length;
    const b = other.shape.length;
    if (a === 0 || b === 0) {
      throw new TenfoldError(
        'shape',
        `matmul: both operands need at least 1 dim, got ${formatShape(self.shape)} @ ${formatShape(other.shape)}; use mul`,
      );
    }
    const inner = other.shape[Math.max(b - 2, 0)]!;
    if (self.shape[a - 1] !== inner) {
      throw new TenfoldError(
        'shape',
        `matmul: ${formatShape(self.shape)} @ ${formatShape(other.shape)}: inner sizes ${self.shape[a - 1]} and ${inner} differ`,
      );
    }
    if (self.code !== other.code) {
      throw new TenfoldError('dtype', `matmul: operands must have one dtype, got ${self.dtype} and ${other.dtype}`);
    }
    if (a === 1 && b === 1) return self.dot(other);
    if (a === 2 && b === 2) return runMm(self, other);
    if (a === 2 && b === 1) return self.mv(other);
    if (a === 1 && b === 2) return self.unsqueeze(0).mm(other).squeeze(0);
    if (a === 1) return batched(self.unsqueeze(0), other).squeeze(-2);
    if (b === 1) return batched(self, other.unsqueeze(-1)).squeeze(-1);
    return batched(self, other);
  },
  composite: true,
}));
