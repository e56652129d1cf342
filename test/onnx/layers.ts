/**
 * Layers to export, with their inputs: `2x3` is a float32 tensor of normal numbers, `int10:2x3` one of integers below 10, `01:2x3` one of
 * numbers between 0 and 1, `sign:2x3` one of 1 and -1, `place9:2x3` one of places below 9, each row's in their order. The same list for the tests and for scripts/record/onnx_export.
 */
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';

/** Expression, inputs, and open dims of the inputs (by input, then name by dim), where it is exported with such too. */
export type Row = readonly [js: string, inputs: string, open?: Record<string, Record<number, string>>];

const BATCH = { input: { 0: 'n' } };
const activations = ['ReLU()', 'ReLU6()', 'GELU()', "GELU({ approximate: 'tanh' })", 'SiLU()', 'Sigmoid()', 'Tanh()', 'LeakyReLU(0.2)', 'ELU(0.7)', 'CELU(0.7)', 'SELU()', 'Softplus()', 'Softplus(2, 1)', 'Softsign()', 'Hardtanh(-0.5, 0.8)', 'Hardswish()', 'Hardsigmoid()', 'Mish()', 'PReLU()', 'PReLU(4)', 'GLU()', 'LogSigmoid()', 'Softmax(1)', 'LogSoftmax(-1)', 'Softmin(1)', 'Tanhshrink()', 'Hardshrink()', 'Softshrink()', 'Threshold(0.1, 20)', 'RReLU()', 'ReLU(true)', 'Identity()', 'Dropout(0.3)', 'AlphaDropout(0.3)', 'FeatureAlphaDropout(0.3)']; // prettier-ignore

