/** Which dtype results have: PyTorch's promotion, to be asked. */
import { show } from '../errors.js';
import { Code, DTYPES, codeOf, isFloatCode, promoteCodes, type DType } from '../dtype.js';
import { type Tensor, checkIsTensor, isTensor } from '../tensor/tensor.js';
import { promote } from '../op/elementwise.js';
import type { Scalar } from '../op/schema.js';

/** The smallest dtype that both can be cast to. See torch.promote_types. */
export function promoteTypes(type1: DType, type2: DType): DType {
  return DTYPES[promoteCodes(codeOf('promoteTypes', type1), codeOf('promoteTypes', type2))]!;
}

/**
 * dtype of an arithmetic result of two operands, tensors or numbers: numbers count less than 0-dim tensors, and these less
 * than others. See torch.result_type.
 */
export function resultType(tensor1: Tensor | Scalar, tensor2: Tensor | Scalar): DType {
  for (const x of [tensor1, tensor2]) {
    if (!isTensor(x) && !['number', 'boolean', 'bigint'].includes(typeof x))
      throw new TypeError(`resultType: expected tensors or numbers, got ${show(x)}`);
  }
  return DTYPES[promote(tensor1, tensor2)]!;
}

/** Whether promotion allows a cast: not of floats to integers or bool, nor of integers to bool. See torch.can_cast. */
export function canCast(from: DType, to: DType): boolean {
  const standing = (dtype: DType): number => {
    const code = codeOf('canCast', dtype);
    return isFloatCode(code) ? 2 : code === Code.bool ? 0 : 1;
  };
  return standing(from) <= standing(to);
}

/** Number of elements. See torch.numel. */
export function numel(input: Tensor): number {
  checkIsTensor('numel', 'input', input);
  return input.numel();
}
