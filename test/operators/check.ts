/** What a recorded call gives here, beside what PyTorch answered: the problems, in words. */
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { shortName, waysOf, type Way } from './calls.js';
import { EXCEPTIONS, type Exception } from './exceptions.js';
import {
  cotangent, describe, describeCall, difference, isCodedTensor,
  type Coded, type CodedTensor, type OperatorFile, type Sample,
} from './format.js'; // prettier-ignore
import { aligned } from './vectors.js';

// ---- one call ---------------------------------------------------------------------------------------------------------

/** The parts of a result that are compared: [what, actual, expected]. */
function parts(result: unknown, sample: Sample): [string, unknown, Coded][] {
  if (!Array.isArray(sample.out)) return [['result', result, sample.out!]];
  const actual = isIterable(result) ? [...result] : [];
  if (actual.length !== sample.out.length) return [['result', result, sample.out]];
  const named = (sample.fields ?? []).map((field, i): [string, unknown, Coded] => [
    `result.${field}`,
    (result as Record<string, unknown>)[field],
    (sample.out as Coded[])[i]!,
  ]);
  return [...sample.out.map((c, i): [string, unknown, Coded] => [`result[${i}]`, actual[i], c]), ...named];
}
const isIterable = (x: unknown): x is Iterable<unknown> =>
  x !== null && typeof x === 'object' && Symbol.iterator in x && !(x instanceof tf.Tensor);

function compare(actual: unknown, expected: Coded, slack: number): string | null {
  if (isCodedTensor(expected)) return difference(actual, expected, slack);
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length)
      return `is ${describe(actual)}, not a list of ${expected.length}`;
    const problems = expected.map((c, i) => compare(actual[i], c, slack));
    const at = problems.findIndex((p) => p !== null);
    return at < 0 ? null : `[${at}] ${problems[at]}`;
  }
  const want =
    expected !== null && typeof expected === 'object' && 'float' in expected
      ? Number(expected.float.replace('inf', 'Infinity'))
      : expected;
  return Object.is(actual, want) ? null : `is ${describe(actual)}, not ${describe(want)}`;
}

function checkForward(way: Way, sample: Sample, slack: number): string | null {
  const { result: given, args, named } = way.run(sample, way.form === 'inplace' ? null : []);
  const result = aligned(given, sample);
  if (way.form === 'inplace' && result !== args[0]) return 'does not return its tensor';
  if (sample.random) return checkRandom((Array.isArray(result) ? result[0] : result) as Tensor, sample.random);
  for (const [what, actual, expected] of parts(result, sample)) {
    const problem = compare(actual, expected, slack);
    if (problem) return `${what} ${problem}`;
    if (
      isCodedTensor(expected) &&
      way.form !== 'inplace' &&
      (actual as Tensor).requiresGrad !== Boolean(expected.grad)
    ) {
      return `${what}.requiresGrad is ${(actual as Tensor).requiresGrad}`;
    }
  }
  if (way.form === 'inplace') return null;
  const after = sample.after ?? sample;
  for (const [what, values, expected] of [
    ['argument', args, after.args],
    ['option', Object.values(named), Object.values(after.named)],
  ] as const) {
    for (const [i, c] of expected.entries()) {
      const problem = isCodedTensor(c) ? difference(values[i], c) : null;
      if (problem) return `after the call, ${what} ${i} ${problem}`;
    }
  }
  return null;
}

function checkGradients(way: Way, sample: Sample, slack: number): string | null {
  if (!sample.grads) return null;
  const leaves: Tensor[] = [];
  const result = aligned(way.run(sample, leaves).result, sample);
  const outputs = (Array.isArray(sample.out) ? [...(result as Iterable<Tensor>)] : [result as Tensor]) as Tensor[];
  const expected = (Array.isArray(sample.out) ? sample.out : [sample.out]) as CodedTensor[];
  const roots = expected.flatMap((c, k) => (c?.grad ? [k] : []));
  if (roots.length > 0) {
    tf.autograd.backward(
      roots.map((k) => outputs[k]!),
      roots.map((k) => cotangent(expected[k]!.shape, expected[k]!.dtype, k)),
    );
  }
  for (const [i, c] of sample.grads.entries()) {
    const grad = leaves[i]!.grad;
    // Where PyTorch gives no gradient, zeros say the same.
    const zero = !grad || Array.from(grad.toTypedArray(), Number).every((x) => x === 0);
    const problem = c ? difference(grad, c, slack) : zero ? null : 'is neither null nor zero';
    if (problem) return `gradient ${i} ${problem}`;
  }
  return null;
}

