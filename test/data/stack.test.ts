/** StackDataset. */
import { expect, it } from 'vitest';
import { type Tensor, arange, utils } from '../../lib/index.js';

const { DataLoader, StackDataset, TensorDataset } = utils.data;
const squares = { length: 4, get: (i: number) => i * i };
const names = { length: 4, get: (i: number) => 'abcd'[i]! };

it('lists and objects of samples', () => {
  const list = new StackDataset(squares, names);
  expect(list.length).toBe(4);
  expect(list.get(3)).toEqual([9, 'd']);
  expect(list.get(-1)).toEqual([9, 'd']);
  const named = new StackDataset({ square: squares, name: names });
  expect(named.get(2)).toEqual({ square: 4, name: 'c' });
  const [first] = [...new DataLoader(named, { batchSize: 3 })];
  const batch = first as { square: Tensor; name: string[] };
  expect(batch.square.tolist()).toEqual([0, 1, 4]);
  expect(batch.name).toEqual(['a', 'b', 'c']);
  const tensors = new StackDataset(new TensorDataset(arange(4)), squares);
  expect(tensors.get(1)[0][0]!.item()).toBe(1);
});
it('refuses what does not fit', () => {
  expect(() => new StackDataset(squares, { length: 5, get: (i: number) => i })).toThrow(
    'the datasets have 4, 5 samples',
  );
  expect(() => new StackDataset()).toThrow('expected at least one dataset');
  expect(() => new StackDataset(squares, 7 as unknown as typeof squares)).toThrow('1 must be a dataset');
  expect(() => new StackDataset(squares).get(4)).toThrow(RangeError);
});
