/** No graph is recorded while a server computes. */
import { mode } from '../../autograd/mode.js';

/**
 * Runs the synchronous part of `fn` without recording a graph. Unlike noGrad it takes async functions, whose part behind the first
 * `await` runs as whoever is then at work has it: a model of the user's that computes there says noGrad itself.
 */
export function withoutRecording<T>(fn: () => T): T {
  const { grad, inference } = mode;
  mode.grad = false;
  mode.inference = true;
  try {
    return fn();
  } finally {
    mode.grad = grad;
    mode.inference = inference;
  }
}
