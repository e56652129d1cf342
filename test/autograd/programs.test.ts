/**
 * Random programs of views, in-place changes and arithmetic, against what PyTorch made of them: values, first and
 * second derivatives, and where it refuses. Recorded by scripts/record/programs.py, which describes them.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { camel, decode, difference, type CodedTensor } from '../operators/format.js';

type Arg = number | number[] | { r: number } | { i: number[] } | { m: number };
type Call = [method: string, register: number, args: Arg[]];
type Step = Call | { noGrad: Call };
interface Program {
  leaves: CodedTensor[];
  /** Which leaves are views themselves. */
  views: boolean[];
  steps: Step[];
  twice?: true;
  refused?: 'step' | 'backward';
  values: CodedTensor[];
  grads: (CodedTensor | null)[];
}
const file = new URL('../fixtures/programs.json.gz', import.meta.url);
const { programs } = JSON.parse(gunzipSync(readFileSync(file)).toString()) as { programs: Program[] };

function perform(step: Step, registers: Tensor[]): void {
  if ('noGrad' in step) return tf.noGrad(() => perform(step.noGrad, registers));
  const [method, at, args] = step;
  const given = args.map((arg) => {
    if (typeof arg !== 'object' || Array.isArray(arg)) return arg;
    if ('m' in arg) return registers[at]!.detach().gt(arg.m);
    return 'r' in arg ? registers[arg.r] : tf.tensor(arg.i, { dtype: 'int64' });
  });
  const self = registers[at] as unknown as Record<string, (...args: unknown[]) => Tensor>;
  const out = self[camel(method)]!(...given);
  if (!method.endsWith('_')) registers.push(out);
}

const weighted = (x: Tensor): Tensor => x.mul(tf.arange(1, x.numel() + 1, { dtype: 'float64' }).reshape(x.shape)).sum();
const sumOf = (parts: Tensor[]): Tensor => parts.reduce((a, b) => a.add(b));

function derivatives(registers: Tensor[], twice: boolean): (Tensor | null)[] {
  const leaves = registers.slice(0, 2);
  const total = sumOf(registers.filter((x) => x.requiresGrad).map(weighted));
  const grads = tf.autograd.grad(total, leaves, { createGraph: twice, allowUnused: true });
  if (!twice) return grads;
  const squares = grads.flatMap((g) => (g?.requiresGrad === true ? [g.square().sum()] : []));
  return tf.autograd.grad(sumOf(squares), leaves, { allowUnused: true });
}

/** What differs from PyTorch's, or null. */
function compare(program: Program): string | null {
  const registers = program.leaves.map((coded, i) => {
    const x = decode(coded, null) as Tensor;
    const leaf = program.views[i] ? x.flatten().clone().reshape(x.shape) : x.clone();
    return i < 2 ? leaf.requiresGrad_() : leaf;
  });
  const last = program.steps.length - (program.refused === 'step' ? 1 : 0);
  for (const step of program.steps.slice(0, last)) perform(step, registers);
  if (program.refused === 'step') {
    expect(() => perform(program.steps[last]!, registers)).toThrow(/^\w+: /);
    return null;
  }
  if (program.refused === 'backward') {
    expect(() => derivatives(registers, program.twice === true)).toThrow(/^(backward|autograd\.grad): /);
    return null;
  }
  for (const [i, coded] of program.values.entries()) {
    const problem = difference(registers[i], coded);
    if (problem) return `register ${i} ${problem}`;
    if (registers[i]!.requiresGrad !== Boolean(coded.grad)) return `register ${i}: requiresGrad is not ${coded.grad}`;
  }
  const grads = derivatives(registers, program.twice === true);
  for (const [i, coded] of program.grads.entries()) {
    const grad = grads[i];
    const zero = !grad || Array.from(grad.toTypedArray(), Number).every((x) => x === 0);
    const problem = coded ? difference(grad, coded) : zero ? null : 'is neither null nor zero';
    if (problem) return `gradient ${i} ${problem}`;
  }
  return null;
}

describe('programs of views and in-place changes', () => {
  it.each(programs.map((program, i) => [i, program] as const))('%i', (_, program) => {
    let problem: string | null;
    try {
      problem = compare(program);
    } catch (error) {
      problem = String(error);
    }
    if (problem)
      expect.fail(
        `${problem}\n${JSON.stringify(program.steps)} ${JSON.stringify(program.views)} ${program.refused ?? ''}`,
      );
  });
});
