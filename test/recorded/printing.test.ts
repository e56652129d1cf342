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
  afterEach(() => tf.setPrintoptions({ profile: 'default' }));
  for (const [i, row] of tensors.entries()) {
    const { dtype, shape } = row.tensor;
    const what = [row.parameter && 'Parameter', row.apply, row.options && JSON.stringify(row.options)]
      .filter(Boolean)
      .join(' ');
    it(`#${i} ${dtype}[${shape}] ${what}`, () => {
      const t = make(row);
      if (row.options) {
        const { threshold } = row.options;
        if (threshold === 'inf') row.options.threshold = Infinity;
        tf.setPrintoptions(Object.fromEntries(Object.entries(row.options).map(([k, v]) => [camel(k), v])));
      }
      expect(String(t)).toBe(row.text);
      expect(inspect(t)).toBe(row.text);
    });
  }
});

describe('setPrintoptions', () => {
  afterEach(() => tf.setPrintoptions({ profile: 'default' }));
  const print = (): string => String(tf.tensor([1.12345, 2]));

  it('keeps what a call leaves out, but for sciMode', () => {
    tf.setPrintoptions({ precision: 2, sciMode: true });
    expect(print()).toBe('tensor([1.12e+00, 2.00e+00])');
    tf.setPrintoptions({ linewidth: 100, precision: null });
    expect(print()).toBe('tensor([1.12, 2.00])');
    tf.setPrintoptions({ profile: 'default', precision: 1 });
    expect(print()).toBe('tensor([1.1, 2.0])');
    tf.setPrintoptions({ profile: 'default' });
    expect(print()).toBe('tensor([1.1235, 2.0000])');
  });

  it.each([
    [{ precision: -1 }, RangeError, 'precision must be an integer from 0 to 100, got -1'],
    [{ precision: 1.5 }, RangeError, 'precision must be an integer from 0 to 100, got 1.5'],
    [{ precision: '2' }, TypeError, "precision must be a number, got '2'"],
    [{ threshold: NaN }, RangeError, 'threshold must be an integer of at least 0, or Infinity, got NaN'],
    [{ edgeitems: 0 }, RangeError, 'edgeitems must be an integer of at least 1, got 0'],
    [{ edgeitems: Infinity }, RangeError, 'edgeitems must be an integer of at least 1, got Infinity'],
    [{ linewidth: -1 }, RangeError, 'linewidth must be an integer of at least 0, or Infinity, got -1'],
    [{ sciMode: 1 }, TypeError, 'sciMode must be a boolean or null, got 1'],
    [{ profile: 'long' }, TypeError, "profile must be 'default', 'short' or 'full', got 'long'"],
    [{ lineWidth: 3 }, TypeError, "unknown option 'lineWidth', did you mean 'linewidth'?"],
    [3, TypeError, 'options must be an object, got 3'],
  ])('refuses %j and changes nothing', (bad, kind, message) => {
    const options = typeof bad === 'object' ? { precision: 2, profile: 'short', ...bad } : bad;
    const call = (): void => tf.setPrintoptions(options as never);
    expect(call).toThrow(kind);
    expect(call).toThrow(`setPrintoptions: ${message}`);
    expect(print()).toBe('tensor([1.1235, 2.0000])');
  });
});
