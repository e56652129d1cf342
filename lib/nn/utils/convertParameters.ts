/** Parameters as one vector, and back. */
import { TenfoldError, checkCount, checkIterable, renamed } from '../../errors.js';
import { mode } from '../../autograd/mode.js';
import { cat } from '../../ops/index.js';
import { checkIsTensor, type Tensor } from '../../tensor/tensor.js';

function listOf(call: string, parameters: Iterable<Tensor>): Tensor[] {
  checkIterable(call, 'a list of parameters', parameters);
  const list = [...parameters];
  for (const p of list) checkIsTensor(call, 'parameters', p);
  return list;
}

/** All parameters behind each other in one dim. See torch.nn.utils.parameters_to_vector. */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  checkCount('parametersToVector', arguments, 1);
  const list = listOf('parametersToVector', parameters);
  return renamed('parametersToVector', () => cat(list.map((p) => p.reshape([-1]))));
}

/** Writes slices of a vector into the parameters, in order. See torch.nn.utils.vector_to_parameters. */
export function vectorToParameters(vec: Tensor, parameters: Iterable<Tensor>): void {
  checkCount('vectorToParameters', arguments, 2);
  checkIsTensor('vectorToParameters', 'vec', vec);
  const list = listOf('vectorToParameters', parameters);
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
