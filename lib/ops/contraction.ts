/** Products that add, contract or combine: addmm and its like, outer, inner, tensordot, einsum, kron, cross. */
import { TenfoldError, show } from '../errors.js';
import { Code, isFloatCode } from '../dtype.js';
import { formatShape, numelOf, wrapDim } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { tensorsOf, type Scalar, type Tensors } from '../op/schema.js';
import { product } from './matrix.js';
import { cat } from './joining.js';

const times = (x: Tensor, factor: Scalar): Tensor => (Number(factor) === 1 ? x : x.mul(factor));
const dims = (call: string, name: string, t: Tensor, n: number): void => {
  if (t.shape.length !== n) {
    throw new TenfoldError('shape', `${call}: '${name}' must have ${n} dims, got shape ${formatShape(t.shape)}`);
  }
};
// beta = 0 ignores self altogether, NaN included.
function combine(self: Tensor, result: Tensor, beta: Scalar, alpha: Scalar): Tensor {
  const float = isFloatCode(result.code);
  const factor = (x: Scalar): Scalar => (float ? x : Math.trunc(Number(x))); // PyTorch cuts factors of integers
  const scaled = times(result, factor(alpha));
  const wide = self.expand([...result.shape]); // refuses what doesn't broadcast
  return Number(beta) === 0 ? scaled : scaled.add(times(wide, factor(beta)));
}

/** beta · self + alpha · (mat1 @ mat2); self broadcasts. See torch.addmm. */
export const addmm = defineOp(
  'addmm[_](Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1)',
  (): OpDef => ({
    forward(self: Tensor, mat1: Tensor, mat2: Tensor, beta: Scalar, alpha: Scalar) {
      dims('addmm', 'mat1', mat1, 2);
      dims('addmm', 'mat2', mat2, 2);
      const bias =
        self.shape.length === 1 &&
        self.dense &&
        self.code === mat1.code &&
        self.shape[0] === mat2.shape[1] &&
        beta === 1 &&
        alpha === 1;
      return bias ? product('addmm', mat1, mat2, self) : combine(self, product('addmm', mat1, mat2), beta, alpha);
    },
    backward: {
      self: d((grad, call) => times(grad, call.beta)),
      mat1: d('mat2', (grad, mat2, call) => times(grad.mm(mat2.t()), call.alpha)),
      mat2: d('mat1', (grad, mat1, call) => times(mat1.t().mm(grad), call.alpha)),
    },
  }),
);
/** beta · self + alpha · (mat @ vec). See torch.addmv. */
export const addmv = defineOp(
  'addmv[_](Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1)',
  (): OpDef => ({
    forward: (self: Tensor, mat: Tensor, vec: Tensor, beta: Scalar, alpha: Scalar) => {
      dims('addmv', 'mat', mat, 2);
      dims('addmv', 'vec', vec, 1);
      return combine(self, product('addmv', mat, vec.unsqueeze(1)).squeeze(1), beta, alpha);
    },
    backward: {
      self: d((grad, call) => times(grad, call.beta)),
      mat: d('vec', (grad, vec, call) => times(grad.unsqueeze(1).mul(vec), call.alpha)),
      vec: d('mat', (grad, mat, call) => times(mat.t().mv(grad), call.alpha)),
    },
  }),
);
/** beta · self + alpha · (batch1 @ batch2), batch by batch. See torch.baddbmm. */
export const baddbmm = defineOp(
  'baddbmm[_](Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1)',
  (): OpDef => ({
    forward(self: Tensor, batch1: Tensor, batch2: Tensor, beta: Scalar, alpha: Scalar) {
      checkBatches('baddbmm', batch1, batch2);
      return combine(self, product('baddbmm', batch1, batch2), beta, alpha);
    },
    backward: {
      self: d((grad, call) => times(grad, call.beta)),
      batch1: d('batch2', (grad, b, call) => times(grad.bmm(b.transpose(1, 2)), call.alpha)),
      batch2: d('batch1', (grad, a, call) => times(a.transpose(1, 2).bmm(grad), call.alpha)),
    },
  }),
);
function checkBatches(call: string, a: Tensor, b: Tensor): void {
  dims(call, 'batch1', a, 3);
  dims(call, 'batch2', b, 3);
  if (a.shape[0] !== b.shape[0])
    throw new TenfoldError('shape', `${call}: batches of ${a.shape[0]} and ${b.shape[0]} differ`);
}
/** beta · self + alpha · Σ batch1 @ batch2. See torch.addbmm. */
export const addbmm = defineOp(
  'addbmm[_](Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1)',
  (): OpDef => ({
    forward(self: Tensor, batch1: Tensor, batch2: Tensor, beta: Scalar, alpha: Scalar) {
      checkBatches('addbmm', batch1, batch2);
      return combine(self, product('addbmm', batch1, batch2).sum([0], false, { dtype: batch1.dtype }), beta, alpha);
    },
    backward: {
      self: d((grad, call) => times(grad, call.beta)),
      batch1: d('batch2', (grad, b, call) => times(grad.unsqueeze(0).matmul(b.transpose(1, 2)), call.alpha)),
      batch2: d('batch1', (grad, a, call) => times(a.transpose(1, 2).matmul(grad.unsqueeze(0)), call.alpha)),
    },
  }),
);
/** beta · self + alpha · (vec1 ⊗ vec2). See torch.addr. */
export const addr = defineOp(
  'addr[_](Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1)',
  (): OpDef => ({
    forward(self: Tensor, vec1: Tensor, vec2: Tensor, beta: Scalar, alpha: Scalar) {
      const sum = combine(self, vec1.outer(vec2), beta, alpha);
      // Of bools a factor only says whether its part counts.
      return [self, vec1, vec2].every((t) => t.code === Code.bool) ? sum.to('bool') : sum;
    },
    composite: true,
  }),
);

