/** In a file of its own, because it must be the first of its process that makes a tensor. */
import { expect, it } from 'vitest';
import { zeros } from '../lib/index.js';

it('the first tensor may be empty', () => {
  expect(zeros(0).shape).toEqual([0]);
});
