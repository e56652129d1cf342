/** Errors carry the name of the call that the user made, whatever it is made of; what looks like a tensor is told by what it is. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';

const { nn, ones, tensor, optim, utils } = tf;
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Any = any;
const any = (x: unknown): Any => x;

const CALLS: [string, () => unknown][] = [
  ['AdaptiveMaxPool2d', () => new nn.AdaptiveMaxPool2d(any(undefined))],
  ['AdaptiveAvgPool1d', () => new nn.AdaptiveAvgPool1d(any('x'))],
  ['MaxUnpool3d', () => new nn.MaxUnpool3d(any([ones(1)]))],
  ['LSTMCell', () => new nn.LSTMCell(2, 1, any(3))],
  ['BatchNorm2d', () => new nn.BatchNorm2d(2, any('x'))],
  ['Dropout2d', () => new nn.Dropout2d(any('x'))],
  ['Transformer', () => new nn.Transformer(3)],
  ['TransformerDecoder', () => new nn.TransformerDecoder(any(4), 2)],
  ['addr_', () => ones(2, 2).addr_(ones(3), ones(2))],
  [
    'logspace',
    () =>
      tf.logspace(
        any(() => 1),
        2,
        3,
      ),
  ],
  ['setRngState', () => tf.setRngState(any(0))],
  ['clamp', () => ones(2, 2).clamp(0, ones(3))],
  ['ldexp_', () => ones(2).ldexp_(ones(3))],
  ['mvlgamma_', () => ones(2).mvlgamma_(1e300)],
  ['floorDivide', () => tf.floorDivide(tensor([1n]), tensor([0n]))],
  ['allclose', () => tf.allclose(ones(2), ones(3))],
  ['index', () => ones(2).index(any([[1], [2, 3]]))],
  ['asTensor', () => tf.asTensor(any(undefined))],
  ['cartesianProd', () => tf.cartesianProd(ones(1, 1), ones(1))],
  ['sparse_', () => nn.init.sparse_(ones(2), 0.5)],
  ['ones_', () => nn.init.ones_(any(1))],
  ['orthogonal_', () => nn.init.orthogonal_(ones(1, 3).expand(5, 3))],
  ['vectorToParameters', () => nn.utils.vectorToParameters(ones(2), any(undefined))],
  ['RandomSampler', () => new utils.data.RandomSampler(any(undefined))],
  ['Subset', () => new utils.data.Subset(any([1, 2]), any(1))],
  ['ChainDataset', () => new utils.data.ChainDataset(any(1))],
  ['defaultCollate', () => utils.data.defaultCollate([ones(2), ones(3)])],
  ['SequentialSampler', () => new (any(utils.data.SequentialSampler))([1], 2)],
  ['eye_', () => any(nn.init.eye_)(ones(2, 2), 1)],
  ['OneHotCategoricalStraightThrough', () => new tf.distributions.OneHotCategoricalStraightThrough()],
];

it.each(CALLS)('%s', (name, call) => {
  let error: unknown;
  try {
    call();
  } catch (e) {
    error = e;
  }
  expect(error).toBeInstanceOf(Error);
  const { message, stack } = error as Error;
  expect(message.slice(0, name.length + 2)).toBe(`${name}: `);
  // The trace that Node prints begins with the same words.
  expect(stack).toContain(message);
});

describe('proxies, and what is made of prototypes', () => {
  it.each([new Proxy(ones(2), {}), Object.create(tf.Tensor.prototype), Object.create(ones(2))] as tf.Tensor[])(
    'are no tensors',
    (fake) => {
      for (const call of [
        () => ones(2).add(fake),
        () => tf.normal(fake, 1),
        () => tf.linspace(fake, 1, 2),
        () => nn.utils.parametersToVector([fake]),
        () => tf.resultType(fake, 1),
        () => tf.tensordot(fake, ones(2)),
        () => nn.functional.ctcLoss(ones(3, 1, 2), fake, any([1]), any([1])),
      ])
        expect(call, String(call)).toThrow(/^\w+: (.*must be|expected)/);
    },
  );
});

it('live options of optimizers are checked before they reach the weights', () => {
  const p = new nn.Parameter(ones(2));
  p.grad = ones(2);
  for (const optimizer of [
    new optim.SGD([p], { lr: 0.1 }),
    new optim.Adam([p]),
    new optim.RMSprop([p]),
    new optim.LBFGS([p]),
  ]) {
    const group = optimizer.paramGroups[0] as Any;
    const before = group.lr;
    const name = optimizer.constructor.name;
    for (const lr of [undefined, null, '0.1', NaN, -1, ones(1)]) {
      group.lr = lr;
      expect(() => optimizer.step(any(optimizer instanceof optim.LBFGS ? () => ones([]) : undefined))).toThrow(
        new RegExp(`^${name}.step: lr must be`),
      );
      expect(p.tolist()).toEqual([1, 1]);
    }
    group.lr = before;
  }
});

it('backward takes what forward took', () => {
  const x = ones(2, { requiresGrad: true });
  const flags = tensor([true, false]);
  for (const y of [
    tf.logaddexp(flags, x),
    tf.logaddexp2(x, flags),
    tf.igamma(flags, x),
    tf.atan2(flags, x),
    tf.atan2(x, flags),
    ones(5, 1).scatterReduce(0, tf.zeros(0, 5, { dtype: 'int64' }), x.reshape(2, 1), 'sum', { includeSelf: false }),
    ones(5, 1).scatterReduce(0, tf.zeros(0, 5, { dtype: 'int64' }), x.reshape(2, 1), 'amax'),
    ones(5).scatterAdd(0, tf.zeros(0, { dtype: 'int64' }), x),
  ]) {
    x.grad = null;
    y.sum().backward();
    expect(x.grad!.shape).toEqual([2]);
  }
});
