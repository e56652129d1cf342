/** Padding of few long planes joins edges to what is there; that of many planes goes through a map. Both are one function. */
import { expect, test } from 'vitest';
import { autograd, nn, randn, stack } from '../../lib/index.js';

for (const mode of ['reflect', 'replicate', 'circular'] as const) {
  for (const amounts of [[2, 3], [2, -3, -1, 4], [-2, -1, 0, 0]] as const /* prettier-ignore */) {
    test(`${mode} by ${amounts.join()}: many planes as one by one`, () => {
      const shape = amounts.length === 2 ? [1, 300, 9] : [1, 300, 8, 9];
      const x = randn(shape, { dtype: 'float64', requiresGrad: true });
      const together = nn.functional.pad(x, [...amounts], { mode });
      const alone = stack(
        x.unbind(1).map((plane) => nn.functional.pad(plane.unsqueeze(1), [...amounts], { mode }).squeeze(1)),
        1,
      );
      expect(together.equal(alone)).toBe(true);
      const g = randn([...together.shape], { dtype: 'float64' });
      const [a] = autograd.grad([together], [x], { gradOutputs: [g] });
      const [b] = autograd.grad([alone], [x], { gradOutputs: [g] });
      expect(a!.sub(b!).abs().max().item<number>()).toBeLessThan(1e-12);
    });
  }
}