/** Products of all pairs of two vectors: [n], [m] → [n, m]. See torch.outer. */
export const outer = defineOp('outer(Tensor self, Tensor vec2)', (): OpDef => ({
  forward(self: Tensor, vec2: Tensor) {
    dims('outer', 'self', self, 1);
    dims('outer', 'vec2', vec2, 1);
    return self.unsqueeze(1).mul(vec2);
  },
  composite: true,
}));
/** Sum of products over the last dim of both; a product where one has no dim. See torch.inner. */
export const inner = defineOp('inner(Tensor self, Tensor other)', (): OpDef => ({
  forward(self: Tensor, other: Tensor) {
    if (self.shape.length === 0 || other.shape.length === 0) return self.mul(other);
    if (self.shape.at(-1) !== other.shape.at(-1)) {
      throw new TenfoldError(
        'shape',
        `inner: last sizes of ${formatShape(self.shape)} and ${formatShape(other.shape)} differ`,
      );
    }
    return tensordot(self, other, [[self.shape.length - 1], [other.shape.length - 1]]);
  },
  composite: true,
}));
/**
 * Contraction of the last n dims of a with the first n of b (dims = n, 2 where not given), or of the listed pairs
 * (dims = [dimsOfA, dimsOfB]). See torch.tensordot.
 */
export const tensordot = defineOp('tensordot(Tensor a, Tensor b, any dims=2)', (): OpDef => ({
  forward(first: Tensor, second: Tensor, given: unknown) {
    let [a, b] = [first, second];
    const [left, right] = contracted(a, b, given);
    left.forEach((dim, i) => {
      const other = right[i]!;
      // A dim of size 1 broadcasts: the other's elements are added up.
      if (b.shape[other] === 1) a = a.sum(dim, true).to(a.dtype);
      else if (a.shape[dim] === 1) b = b.sum(other, true).to(b.dtype);
      else if (a.shape[dim] !== b.shape[other]) {
        throw new TenfoldError(
          'shape',
          `tensordot: dim ${dim} of ${formatShape(a.shape)} and dim ${other} of ${formatShape(b.shape)} differ in size`,
        );
      }
    });
    const keepA = a.shape.map((_, i) => i).filter((i) => !left.includes(i));
    const keepB = b.shape.map((_, i) => i).filter((i) => !right.includes(i));
    const size = numelOf(left.map((i) => a.shape[i]!));
    const x = a.permute([...keepA, ...left]).reshape([numelOf(keepA.map((i) => a.shape[i]!)), size]);
    const y = b.permute([...right, ...keepB]).reshape([size, numelOf(keepB.map((i) => b.shape[i]!))]);
    return x.mm(y).reshape([...keepA.map((i) => a.shape[i]!), ...keepB.map((i) => b.shape[i]!)]);
  },
  composite: true,
}));
function contracted(a: Tensor, b: Tensor, given: unknown): [number[], number[]] {
  if (typeof given === 'number') {
    if (!Number.isInteger(given) || given < 0 || given > Math.min(a.shape.length, b.shape.length)) {
      throw new RangeError(`tensordot: dims must be from 0 to the number of dims of both tensors, got ${given}`);
    }
    return [
      Array.from({ length: given }, (_, i) => a.shape.length - given + i),
      Array.from({ length: given }, (_, i) => i),
    ];
  }
  const lists = given as [number | number[], number | number[]];
  if (!Array.isArray(given) || given.length !== 2)
    throw new TypeError(`tensordot: dims must be a number or two lists, got ${show(given)}`);
  const [left, right] = lists.map((l) => (Array.isArray(l) ? l : [l])) as [number[], number[]];
  if (left.length !== right.length)
    throw new TenfoldError('shape', `tensordot: lists of ${left.length} and ${right.length} dims`);
  return [
    left.map((i) => wrapDim('tensordot', i, a.shape.length)),
    right.map((i) => wrapDim('tensordot', i, b.shape.length)),
  ];
}

