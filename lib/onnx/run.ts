/** Runs a plan: step after step, values in slots, let go after their last use. */
import { TenfoldError } from '../errors.js';
import { Tensor } from '../tensor/tensor.js';
import { Integers, numbersOf } from './integers.js';
import type { Constant, Plan, Step } from './plan.js';
import type { InputSpec, Value } from './signature.js';

/** How a run finds the weights: their values now, whatever was made of them since the model was loaded. */
export type Weights = (constant: Constant) => Value;

/** The outputs of a plan. `outer`: the values of the graph around it. */
export function execute(
  plan: Plan,
  inputs: readonly (Value | undefined)[],
  outer: readonly Value[],
  weights: Weights,
): Value[] {
  const values = new Array<Value>(plan.slots).fill(null);
  for (const [from, to] of plan.captures) values[to] = outer[from]!;
  for (const [slot, constant] of plan.constants) values[slot] = weights(constant);
  plan.inputs.forEach((slot, i) => {
    if (inputs[i] !== undefined) values[slot] = inputs[i];
  });
  for (const step of plan.steps) {
    try {
      take(step, values, weights);
    } catch (error) {
      throw located(step, error);
    }
    for (const slot of step.last) values[slot] = null;
  }
  return plan.outputs.map((slot) => values[slot]!);
}

function take(step: Step, values: Value[], weights: Weights): void {
  const { operator, inputs, outputs } = step;
  if (operator.whole !== null) {
    const given = inputs.map((slot) => (slot < 0 ? undefined : values[slot]!));
    if (given.every((value) => value === undefined || value instanceof Integers)) {
      const whole = operator.whole(step.attributes as never, ...(given as Integers[]));
      if (whole !== null) {
        if (outputs[0]! >= 0) values[outputs[0]!] = whole;
        return;
      }
    }
  }
  const args = inputs.map((slot, i) => (slot < 0 ? null : argument(values[slot]!, step.kinds[i]!)));
  let attributes = step.attributes;
  if (step.graphs.length > 0) {
    const bound: Record<string, unknown> = { ...attributes };
    for (const [name, plan] of step.graphs) bound[name] = (...given: Value[]) => execute(plan, given, values, weights);
    attributes = bound;
  }
  const result = operator.body(attributes as never, ...args);
  if (operator.several) outputs.forEach((slot, i) => slot >= 0 && (values[slot] = (result as Value[])[i] ?? null));
  else if (outputs[0]! >= 0) values[outputs[0]!] = result as Value;
}

function argument(value: Value, kind: InputSpec['kind']): unknown {
  if (kind === 'value') return value;
  if (kind === 'ints') return value instanceof Integers || value instanceof Tensor ? numbersOf(value) : value;
  return value instanceof Integers ? value.tensor : value;
}

/** The error of a step, with the node's name. */
function located(step: Step, error: unknown): unknown {
  const { message } = error as Error;
  const text = message.startsWith('onnx: ') ? message : `onnx: ${step.label}: ${message}`;
  const options = { cause: error };
  if (error instanceof TenfoldError) return new TenfoldError(error.code, text, options);
  if (error instanceof RangeError) return new RangeError(text, options);
  return error instanceof TypeError ? new TypeError(text, options) : error;
}