function checkRandom(t: Tensor, want: NonNullable<Sample['random']>): string | null {
  const coded = { dtype: want.dtype as tf.DType, shape: want.shape };
  if (t.dtype !== coded.dtype || t.shape.join() !== coded.shape.join())
    return `is ${describe(t)}, not ${coded.dtype}[${coded.shape}]`;
  if (want.mean === undefined) return null;
  const x = Array.from(t.toTypedArray(), Number);
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const std = Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / (x.length - 1));
  const zeros = x.filter((v) => v === 0).length / x.length;
  // Six standard errors of the difference of two samples: one chance in 10^9 for each figure of a right generator.
  const error = 6 * Math.sqrt(2 / x.length);
  const off = (what: string, a: number, b: number, scale: number): string | null =>
    Math.abs(a - b) <= error * scale + 1e-6 ? null : `has ${what} ${a}, PyTorch's ${b}`;
  // Values are at most spread over the range, so half of it bounds the error of the standard deviation.
  const range = (want.max! - want.min!) / 2;
  return (
    off('mean', mean, want.mean, want.std!) ??
    off('std', std, want.std!, range) ??
    off('zeros', zeros, want.zeros!, 0.5)
  );
}

// ---- an operator ------------------------------------------------------------------------------------------------------

const message = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
const attempt = (check: () => string | null): string | null => {
  try {
    return check();
  } catch (error) {
    return `throws ${message(error)}`;
  }
};
/** Samples whose result or gradients differ. */
export function sampleProblems(file: OperatorFile, exception: Exception = EXCEPTIONS[file.op] ?? {}): string[] {
  const { slack = 1, skip = {} } = exception;
  const problems: string[] = [];
  for (const [i, sample] of file.samples.entries()) {
    if (i in skip) continue;
    const ways = waysOf(file, sample);
    const differentiate = ways.find((way) => way.form !== 'inplace');
    for (const way of ways) {
      const problem =
        attempt(() => checkForward(way, sample, slack)) ??
        (way === differentiate ? attempt(() => checkGradients(way, sample, slack)) : null);
      if (problem) {
        problems.push(`#${i} ${way.name}: ${problem}\n     of ${describeCall(sample)}`);
        break;
      }
    }
  }
  return problems;
}

/** Calls that PyTorch refuses and that aren't refused here, or not in the way that errors are. */
export function refusalProblems(file: OperatorFile, exception: Exception = EXCEPTIONS[file.op] ?? {}): string[] {
  const { accepts = {} } = exception;
  const problems: string[] = [];
  for (const [i, call] of file.errors.entries()) {
    const way = waysOf(file, call)[0];
    if (!way) continue;
    let problem: string | null = 'is not refused';
    try {
      way.run(call, null);
    } catch (error) {
      // What can't be made can't be given.
      if (message(error).includes('tensors have at most 64 dims')) continue;
      const kind = error instanceof TypeError || error instanceof RangeError || error instanceof tf.TenfoldError;
      const names = error instanceof Error && error.message.includes(shortName(file.op));
      problem =
        kind && names
          ? null
          : `${kind ? 'the message does not name the call' : 'wrong kind of error'}: ${message(error)}`;
    }
    const accepted = i in accepts;
    if (accepted && problem === null) problem = 'is refused, though exceptions.ts says that it is accepted';
    else if (accepted && problem === 'is not refused') problem = null;
    if (problem)
      problems.push(`#${i} ${way.name}: ${problem}\n     of ${describeCall(call)}\n     PyTorch: ${call.message}`);
  }
  return problems;
}
