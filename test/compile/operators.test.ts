/**
 * Recorded samples of every operator, compiled: the replay gives what the function gives, bit for bit. Operators whose result
 * has a shape that depends on values, or that look at values in JavaScript, are refused when they
 * are recorded.
 *
 *   COMPILE_WHOLE=1 npx vitest run test/compile/operators.test.ts     all samples, not two of each
 */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { compile, type Tensor } from '../../lib/index.js';
import { exists, spelling, waysOf, type Way } from '../operators/calls.js';
import {
  decode,
  isCodedTensor,
  readOperator,
  recordedOperators,
  type Coded,
  type Sample,
} from '../operators/format.js';

const { COMPILE_WHOLE } = process.env;

/** What looks at values: some or all of their samples are refused. */
const REFUSED = new Set(
  (
    '__getitem__ allclose argwhere bincount equal gradient histc histogram histogramdd index_put item linalg.cholesky_ex ' +
    'linalg.ldl_solve linalg.lstsq linalg.lu linalg.lu_factor linalg.lu_factor_ex linalg.lu_solve linalg.solve_ex linspace lu lu_solve ' +
    'lu_unpack masked_select matrix_exp narrow nn.functional.ctc_loss nn.functional.embedding_bag ' +
    'nn.functional.fractional_max_pool2d nn.functional.fractional_max_pool3d resize_ resize_as_ ' +
    'nn.functional.multilabel_margin_loss nn.functional.one_hot nn.functional.rrelu nonzero nonzero_static ' +
    'repeat_interleave tensor_split unique'
  ).split(' '),
);
/** Memory that nobody has written has no value. */
const EMPTY = new Set(['empty_permuted', 'empty_strided', 'empty', 'empty_like', 'new_empty', 'new_empty_strided']);

const operators = recordedOperators()
  .filter((op) => !EMPTY.has(op))
  .map(readOperator);

/** Bits of every tensor in a value, with its shape and dtype; everything else as it is. */
function bits(x: unknown): unknown {
  if (x instanceof tf.Tensor) return [x.dtype, x.shape, bytesOf(x)];
  if (Array.isArray(x)) return x.map(bits);
  if (typeof x === 'object' && x !== null && Symbol.iterator in x) return [...(x as Iterable<unknown>)].map(bits);
  return typeof x === 'bigint' ? String(x) : x;
}
function bytesOf(t: Tensor): string {
  const dense = t.detach();
  const array = (t.dtype === 'float16' || t.dtype === 'bfloat16' ? dense.float() : dense).toTypedArray();
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');
}

/** A decoded value with its tensors made anew: everything else is the same at each call. */
function again(value: unknown, coded: Coded): unknown {
  if (isCodedTensor(coded)) return decode(coded, []);
  return Array.isArray(coded) && Array.isArray(value) ? coded.map((c, i) => again(value[i], c)) : value;
}

function problem(way: Way, { args, named }: Sample): string | null {
  const values = args.map((a) => decode(a, []));
  const names = Object.keys(named);
  const options = names.map((name) => decode(named[name]!, []));
  const fresh = (): unknown[][] => [
    args.map((a, i) => again(values[i], a)),
    names.map((name, i) => again(options[i], named[name]!)),
  ];
  const fn = (a: unknown[], o: unknown[]): unknown =>
    way.call(a, Object.fromEntries(names.map((name, i) => [name, o[i]])));
  const seeded = (f: typeof fn): unknown => {
    tf.manualSeed(1);
    const [a, o] = fresh() as [unknown[], unknown[]];
    return tf.noGrad(() => f(a, o));
  };
  let wanted: unknown;
  try {
    wanted = seeded(fn);
  } catch {
    return null; // test/operators looks at what should run and doesn't
  }
  const compiled = compile(fn);
  let got: unknown;
  try {
    for (let i = 0; i < 2; i++) got = seeded(compiled);
  } catch (error) {
    return (error as { code?: string }).code === 'capture' ? 'refused' : `throws ${String(error)}`;
  }
  if (compiled.plans.length !== 1 || compiled.plans[0]!.calls !== 1) return 'was not replayed';
  return JSON.stringify(bits(got)) === JSON.stringify(bits(wanted)) ? null : 'differs';
}

describe('operators, compiled', () => {
  for (const file of operators) {
    if (!file.forms.some((form) => exists(spelling(file.op, form)))) continue;
    it(spelling(file.op, file.forms[0]!), () => {
      const { samples } = file;
      const chosen = new Set(COMPILE_WHOLE ? samples : [0.4, 1].map((at) => samples[Math.floor(at * (samples.length - 1))]!)); // prettier-ignore
      const problems = [...chosen].flatMap((sample) => {
        const way = waysOf(file, sample)[0];
        const found = way === undefined ? null : problem(way, sample);
        return found === null || (found === 'refused' && REFUSED.has(file.op)) ? [] : [found];
      });
      expect(problems).toEqual([]);
    });
  }
});