/** Kronecker product. See torch.kron. */
export const kron = defineOp('kron(Tensor self, Tensor other)', (): OpDef => ({
  forward(self: Tensor, other: Tensor) {
    const n = Math.max(self.shape.length, other.shape.length);
    const a = [...new Array<number>(n - self.shape.length).fill(1), ...self.shape];
    const b = [...new Array<number>(n - other.shape.length).fill(1), ...other.shape];
    const x = self.reshape(a.flatMap((s) => [s, 1]));
    const y = other.reshape(b.flatMap((s) => [1, s]));
    return x.mul(y).reshape(a.map((s, i) => s * b[i]!));
  },
  composite: true,
}));
/** Sum of a matrix's diagonal. See torch.trace. */
export const trace = defineOp('trace(Tensor self)', (): OpDef => ({
  forward(self: Tensor) {
    dims('trace', 'self', self, 2);
    const n = Math.min(self.shape[0]!, self.shape[1]!);
    return self.asStrided([n], [self.strides[0]! + self.strides[1]!], self.offset).sum();
  },
  backward: {
    self: d((grad, call) => {
      const [rows, columns] = call.self.shape as [number, number];
      const eye = Tensor.zeros([rows, columns], grad.code);
      const n = Math.min(rows, columns);
      if (n > 0) eye.asStrided([n], [columns + 1], eye.offset).fill_(1);
      return eye.mul(grad);
    }),
  },
}));

/** Cross product of vectors of size 3 along dim: by default the first dim of size 3. See torch.cross. */
export const cross = defineOp('cross(Tensor self, Tensor other, int? dim=null)', (): OpDef => ({
  forward(self: Tensor, other: Tensor, dim: number | null) {
    const shape = self.mul(other).shape;
    const at = dim === null ? shape.indexOf(3) : wrapDim('cross', dim, shape.length);
    if (at < 0 || shape[at] !== 3) {
      throw new TenfoldError(
        'shape',
        `cross: needs size 3 ${dim === null ? 'at some dim' : `at dim ${dim}`}, got ${formatShape(shape)}`,
      );
    }
    const a = self.expand([...shape]).unbind(at) as [Tensor, Tensor, Tensor];
    const b = other.expand([...shape]).unbind(at) as [Tensor, Tensor, Tensor];
    const part = (i: number, j: number): Tensor => a[i]!.mul(b[j]!).sub(a[j]!.mul(b[i]!)).unsqueeze(at);
    return cat([part(1, 2), part(2, 0), part(0, 1)], at);
  },
  composite: true,
}));

