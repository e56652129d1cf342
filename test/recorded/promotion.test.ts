/** The dtypes of results against PyTorch's: test/fixtures/promotion.json, recorded by scripts/record/promotion.py. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { camel, readFixture } from '../operators/format.js';

type Operand = string | number | boolean;
type Row = [op: string, left: Operand, right: Operand | null, result: tf.DType | null];
const { results } = readFixture<{ results: Row[] }>('promotion.json');

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
