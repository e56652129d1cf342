/** Parameters as one vector, and back. */
import { TenfoldError } from '../../errors.js';
import { mode } from '../../autograd/mode.js';
import { cat } from '../../ops/index.js';
import { checkIsTensor, type Tensor } from '../../tensor/tensor.js';

/** All parameters behind each other in one dim. See torch.nn.utils.parameters_to_vector. */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  const list = [...parameters];
  for (const p of list) checkIsTensor('parametersToVector', 'parameters', p);
  return cat(list.map((p) => p.reshape([-1])));
}

/** Writes slices of a vector into the parameters, in order. See torch.nn.utils.vector_to_parameters. */
export function vectorToParameters(vec: Tensor, parameters: Iterable<Tensor>): void {
  checkIsTensor('vectorToParameters', 'vec', vec);
  const list = [...parameters];
  for (const p of list) checkIsTensor('vectorToParameters', 'parameters', p);
  const count = list.reduce((sum, p) => sum + p.count, 0);
  if (vec.shape.length !== 1 || vec.count !== count) {
    throw new TenfoldError(
      'shape',
      `vectorToParameters: the parameters have ${count} elements, the vector has shape [${vec.shape}]`,
    );
  }
  const before = mode.grad;
  mode.grad = false;
  try {
    let at = 0;
    for (const p of list) {
      p.copy_(vec.slice(0, at, at + p.count).view([...p.shape]));
      at += p.count;
    }
  } finally {
    mode.grad = before;
  }
}
