/** What String(tensor) gives, against PyTorch's repr: test/fixtures/printing.json, recorded by scripts/record/printing.py. */
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { camel, decodeTensor, readFixture, type CodedTensor } from '../operators/format.js';

interface Row {
  tensor: CodedTensor;
  apply?: string;
  parameter?: true;
  options?: Record<string, unknown>;
  text: string;
}
const { tensors } = readFixture<{ tensors: Row[] }>('printing.json');

function make(row: Row): unknown {
  const t = decodeTensor(row.tensor, true);
  if (row.apply) return (t as unknown as Record<string, () => unknown>)[camel(row.apply)]!();
  return row.parameter ? new tf.nn.Parameter(t.detach(), { requiresGrad: Boolean(row.tensor.grad) }) : t;
}

describe('String(tensor) is what PyTorch prints', () => {
  afterEach(() => tf.setPrintOptions({ profile: 'default' }));
  for (const [i, row] of tensors.entries()) {
    const { dtype, shape } = row.tensor;
    const what = [row.parameter && 'Parameter', row.apply, row.options && JSON.stringify(row.options)]
      .filter(Boolean)
      .join(' ');
    it(`#${i} ${dtype}[${shape}] ${what}`, () => {
      const t = make(row);
      if (row.options) {
        tf.setPrintOptions(Object.fromEntries(Object.entries(row.options).map(([k, v]) => [camel(k), v])));
      }
      expect(String(t)).toBe(row.text);
      expect(inspect(t)).toBe(row.text);
    });
  }
});
