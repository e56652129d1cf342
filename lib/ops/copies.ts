/** Views as copies with memory of their own: what PyTorch calls …_copy; and views that are written to a copy. */
import { renamed } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';

/** An op that calls a method, and copies its result or each of its results. */
const copyOf = (name: string, method: string) => (): OpDef => ({
  forward(self: Tensor, ...rest: unknown[]) {
    const call = (self as unknown as Record<string, (...args: unknown[]) => Tensor | Tensor[]>)[method]!;
    const out = renamed(name, () => call.apply(self, rest));
    return Array.isArray(out) ? out.map(dense) : dense(out);
  },
  composite: true,
});
/** A copy without gaps. */
const dense = (x: Tensor): Tensor => (x.isContiguous() ? x.clone() : x.contiguous());

/** A copy. See torch.alias_copy. */
export const aliasCopy = defineOp('aliasCopy(Tensor self)', copyOf('aliasCopy', 'clone'));
/** A copy outside the graph. See torch.detach_copy. */
export const detachCopy = defineOp('detachCopy(Tensor self)', copyOf('detachCopy', 'detach'));
/** asStrided as a copy. See torch.as_strided_copy. */
export const asStridedCopy = defineOp(
  'asStridedCopy(Tensor self, int[] size, int[] stride, int? storageOffset=null)',
  copyOf('asStridedCopy', 'asStrided'),
);
/** diagonal as a copy. See torch.diagonal_copy. */
export const diagonalCopy = defineOp(
  'diagonalCopy(Tensor self, int offset=0, int dim1=0, int dim2=1)',
  copyOf('diagonalCopy', 'diagonal'),
);
/** expand as a copy. See torch.expand_copy. */
export const expandCopy = defineOp('expandCopy(Tensor self, int[] size)', copyOf('expandCopy', 'expand'));
/** permute as a copy. See torch.permute_copy. */
export const permuteCopy = defineOp('permuteCopy(Tensor self, int[] dims)', copyOf('permuteCopy', 'permute'));
/** select as a copy. See torch.select_copy. */
export const selectCopy = defineOp('selectCopy(Tensor self, int dim, int index)', copyOf('selectCopy', 'select'));
/** splitWithSizes as copies. See torch.split_with_sizes_copy. */
export const splitWithSizesCopy = defineOp(
  'splitWithSizesCopy(Tensor self, int[] splitSizes, int dim=0) -> Tensor[]',
  copyOf('splitWithSizesCopy', 'splitWithSizes'),
);
/** split as copies. See torch.split_copy. */
export const splitCopy = defineOp(
  'splitCopy(Tensor self, int splitSize, int dim=0) -> Tensor[]',
  copyOf('splitCopy', 'split'),
);
/** squeeze as a copy. See torch.squeeze_copy. */
export const squeezeCopy = defineOp('squeezeCopy(Tensor self, int[]? dim=null)', copyOf('squeezeCopy', 'squeeze'));
/** t as a copy. See torch.t_copy. */
export const tCopy = defineOp('tCopy(Tensor self)', copyOf('tCopy', 't'));
/** transpose as a copy. See torch.transpose_copy. */
export const transposeCopy = defineOp(
  'transposeCopy(Tensor self, int dim0, int dim1)',
  copyOf('transposeCopy', 'transpose'),
);
/** unbind as copies. See torch.unbind_copy. */
export const unbindCopy = defineOp('unbindCopy(Tensor self, int dim=0) -> Tensor[]', copyOf('unbindCopy', 'unbind'));
/** Tensor.unfold as a copy. See torch.unfold_copy. */
export const unfoldCopy = defineOp(
  'unfoldCopy(Tensor self, int dimension, int size, int step)',
  copyOf('unfoldCopy', 'unfold'),
);
/** unsqueeze as a copy. See torch.unsqueeze_copy. */
export const unsqueezeCopy = defineOp('unsqueezeCopy(Tensor self, int dim)', copyOf('unsqueezeCopy', 'unsqueeze'));
/** view as a copy. See torch.view_copy. */
export const viewCopy = defineOp('viewCopy(Tensor self, int[] size)', copyOf('viewCopy', 'view'));
/** chunk. See torch.unsafe_chunk. */
export const unsafeChunk = defineOp('unsafeChunk(Tensor self, int chunks, int dim=0) -> Tensor[]', (): OpDef => ({
  forward: (x: Tensor, chunks: number, dim: number) => x.chunk(chunks, dim),
  composite: true,
}));
/** split. See torch.unsafe_split. */
export const unsafeSplit = defineOp('unsafeSplit(Tensor self, int[] splitSize, int dim=0) -> Tensor[]', (): OpDef => ({
  forward: (x: Tensor, size: number | number[], dim: number) => x.split(size, dim),
  composite: true,
}));
/**
 * A copy in which the elements of `asStrided(size, stride, storageOffset)` are src's. See torch.as_strided_scatter.
 */
export const asStridedScatter = defineOp(
  'asStridedScatter(Tensor self, Tensor src, int[] size, int[] stride, int? storageOffset=null)',
  (): OpDef => ({
    forward(x: Tensor, src: Tensor, size: number[], stride: number[], offset: number | null) {
      const out = x.clone();
      renamed('asStridedScatter', () => out.asStrided(size, stride, offset).copy_(src));
      return out;
    },
    composite: true,
  }),
);