const chain = defineOp('chainMatmul(Tensor[] matrices)', (): OpDef => ({
  forward(matrices: Tensor[]) {
    if (matrices.length === 0) throw new TenfoldError('value', 'chainMatmul: needs at least one matrix');
    matrices.forEach((m, i) => dims('chainMatmul', `matrices[${i}]`, m, 2));
    const n = matrices.length;
    const size = [matrices[0]!.shape[0]!, ...matrices.map((m) => m.shape[1]!)];
    // Classic dynamic program over chains [i, j].
    const cost = Array.from({ length: n }, () => new Array<number>(n).fill(0));
    const cut = Array.from({ length: n }, () => new Array<number>(n).fill(0));
    for (let length = 1; length < n; length++) {
      for (let i = 0; i + length < n; i++) {
        const j = i + length;
        cost[i]![j] = Infinity;
        for (let k = i; k < j; k++) {
          const c = cost[i]![k]! + cost[k + 1]![j]! + size[i]! * size[k + 1]! * size[j + 1]!;
          if (c < cost[i]![j]!) [cost[i]![j], cut[i]![j]] = [c, k];
        }
      }
    }
    const multiply = (i: number, j: number): Tensor =>
      i === j ? matrices[i]! : multiply(i, cut[i]![j]!).mm(multiply(cut[i]![j]! + 1, j));
    return multiply(0, n - 1);
  },
  composite: true,
}));
/**
 * Product of a chain of matrices, given one by one or in a list, in the order that takes fewest multiplications. See
 * torch.chain_matmul.
 */
export function chainMatmul(...matrices: Tensors): Tensor {
  return chain(tensorsOf('chainMatmul', matrices));
}

// ---- einsum --------------------------------------------------------------------------------------------------------

interface Term {
  t: Tensor;
  labels: string[];
}

/**
 * Sum of products by Einstein's notation: einsum('ij,jk->ik', a, b), also with '...', repeated indices (diagonals) and an
 * implicit output; operands one by one or as a list. See torch.einsum.
 */
export function einsum(equation: string, ...operands: Tensor[] | [Tensor[]]): Tensor {
  if (typeof equation !== 'string') throw new TypeError(`einsum: the equation must be a string, got ${show(equation)}`);
  const list = (Array.isArray(operands[0]) ? operands[0] : operands) as Tensor[];
  for (const t of list)
    if (!(t instanceof Tensor)) throw new TypeError(`einsum: operands must be tensors, got ${show(t)}`);
  const [left, right, ...more] = equation.replace(/\s/g, '').split('->');
  if (more.length > 0) throw new TenfoldError('value', `einsum: '${equation}' has more than one ->`);
  const inputs = left!.split(',');
  if (inputs.length !== list.length) {
    throw new TenfoldError('value', `einsum: '${equation}' describes ${inputs.length} operands, got ${list.length}`);
  }
  const parse = (text: string): string[] => {
    const labels = text.replace('...', '.').split('');
    for (const l of labels)
      if (!/[A-Za-z.]/.test(l)) throw new TenfoldError('value', `einsum: invalid index '${l}' in '${equation}'`);
    if (labels.filter((l) => l === '.').length > 1)
      throw new TenfoldError('value', `einsum: more than one '...' in '${text}'`);
    return labels;
  };
  const parsed = inputs.map(parse);
  const hidden = Math.max(
    0,
    ...parsed.map((labels, i) => {
      const extra = list[i]!.shape.length - labels.filter((l) => l !== '.').length;
      if (extra < 0 || (extra > 0 && !labels.includes('.'))) {
        throw new TenfoldError(
          'shape',
          `einsum: '${inputs[i]}' doesn't fit operand ${i} of shape ${formatShape(list[i]!.shape)}`,
        );
      }
      return labels.includes('.') ? extra : 0;
    }),
  );
  const ellipsis = Array.from({ length: hidden }, (_, i) => `.${i}`);
  const sizes = new Map<string, number>();
  const terms = list.map((t, i): Term => {
    const extra = t.shape.length - parsed[i]!.filter((l) => l !== '.').length;
    const labels = parsed[i]!.flatMap((l) => (l === '.' ? ellipsis.slice(hidden - extra) : [l]));
    labels.forEach((l, dim) => {
      const size = t.shape[dim]!;
      const known = sizes.get(l) ?? 1;
      if (known !== 1 && size !== 1 && known !== size) {
        throw new TenfoldError('shape', `einsum: index '${l}' has size ${size} in operand ${i} and ${known} before`);
      }
      sizes.set(l, Math.max(known, size === 0 ? 0 : size));
      if (size === 0) sizes.set(l, 0);
    });
    return diagonals({ t, labels });
  });
  const counts = new Map<string, number>();
  for (const labels of parsed) for (const l of labels) if (l !== '.') counts.set(l, (counts.get(l) ?? 0) + 1);
  const output =
    right === undefined
      ? [
          ...ellipsis,
          ...[...counts]
            .filter(([, n]) => n === 1)
            .map(([l]) => l)
            .sort(byLabel),
        ]
      : parse(right).flatMap((l) => (l === '.' ? ellipsis : [l]));
  output.forEach((l, i) => {
    if (output.indexOf(l) !== i) throw new TenfoldError('value', `einsum: output index '${l}' appears twice`);
    if (!sizes.has(l)) throw new TenfoldError('value', `einsum: output index '${l}' is in no operand`);
  });
  let result = terms[0]!;
  if (terms.length === 1) result = sumOut(result, new Set(output));
  for (let i = 1; i < terms.length; i++) {
    const later = new Set([...output, ...terms.slice(i + 1).flatMap((x) => x.labels)]);
    result = contract(result, terms[i]!, later);
  }
  result = sumOut(result, new Set(output));
  return result.t.permute(output.map((l) => result.labels.indexOf(l)));
}
// PyTorch orders an implicit output with capitals first.
const byLabel = (a: string, b: string): number => (a < b ? -1 : 1);

