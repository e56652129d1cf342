/** Modules print as PyTorch's and have its state-dict keys: test/fixtures/modules.json, by scripts/record/modules.py. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { readFixture } from '../operators/format.js';

interface Row {
  js: string;
  tenfold: string;
  state: [key: string, shape: number[], dtype: string][];
}
const { modules } = readFixture<{ modules: Row[] }>('modules.json');

describe('modules print and name their state as PyTorch does', () => {
  for (const row of modules) {
    it(row.js, () => {
      const make = new Function('nn', 'torch', `return ${row.js}`) as (nn: unknown, torch: unknown) => tf.nn.Module;
      const module = make(tf.nn, tf);
      expect(String(module)).toBe(row.tenfold);
      expect(inspect(module)).toBe(row.tenfold);
      const state = Object.entries(module.stateDict()).map(([key, t]) => [key, [...t.shape], t.dtype]);
      expect(state).toEqual(row.state);
    });
  }
});
