/** Programs against the published types: wrong ones are refused, realistic ones compile without a cast under the strictest settings. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { build, check, root } from './declarations.js';

const PRELUDE = `import * as tf from 'tenfold';
const { nn, optim } = tf;
const F = nn.functional;
const x = tf.randn(2, 3);
const net = new nn.Linear(3, 4);
`;
const WRONG = [
  "F.mseLoss(x, x, { reduction: 'men' });",
  "F.crossEntropy(x, x, { reduction: 'avg' });",
  "new nn.MSELoss({ reduction: 'men' });",
  "F.interpolate(x, { size: 2, mode: 'bilinaer' });",
  "new nn.Upsample({ scaleFactor: 2, mode: 'linaer' });",
  "F.pad(x, [1, 1], { mode: 'reflct' });",
  "F.gridSample(x, x, { paddingMode: 'zero' });",
  "F.conv2d(x, x, { padding: 'smae' });",
  "new nn.Conv2d(1, 2, 3, { padding: 'full' });",
  "new nn.Conv2d(1, 2, 3, { paddingMode: 'zeroes' });",
  "new nn.GELU({ approximate: 'tan' });",
  "new nn.RNN(2, 3, { nonlinearity: 'sigmoid' });",
  "new nn.TransformerEncoderLayer(4, 2, { activation: 'rleu' });",
  "x.to('flaot64');",
  "tf.zeros([2], { dtype: 'float' });",
  "x.sum({ dtype: 'double' });",
  "x.div(2, { roundingMode: 'up' });",
  "x.scatterReduce(0, x, x, 'summ');",
  "tf.linalg.qr(x, 'complet');",
  "x.quantile(0.5, { interpolation: 'liner' });",
  'x.sum({ dims: 1 });',
  'x.sum({ keepDim: true });',
  'new nn.Linear(2, 3, { biais: false });',
  'new optim.SGD([x], { lr: 0.1, momentun: 0.9 });',
  'new optim.AdamW([x], { learningRate: 0.1 });',
  'x.sum({ dim: 1 }, true);',
  'F.conv2d(x, x, { stride: 2 }, 1);',
  'new nn.Linear(2, { bias: false }, true);',
  'new nn.Linear(2);',
  "new nn.Linear('2', 3);",
  'x.add();',
  "x.add('1');",
  'x.abs(1);',
  "x.relu({ device: 'cpu' });",
  'x.matmul(2);',
  "x.reshape('2');",
  'x.transpose(0);',
  'x.topk();',
  'tf.cat(x);',
  'tf.noGrad(async () => x.sum());',
  'x.sort(0).map((t) => t);',
  'const values: number = x.max(0).values;',
  'x.sort(0).valeus;',
  'x.shape.push(3);',
  "x.requiresGrad_('yes');",
  'net.weight = x.sum;',
  'x.item().toUpperCase();',
  'x + x;',
];

let wrong: Map<string, string[]>;
beforeAll(async () => {
  await build();
  wrong = check(Object.fromEntries(WRONG.map((line, i) => [`wrong${i}`, `${PRELUDE}${line}\n`])));
}, 600_000);

describe('wrong programs', () => {
  it('are 40 or more', () => {
    expect(WRONG.length).toBeGreaterThanOrEqual(40);
  });
  it.each(WRONG.map((line, i) => [line, i] as const))('%s', (_, i) => {
    expect(wrong.get(`wrong${i}`)).not.toEqual([]);
  });
  it('and nothing else in them is', () => {
    expect(check({ right: PRELUDE }).get('right')).toEqual([]);
  });
});

describe('realistic programs', () => {
  const folder = join(root, 'test', 'types', 'programs');
  const names = readdirSync(folder).filter((f) => f.endsWith('.txt'));
  const texts = Object.fromEntries(names.map((f) => [f.slice(0, -4), readFileSync(join(folder, f), 'utf8')]));
  it('are ten or more, and none casts', () => {
    expect(names.length).toBeGreaterThanOrEqual(10);
    for (const [name, text] of Object.entries(texts))
      expect(text, name).not.toMatch(/\bas (?!tf\b)|\bany\b|!\.|!;|@ts-/);
  });
  it('compile', () => {
    for (const [name, messages] of check(texts)) expect(messages, name).toEqual([]);
  }, 120_000);
});