// Repeated indices of one operand: its diagonal.
function diagonals({ t, labels }: Term): Term {
  for (let i = 0; i < labels.length; i++) {
    const j = labels.indexOf(labels[i]!, i + 1);
    if (j < 0) continue;
    if (t.shape[i] !== t.shape[j]) {
      throw new TenfoldError(
        'shape',
        `einsum: index '${labels[i]}' has sizes ${t.shape[i]} and ${t.shape[j]} in one operand`,
      );
    }
    const rest = labels.filter((_, k) => k !== i && k !== j);
    return diagonals({ t: t.diagonal(0, i, j), labels: [...rest, labels[i]!] });
  }
  return { t, labels };
}
function sumOut({ t, labels }: Term, keep: ReadonlySet<string>): Term {
  const drop = labels.flatMap((l, i) => (keep.has(l) ? [] : [i]));
  return drop.length === 0 ? { t, labels } : { t: t.sum(drop), labels: labels.filter((l) => keep.has(l)) };
}
// Two operands become one batched matrix product: shared and kept are batch, shared and dropped are summed.
function contract(a: Term, b: Term, keep: ReadonlySet<string>): Term {
  a = sumOut(a, new Set([...keep, ...b.labels]));
  b = sumOut(b, new Set([...keep, ...a.labels]));
  // What one operand sums out alone makes integers int64, as any sum does.
  if (a.t.dtype !== b.t.dtype) [a, b] = [a, b].map(({ t, labels }) => ({ t: t.to('int64'), labels })) as [Term, Term];
  const sizeOf = ({ t, labels }: Term, l: string): number => t.shape[labels.indexOf(l)]!;
  const shared = a.labels.filter((l) => b.labels.includes(l));
  const batch = shared.filter((l) => keep.has(l));
  const summed = shared.filter((l) => !keep.has(l));
  // Sizes of 1 that stand for a broadcast are spelled out where they are summed.
  const full = (term: Term, l: string): number => Math.max(sizeOf(a, l), sizeOf(b, l), sizeOf(term, l) === 0 ? 0 : 1);
  const spread = (term: Term): Tensor =>
    term.t.expand(
      term.labels.map((l) =>
        shared.includes(l) ? (sizeOf(a, l) === 0 || sizeOf(b, l) === 0 ? 0 : full(term, l)) : sizeOf(term, l),
      ),
    );
  const onlyA = a.labels.filter((l) => !shared.includes(l));
  const onlyB = b.labels.filter((l) => !shared.includes(l));
  const x: Term = { t: spread(a), labels: a.labels };
  const y: Term = { t: spread(b), labels: b.labels };
  const count = (term: Term, labels: readonly string[]): number => numelOf(labels.map((l) => sizeOf(term, l)));
  const order = (term: Term, labels: readonly string[]): number[] => labels.map((l) => term.labels.indexOf(l));
  const left = x.t
    .permute(order(x, [...batch, ...onlyA, ...summed]))
    .reshape([count(x, batch), count(x, onlyA), count(x, summed)]);
  const right = y.t
    .permute(order(y, [...batch, ...summed, ...onlyB]))
    .reshape([count(y, batch), count(y, summed), count(y, onlyB)]);
  const shape = [
    ...batch.map((l) => sizeOf(x, l)),
    ...onlyA.map((l) => sizeOf(x, l)),
    ...onlyB.map((l) => sizeOf(y, l)),
  ];
  return { t: left.bmm(right).reshape(shape), labels: [...batch, ...onlyA, ...onlyB] };
}
