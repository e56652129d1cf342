/** Recurrent layers by kernels against their cells, step by step; recorded values are in layers.test.ts. */
import { describe, expect, test } from 'vitest';
import { autograd, manualSeed, nn, noGrad, randn, stack, type Tensor } from '../../lib/index.js';

type Layer = nn.RNN | nn.LSTM | nn.GRU;
const MAKE: Record<string, (hidden: number) => [Layer, nn.RNNCell | nn.LSTMCell | nn.GRUCell]> = {
  RNN: (h) => [new nn.RNN(3, h, { dtype: 'float64' }), new nn.RNNCell(3, h, { dtype: 'float64' })],
  'RNN with relu': (h) => [
    new nn.RNN(3, h, { nonlinearity: 'relu', dtype: 'float64' }),
    new nn.RNNCell(3, h, { nonlinearity: 'relu', dtype: 'float64' }),
  ],
  LSTM: (h) => [new nn.LSTM(3, h, { dtype: 'float64' }), new nn.LSTMCell(3, h, { dtype: 'float64' })],
  GRU: (h) => [new nn.GRU(3, h, { dtype: 'float64' }), new nn.GRUCell(3, h, { dtype: 'float64' })],
  'GRU without bias': (h) => [
    new nn.GRU(3, h, { bias: false, dtype: 'float64' }),
    new nn.GRUCell(3, h, { bias: false, dtype: 'float64' }),
  ],
};
const worst = (a: Tensor, b: Tensor): number => a.sub(b).abs().max().item<number>();
const run = (layer: Layer, x: Tensor, state: Tensor[]): [Tensor, Tensor[]] => {
  const given = state.map((s) => s.unsqueeze(0));
  const [y, last] = (layer as nn.LSTM).forward(x, (state.length === 2 ? given : given[0]) as [Tensor, Tensor]);
  return [y, (Array.isArray(last) ? last : [last]).map((s: Tensor) => s.squeeze(0))];
};

describe('recurrent layers by kernels', () => {
  for (const [name, make] of Object.entries(MAKE)) {
    for (const [steps, n, hidden] of [[1, 1, 1], [5, 3, 7], [4, 2, 33]] as const /* prettier-ignore */) {
      test(`${name}: ${steps} steps of ${n} rows, ${hidden} wide`, () => {
        manualSeed(1);
        const [layer, cell] = make(hidden);
        const names = Object.keys(layer.stateDict()).map((k) => k.replace('_l0', ''));
        noGrad(() =>
          names.forEach((k) => (cell.stateDict()[k] as Tensor).copy_(layer.stateDict()[`${k}_l0`] as Tensor)),
        );
        const options = { dtype: 'float64', requiresGrad: true } as const;
        const x = randn([steps, n, 3], options);
        const state = [randn([n, hidden], options)];
        if (name === 'LSTM') state.push(randn([n, hidden], options));
        const [y, last] = run(layer, x, state);
        let s: Tensor[] = state;
        const results: Tensor[] = [];
        for (let t = 0; t < steps; t++) {
          const next = (cell as nn.LSTMCell).forward(x.select(0, t), (s.length === 2 ? s : s[0]) as [Tensor, Tensor]);
          s = (Array.isArray(next) ? next : [next]) as Tensor[];
          results.push(s[0]!);
        }
        const want = stack(results, 0);
        expect(worst(y, want)).toBeLessThan(1e-14);
        last.forEach((t, i) => expect(worst(t, s[i]!)).toBeLessThan(1e-14));
        // Without gradients the kernel keeps nothing.
        expect(
          worst(
            noGrad(() => run(layer, x, state)[1].at(-1)!),
            s.at(-1)!,
          ),
        ).toBeLessThan(1e-14);
        const g = randn([...y.shape], { dtype: 'float64' });
        const gradOutputs = [g, ...last.map((t) => t.detach())];
        const got = autograd.grad([y, ...last], [x, ...state, ...layer.parameters()], { gradOutputs });
        const wanted = autograd.grad([want, ...s], [x, ...state, ...cell.parameters()], { gradOutputs });
        got.forEach((t, i) => expect(worst(t!, wanted[i]!)).toBeLessThan(1e-12));
      });
    }
  }
  test('second derivatives', () => {
    manualSeed(2);
    const layer = new nn.GRU(2, 3, { bidirectional: true, dtype: 'float64' });
    const x = randn([3, 2, 2], { dtype: 'float64', requiresGrad: true });
    expect(autograd.gradgradcheck((t: Tensor) => layer.forward(t)[0], [x])).toBe(true);
  });
});