export const ROWS: readonly Row[] = [
  ...activations.map((js): Row => [`new nn.${js}`, '2x4x6', BATCH]),
  ['new nn.Softmax2d()', '2x4x3x3', BATCH],
  ['new nn.Dropout1d()', '2x4x6'],
  ['new nn.Dropout2d()', '2x4x3x3'],
  ['new nn.Dropout3d()', '2x4x3x3x2'],
  ['new nn.Linear(6, 3)', '5x6', BATCH],
  ['new nn.Linear(6, 3)', '2x5x6', { input: { 0: 'n', 1: 'l' } }],
  ['new nn.Linear(6, 3, { bias: false })', '2x5x6'],
  ['new nn.Bilinear(3, 4, 2)', '5x3 5x4', { input0: { 0: 'n' }, input1: { 0: 'n' } }],
  ['new nn.Flatten()', '2x3x4', BATCH],
  ['new nn.Unflatten(1, [2, 3])', '4x6', BATCH],
  ['new nn.Embedding(10, 3)', 'int10:2x5', { input: { 0: 'n', 1: 'l' } }],
  ['new nn.Embedding(10, 3, { paddingIdx: 0 })', 'int10:2x5'],
  ['new nn.EmbeddingBag(10, 3)', 'int10:2x5', BATCH],
  ["new nn.EmbeddingBag(10, 3, { mode: 'sum' })", 'int10:2x5'],
  ["new nn.EmbeddingBag(10, 3, { mode: 'max' })", 'int10:2x5'],

  ['new nn.Conv1d(4, 6, 3, { groups: 2, padding: 1 })', '2x4x7', { input: { 0: 'n', 2: 'l' } }],
  ['new nn.Conv2d(3, 4, 3, { stride: 2, padding: 1, bias: false })', '2x3x8x9', { input: { 0: 'n', 2: 'h', 3: 'w' } }],
  ["new nn.Conv2d(3, 4, [2, 3], { padding: 'same', dilation: 2 })", '2x3x8x9'],
  ["new nn.Conv2d(3, 4, 3, { padding: 'same', paddingMode: 'reflect' })", '2x3x8x9'],
  ["new nn.Conv2d(3, 4, 3, { padding: 1, paddingMode: 'circular' })", '2x3x8x9'],
  ["new nn.Conv2d(3, 4, 3, { padding: 1, paddingMode: 'replicate' })", '2x3x8x9'],
  ['new nn.Conv2d(3, 4, 3)', '3x8x9'],
  ['new nn.Conv3d(1, 2, 3, { padding: [0, 1, 2] })', '2x1x4x5x6'],
  ['new nn.ConvTranspose1d(4, 2, 3)', '2x4x6', BATCH],
  ['new nn.ConvTranspose2d(4, 3, 3, { stride: 2, outputPadding: 1, padding: 1, groups: 1 })', '2x4x5x5'],
  ['new nn.ConvTranspose2d(4, 6, 3, { groups: 2, dilation: 2 })', '2x4x5x5'],
  ['new nn.ConvTranspose3d(2, 2, 2)', '1x2x3x3x3'],
  ['new nn.MaxPool1d(2)', '2x3x8'],
  ['new nn.MaxPool2d(3, { stride: 2, padding: 1 })', '2x3x8x9', { input: { 0: 'n', 2: 'h' } }],
  ['new nn.MaxPool2d(3, { stride: 2, ceilMode: true })', '2x3x8x9'],
  ['new nn.MaxPool2d(2, { returnIndices: true })', '2x3x8x8'],
  ['new nn.MaxPool3d(2)', '2x3x4x4x4'],
  ['new nn.MaxUnpool1d(2)', '2x3x4 place8:2x3x4'],
  ['new nn.MaxUnpool2d(2)', '2x3x3x4 place48:2x3x3x4'],
  ['new nn.MaxUnpool3d(2)', '1x2x2x2x2 place64:1x2x2x2x2'],
  ['new nn.AvgPool1d(3, { stride: 1 })', '2x3x8'],
  ['new nn.AvgPool2d(3, { padding: 1, countIncludePad: false })', '2x3x9x9'],
  ['new nn.AvgPool2d(3, { padding: 1, stride: 2, divisorOverride: 5 })', '2x3x9x9'],
  ['new nn.AvgPool3d(2)', '2x3x4x4x4'],
  ['new nn.LPPool1d(2, 2)', '2x3x8'],
  ['new nn.LPPool2d(2, 2)', '2x3x8x8'],
  ['new nn.AdaptiveAvgPool1d(3)', '2x3x8'],
  ['new nn.AdaptiveAvgPool2d(1)', '2x3x8x9', { input: { 0: 'n', 2: 'h', 3: 'w' } }],
  ['new nn.AdaptiveAvgPool2d([2, null])', '2x3x8x9', BATCH],
  ['new nn.AdaptiveAvgPool2d([3, 4])', '2x3x8x9'],
  ['new nn.AdaptiveAvgPool3d(2)', '1x2x4x5x6'],
  ['new nn.AdaptiveMaxPool1d(3)', '2x3x8'],
  ['new nn.AdaptiveMaxPool2d([3, 4])', '2x3x8x9'],
  ['new nn.AdaptiveMaxPool3d(2)', '1x2x4x5x6'],
  ['new nn.ReflectionPad1d(2)', '2x3x6'],
  ['new nn.ReflectionPad2d([1, 2, 0, 1])', '2x3x6x6', BATCH],
  ['new nn.ReflectionPad3d(1)', '1x2x3x4x5'],
  ['new nn.ReplicationPad1d(2)', '2x3x6'],
  ['new nn.ReplicationPad2d([1, 2, 0, 1])', '2x3x6x6'],
  ['new nn.ReplicationPad3d(1)', '1x2x3x4x5'],
  ['new nn.ZeroPad1d(1)', '2x3x6'],
  ['new nn.ZeroPad2d([1, -1, 0, 2])', '2x3x6x6'],
  ['new nn.ZeroPad3d(1)', '1x2x3x4x5'],
  ['new nn.ConstantPad1d(2, 3.5)', '2x3x6'],
  ['new nn.ConstantPad2d(1, 3.5)', '2x3x6x6'],
  ['new nn.ConstantPad3d(1, -1)', '1x2x3x4x5'],
  ['new nn.CircularPad1d(2)', '2x3x6'],
  ['new nn.CircularPad2d([1, 2, 0, 1])', '2x3x6x6'],
  ['new nn.CircularPad3d(1)', '1x2x3x4x5'],

  ['new nn.BatchNorm1d(4)', '6x4', BATCH],
  ['new nn.BatchNorm1d(4)', '6x4x3'],
  ['new nn.BatchNorm2d(3)', '2x3x4x5', { input: { 0: 'n', 2: 'h', 3: 'w' } }],
  ['new nn.BatchNorm2d(3, { affine: false })', '2x3x4x5'],
  ['new nn.BatchNorm2d(3, { trackRunningStats: false })', '2x3x4x5'],
  ['new nn.BatchNorm3d(3)', '2x3x4x5x2'],
  ['new nn.InstanceNorm1d(3, { affine: true })', '2x3x8', BATCH],
  ['new nn.InstanceNorm2d(3)', '2x3x4x5'],
  ['new nn.InstanceNorm2d(3, { affine: true, trackRunningStats: true })', '2x3x4x5'],
  ['new nn.InstanceNorm3d(3)', '2x3x4x5x2'],
  ['new nn.LayerNorm(5)', '2x4x5', { input: { 0: 'n', 1: 'l' } }],
  ['new nn.LayerNorm([4, 5], { elementwiseAffine: false })', '2x4x5'],
  ['new nn.LayerNorm(5, { bias: false })', '2x4x5'],
  ['new nn.RMSNorm(5)', '2x4x5', BATCH],
  ['new nn.GroupNorm(2, 4)', '2x4x5x5', { input: { 0: 'n', 2: 'h', 3: 'w' } }],
  ['new nn.LocalResponseNorm(3)', '2x6x4x4'],

  ['new nn.RNN(3, 4, { numLayers: 2 })', '5x2x3', { input: { 0: 'l', 1: 'n' } }],
  ["new nn.RNN(3, 4, { nonlinearity: 'relu', batchFirst: true })", '2x5x3', { input: { 0: 'n', 1: 'l' } }],
  ['new nn.LSTM(3, 4)', '5x2x3', { input: { 0: 'l', 1: 'n' } }],
  [
    'new nn.LSTM(3, 4, { numLayers: 2, bidirectional: true, batchFirst: true })',
    '2x5x3',
    { input: { 0: 'n', 1: 'l' } },
  ],
  ['new nn.LSTM(3, 4, { projSize: 2 })', '5x2x3'],
  ['new nn.LSTM(3, 4)', '5x3'],
  ['new nn.GRU(3, 4, { bidirectional: true })', '5x2x3', { input: { 0: 'l' } }],
  ['new nn.GRU(3, 4, { bias: false })', '5x2x3 1x2x4'],
  ['new nn.RNNCell(3, 4)', '2x3 2x4'],
  ['new nn.LSTMCell(3, 4)', '2x3'],
  ['new nn.GRUCell(3, 4)', '2x3 2x4'],
  ['new nn.MultiheadAttention(8, 2)', '5x2x8 6x2x8 6x2x8'],
  ['new nn.MultiheadAttention(8, 2, { batchFirst: true })', '2x5x8 2x5x8 2x5x8', { input0: { 0: 'n', 1: 'l' }, input1: { 0: 'n', 1: 'l' }, input2: { 0: 'n', 1: 'l' } }], // prettier-ignore
  ['new nn.MultiheadAttention(8, 2, { kdim: 4, vdim: 6, addBiasKv: true, addZeroAttn: true })', '5x2x8 6x2x4 6x2x6'],
  ['new nn.TransformerEncoderLayer(8, 2, 16, 0)', '5x2x8', { input: { 0: 'l', 1: 'n' } }],
  ["new nn.TransformerEncoderLayer(8, 2, 16, 0, { activation: 'gelu', batchFirst: true, normFirst: true })", '2x5x8'],
  ['new nn.TransformerDecoderLayer(8, 2, 16, 0)', '5x2x8 6x2x8'],
  ['new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, 16, 0), 2)', '5x2x8'],
  ['new nn.TransformerDecoder(new nn.TransformerDecoderLayer(8, 2, 16, 0), 2)', '5x2x8 6x2x8'],
  ['new nn.Transformer(8, 2, 1, 2, 16, 0)', '5x2x8 6x2x8'],

  ['new nn.Upsample({ scaleFactor: 2 })', '2x3x4x5', { input: { 0: 'n', 2: 'h', 3: 'w' } }],
  ["new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' })", '2x3x4x5'],
  ["new nn.Upsample({ size: [7, 3], mode: 'bilinear', alignCorners: true })", '2x3x4x5', BATCH],
  ["new nn.Upsample({ scaleFactor: 1.5, mode: 'bicubic' })", '2x3x4x6'],
  ["new nn.Upsample({ size: 9, mode: 'linear' })", '2x3x4'],
  ["new nn.Upsample({ scaleFactor: 2, mode: 'trilinear' })", '1x2x3x3x3'],
  ["new nn.Upsample({ size: [7, 3], mode: 'nearest-exact' })", '2x3x4x5'],
  ['new nn.UpsamplingNearest2d({ scaleFactor: 2 })', '2x3x4x5'],
  ['new nn.UpsamplingBilinear2d([5, 7])', '2x3x4x5'],
  ['new nn.PixelShuffle(2)', '2x8x3x4', BATCH],
  ['new nn.PixelUnshuffle(2)', '2x2x6x8'],
  ['new nn.ChannelShuffle(2)', '2x4x3x3'],
  ['new nn.Unfold(2, { stride: 2 })', '2x3x6x6'],
  ['new nn.Fold([4, 5], 2)', '2x8x12'],
  ['new nn.CosineSimilarity()', '4x5 4x5'],
  ['new nn.PairwiseDistance()', '4x5 4x5'],
  ['new nn.Sequential(new nn.Conv2d(1, 4, 3), new nn.BatchNorm2d(4), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Flatten(), new nn.Linear(36, 3))', '2x1x8x8', BATCH], // prettier-ignore

  ['new nn.MSELoss()', '4x5 4x5'],
  ["new nn.L1Loss({ reduction: 'sum' })", '4x5 4x5'],
  ["new nn.SmoothL1Loss({ reduction: 'none', beta: 0.5 })", '4x5 4x5'],
  ['new nn.HuberLoss({ delta: 0.7 })', '4x5 4x5'],
  ['new nn.BCELoss()', '01:4x5 01:4x5'],
  ['new nn.BCEWithLogitsLoss()', '4x5 01:4x5'],
  ['new nn.CrossEntropyLoss()', '4x5 int5:4'],
  ["new nn.CrossEntropyLoss({ ignoreIndex: 1, reduction: 'none' })", '4x5x3 int5:4x3'],
  ['new nn.NLLLoss()', '4x5 int5:4'],
  ['new nn.KLDivLoss()', '4x5 01:4x5'],
  ['new nn.PoissonNLLLoss()', '4x5 01:4x5'],
  ['new nn.GaussianNLLLoss()', '4x5 4x5 01:4x5'],
  ['new nn.SoftMarginLoss()', '4x5 sign:4x5'],
  ['new nn.MarginRankingLoss()', '4 4 sign:4'],
  ['new nn.HingeEmbeddingLoss()', '4x5 sign:4x5'],
  ['new nn.CosineEmbeddingLoss()', '4x5 4x5 sign:4'],
  ['new nn.TripletMarginLoss()', '4x5 4x5 4x5'],
  ['new nn.TripletMarginWithDistanceLoss()', '4x5 4x5 4x5'],
  ['new nn.MultiLabelSoftMarginLoss()', '4x5 01:4x5'],
  ['new nn.MultiMarginLoss()', '4x5 int5:4'],
];

