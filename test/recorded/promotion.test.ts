/** The dtypes of results against PyTorch's: test/fixtures/promotion.json, recorded by scripts/record/promotion.py. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { camel, readFixture } from '../operators/format.js';

type Operand = string | number | boolean;
type Row = [op: string, left: Operand, right: Operand | null, result: tf.DType | null];
type Pair<Result> = [a: tf.DType, b: tf.DType, result: Result];
const { results, promoteTypes, canCast } = readFixture<{
  results: Row[];
  promoteTypes: Pair<tf.DType>[];
  canCast: Pair<boolean>[];
}>('promotion.json');

/** "int64[2]" is a tensor of that dtype and shape; anything else a scalar. */
function operand(spec: Operand): unknown {
  const tensor = /^(\w+)\[(\d*)\]$/.exec(String(spec));
  return tensor ? tf.ones(tensor[2] ? [Number(tensor[2])] : [], { dtype: tensor[1] as tf.DType }) : spec;
}

function resultOf([op, left, right]: Row): tf.DType | null {
  const x = operand(left) as tf.Tensor;
  const y = right === null ? null : operand(right);
  const call = (tf as unknown as Record<string, (...args: unknown[]) => tf.Tensor>)[camel(op)]!;
  try {
    if (op.endsWith('_')) return (x as unknown as Record<string, (y: unknown) => tf.Tensor>)[op]!(y).dtype;
    if (op === 'where') return call(tf.ones([2], { dtype: 'bool' }), x, y).dtype;
    if (op === 'cat' || op === 'stack') return call([x, y]).dtype;
    return call(...[x, ...(y === null ? [] : [y]), ...(op === 'cumsum' ? [0] : [])]).dtype;
  } catch (error) {
    if (error instanceof TypeError || error instanceof tf.TenfoldError) return null;
    throw error;
  }
}

describe('dtypes of results are PyTorch’s', () => {
  for (const op of new Set(results.map((row) => row[0]))) {
    it(op, () => {
      const owner = (op.endsWith('_') ? tf.Tensor.prototype : tf) as unknown as Record<string, unknown>;
      expect(owner[camel(op)]).toBeTypeOf('function');
      const rows = results.filter((row) => row[0] === op);
      const wrong = rows.flatMap((row) => {
        const got = resultOf(row);
        return got === row[3] ? [] : [`${op}(${row[1]}, ${row[2]}) is ${got ?? 'refused'}, not ${row[3] ?? 'refused'}`];
      });
      expect(wrong.slice(0, 10), `${wrong.length} of ${rows.length}`).toEqual([]);
    });
  }
});

describe('dtypes can be asked for', () => {
  it('promoteTypes', () => {
    expect(promoteTypes.length).toBe(100);
    expect(promoteTypes.map(([a, b]) => [a, b, tf.promoteTypes(a, b)])).toEqual(promoteTypes);
    expect(() => tf.promoteTypes('int65' as tf.DType, 'bool')).toThrow(/^promoteTypes: unknown dtype 'int65'/);
  });

  it('canCast', () => {
    expect(canCast.length).toBe(100);
    expect(canCast.map(([a, b]) => [a, b, tf.canCast(a, b)])).toEqual(canCast);
    expect(() => tf.canCast('bool', 'int65' as tf.DType)).toThrow(/^canCast: unknown dtype 'int65'/);
  });

  it('resultType', () => {
    const sums = results.filter(([op, , , result]) => op === 'add' && result !== null);
    expect(sums.length).toBeGreaterThan(100);
    for (const [, left, right, result] of sums) {
      const [a, b] = [operand(left), operand(right!)] as (tf.Tensor | number | boolean)[];
      expect(tf.resultType(a!, b!), `resultType(${left}, ${right})`).toBe(result);
    }
    expect(tf.resultType(2, 2.5)).toBe('float32');
    expect(tf.resultType(2, true)).toBe('int64');
    expect(() => tf.resultType('float32' as unknown as number, 1)).toThrow(/^resultType: expected tensors or numbers/);
  });

  it('numel', () => {
    expect(tf.numel(tf.zeros(2, 3))).toBe(6);
    expect(tf.numel(tf.tensor(1))).toBe(1);
    expect(() => tf.numel(3 as unknown as tf.Tensor)).toThrow(/^numel: /);
  });
});
