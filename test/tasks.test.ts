/** Scopes of concurrent tasks: begun and ended out of order, they leave nothing behind. */
import { expect, it } from 'vitest';
import { enableGrad, isGradEnabled, keep, memoryScope, noGrad, ones, setGradEnabled, tidy } from '../lib/index.js';

const freed = 'tensor used after it was freed';

it('noGrad scopes that end in another order leave recording on', () => {
  const first = noGrad();
  const second = noGrad();
  first[Symbol.dispose]();
  expect(isGradEnabled()).toBe(false);
  second[Symbol.dispose]();
  expect(isGradEnabled()).toBe(true);
  second[Symbol.dispose]();
  expect(isGradEnabled()).toBe(true);
});

it('three scopes in every order of ending', () => {
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    // prettier-ignore
    const scopes = [noGrad(), enableGrad(), noGrad()];
    for (const i of order) scopes[i]![Symbol.dispose]();
    expect(isGradEnabled(), String(order)).toBe(true);
  }
});

it('setGradEnabled inside a scope ends with it', () => {
  {
    using _ = noGrad();
    setGradEnabled(true);
    expect(isGradEnabled()).toBe(true);
  }
  expect(isGradEnabled()).toBe(true);
});

it('memory scopes that end in another order free their own, and record no longer', () => {
  const first = memoryScope();
  const a = ones(2);
  const second = memoryScope();
  const b = ones(2);
  first.end();
  const c = ones(2);
  second.end();
  const d = ones(2);
  expect(() => a.add(1)).toThrow(freed);
  expect(() => b.add(1)).toThrow(freed);
  expect(() => c.add(1)).toThrow(freed);
  const third = memoryScope();
  third.end();
  expect(d.add(1).tolist()).toEqual([2, 2]);
});

it('what an inner scope keeps is decided by the scope around it', () => {
  let x = ones(1);
  const kept = tidy(() => {
    x = tidy(() => ones(2).add(1));
    return keep(tidy(() => ones(2)));
  });
  expect(kept.tolist()).toEqual([1, 1]);
  expect(() => x.add(1)).toThrow(freed);
});

it('an async function is not taken for a block', async () => {
  expect(() => tidy(async () => Promise.resolve(ones(1)))).toThrow('tidy: the function is async');
  expect(() => noGrad((async () => Promise.resolve(1)) as never)).toThrow('noGrad: the function is async');
  expect(isGradEnabled()).toBe(true);
  await Promise.resolve();
  expect(isGradEnabled()).toBe(true);
});
