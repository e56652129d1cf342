/**
 * Every operator against what PyTorch answered: results, gradients, refusals. The samples are PyTorch's own (OpInfo); see
 * scripts/record/README.md. Each sample is called in every way that docs promise: as a function and as a method, with
 * options by name and by position, in place, variadic.
 *
 *   npx vitest run test/operators -t 'crossEntropy'       one operator
 *   UPDATE_PENDING=1 npx vitest run test/operators        rewrite pending.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe as group, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { exists, shortName, spelling, waysOf, type Way } from './calls.js';
import { EXCEPTIONS, type Exception } from './exceptions.js';
import {
  cotangent, describe, describeCall, difference, isCodedTensor, readOperator, recordedOperators,
  type Coded, type CodedTensor, type OperatorFile, type Sample,
} from './format.js'; // prettier-ignore
import { PENDING } from './pending.js';
import { aligned } from './vectors.js';

const SHOWN = 4;
const operators = recordedOperators().map(readOperator);

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
  if (sample.random) return checkRandom(result as Tensor, sample.random);
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

// ---- the operators ----------------------------------------------------------------------------------------------------

const message = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
const attempt = (check: () => string | null): string | null => {
  try {
    return check();
  } catch (error) {
    return `throws ${message(error)}`;
  }
};
/** What a failing test prints: the first few problems, and how many there are. */
function report(problems: string[], total: number, noun: string): void {
  if (problems.length === 0) return;
  const more = problems.length > SHOWN ? `\n… and ${problems.length - SHOWN} more` : '';
  expect.fail(`${problems.length} of ${total} ${noun} differ\n${problems.slice(0, SHOWN).join('\n')}${more}`);
}

const exceptionsOf = (op: string): Exception => EXCEPTIONS[op] ?? {};

function checkSamples(file: OperatorFile): void {
  const { slack = 1, skip = {} } = exceptionsOf(file.op);
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
  report(problems, file.samples.length, 'samples');
}

function checkErrors(file: OperatorFile): void {
  const { accepts = {} } = exceptionsOf(file.op);
  const problems: string[] = [];
  for (const [i, call] of file.errors.entries()) {
    const way = waysOf(file, call)[0];
    if (!way) continue;
    let problem: string | null = 'is not refused';
    try {
      way.run(call, null);
    } catch (error) {
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
  report(problems, file.errors.length, 'bad calls');
}

/** Adds an option that doesn't exist to the first sample that has options. */
function checkUnknownOption(file: OperatorFile, sample: Sample): void {
  const way = waysOf(file, sample)[0]!;
  expect(() => way.run({ args: sample.args, named: { ...sample.named, no_such_option: 1 } }, null)).toThrow(
    /noSuchOption/,
  );
}

group('PyTorch’s samples', () => {
  for (const file of operators) {
    if (!file.forms.some((form) => exists(spelling(file.op, form)))) continue;
    const name = spelling(file.op, file.forms[0]!);
    it(`${name}: results and gradients`, () => checkSamples(file));
    if (file.errors.length > 0) it(`${name}: bad calls are refused`, () => checkErrors(file));
    const withOptions = file.samples.find((s) => Object.keys(s.named).length > 0 && waysOf(file, s).length > 0);
    if (withOptions) it(`${name}: an unknown option is refused`, () => checkUnknownOption(file, withOptions));
  }
});

group('the list of operators', () => {
  const forms = operators.flatMap((file) => file.forms.map((form) => spelling(file.op, form)));

  it('pending.ts names exactly the operators that are not there yet', () => {
    const missing = forms.filter((path) => !exists(path)).sort();
    if (process.env.UPDATE_PENDING) {
      const file = new URL('pending.ts', import.meta.url);
      const head = readFileSync(file, 'utf8').split('export const PENDING')[0]!;
      writeFileSync(
        file,
        `${head}export const PENDING: readonly string[] = [\n${missing.map((m) => `  '${m}',\n`).join('')}];\n`,
      );
      return;
    }
    expect({
      'listed, but implemented: delete the line': PENDING.filter((path) => exists(path)),
      'missing, and not listed': missing.filter((path) => !PENDING.includes(path)),
      'listed, but not recorded': PENDING.filter((path) => !forms.includes(path)),
    }).toEqual({
      'listed, but implemented: delete the line': [],
      'missing, and not listed': [],
      'listed, but not recorded': [],
    });
  });

  it('every operator of ops.txt is recorded, and no other', () => {
    const listed = readFileSync(new URL('../../scripts/record/ops.txt', import.meta.url), 'utf8');
    const names = listed.trim().split('\n').map((line) => line.split(' ')[1]!); // prettier-ignore
    expect(operators.map((file) => file.op)).toEqual([...names].sort());
    for (const file of operators) expect(file.samples.length, file.op).toBeGreaterThan(0);
  });
});
