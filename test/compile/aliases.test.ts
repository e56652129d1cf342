/** Memory that a compiled function gets in several ways: two tensors over one array, arguments that it also finds elsewhere. */
import { describe, expect, it } from 'vitest';
import { compile, fromTypedArray, nn, noGrad, ones, optim, randn, tensor, type Tensor } from '../../lib/index.js';

describe('two tensors over one array', () => {
  it('from outside are one memory: what is read after a write is what was written', () => {
    const array = new Float32Array([1, 2, 3, 4]);
    const a = fromTypedArray(array);
    const b = fromTypedArray(array);
    const fn = (x: Tensor): Tensor => {
      a.copy_(x.mul(2));
      return b.add(1); // shows what a shows
    };
    const compiled = compile(fn);
    noGrad(() => {
      for (let i = 0; i < 3; i++) {
        const x = tensor([i, 1, 2, 3]);
        expect(compiled(x).tolist()).toEqual([2 * i + 1, 3, 5, 7]);
      }
    });
    expect(compiled.plans[0]!.calls).toBe(2);
  });
  it('one behind the other are told apart by their elements', () => {
    const array = new Float32Array(8).map((_, i) => i);
    const a = fromTypedArray(array.subarray(0, 6));
    const b = fromTypedArray(array.subarray(2, 8));
    const compiled = compile((x: Tensor) => {
      a.add_(x);
      return b.mul(1);
    });
    noGrad(() => {
      expect(compiled(ones(6)).tolist()).toEqual([3, 4, 5, 6, 6, 7]);
      expect(compiled(ones(6)).tolist()).toEqual([4, 5, 6, 7, 6, 7]);
      const version = b.version;
      compiled(ones(6));
      expect(b.version).toBeGreaterThan(version);
    });
  });
  it('as arguments are another call than tensors apart', () => {
    const fn = (x: Tensor, y: Tensor): Tensor => {
      x.add_(1);
      return y.mul(2);
    };
    const compiled = compile(fn);
    noGrad(() => {
      for (let i = 0; i < 2; i++) expect(compiled(ones(3), ones(3)).tolist()).toEqual([2, 2, 2]);
      for (let i = 0; i < 2; i++) {
        const array = new Float32Array([1, 1, 1]);
        expect(compiled(fromTypedArray(array), fromTypedArray(array)).tolist()).toEqual([4, 4, 4]);
      }
    });
    expect(compiled.plans).toHaveLength(2);
  });
});

describe('an argument that the function also finds elsewhere', () => {
  it('is not taken for it at other calls', () => {
    const w = tensor([1, 2, 3]);
    const compiled = compile((x: Tensor) => x.mul(w).add(w.narrow(0, 0, 1)));
    noGrad(() => {
      for (let i = 0; i < 3; i++) {
        expect(compiled(w).tolist()).toEqual([2, 5, 10]);
        expect(compiled(tensor([5, 5, 5])).tolist()).toEqual([6, 11, 16]);
      }
    });
    expect(compiled.plans).toHaveLength(2);
  });
  it('through a view of it', () => {
    const w = tensor([1, 2, 3, 4]);
    const compiled = compile((x: Tensor) => x.mul(w.narrow(0, 1, 2)));
    noGrad(() => {
      for (let i = 0; i < 2; i++) expect(compiled(w.narrow(0, 0, 2)).tolist()).toEqual([2, 6]);
      expect(compiled(tensor([1, 1])).tolist()).toEqual([2, 3]);
    });
  });
  it('is not replayed apart where the function changes it', () => {
    const model = new nn.Linear(2, 1, { bias: false });
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
    const fn = (x: Tensor): Tensor => {
      optimizer.zeroGrad();
      model.forward(ones(1, 2)).sum().backward();
      optimizer.step();
      return x.detach().mul(1);
    };
    const compiled = compile(fn);
    for (let i = 0; i < 2; i++) compiled(randn(1, 2));
    // The parameter itself: the result is what the step has made of it.
    for (let i = 0; i < 2; i++) {
      const got = compiled(model.weight).tolist();
      expect(got).toEqual(model.weight.tolist());
    }
  });
});