/** A row's module, with weights of a seed, and its inputs. */
export function make([js, inputs]: Row): { module: tf.nn.Module; inputs: Tensor[] } {
  tf.manualSeed(7);
  const module = new Function('nn', `return ${js}`)(tf.nn) as tf.nn.Module;
  return { module, inputs: inputs.split(' ').map(input) };
}
function input(text: string): Tensor {
  const [, kind, sizes] = /^(?:(int\d+|place\d+|01|sign):)?([\dx]+)$/.exec(text)!;
  const shape = sizes!.split('x').map(Number);
  if (kind === undefined) return tf.randn(shape);
  if (kind === '01') return tf.rand(shape);
  if (kind.startsWith('place')) {
    // Every plane has places of its own, none twice.
    const plane = shape.slice(2).reduce((n, m) => n * m, 1);
    return tf.arange(plane).mul(Math.floor(Number(kind.slice(5)) / plane)).reshape(shape.slice(2)).expand(shape).clone(); // prettier-ignore
  }
  return kind === 'sign' ? tf.randn(shape).sign() : tf.randint(Number(kind.slice(3)), shape);
}

/** The inputs with their open dims one and a half times as large, rounded up: elements from the start once more. */
export function grownInputs([, , open = {}]: Row, inputs: readonly Tensor[]): Tensor[] {
  return inputs.map((t, i) => {
    const axes = open[inputs.length === 1 ? 'input' : `input${i}`] ?? {};
    return Object.keys(axes).reduce(
      (x, axis) => tf.cat([x, x.narrow(Number(axis), 0, Math.ceil(x.shape[Number(axis)]! / 2))], Number(axis)),
      t,
    );
  });
}
