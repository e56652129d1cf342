"""Records what layers compute for a seed: test/fixtures/layers.json, read by test/nn/layers.test.ts.

A row has the layer's expression for Tenfold (`js`, evaluated after manualSeed(seed)), the shapes of the inputs, which are
drawn next by randn (`ints`: by randint below that number), the call, and PyTorch's answers: first output and gradients of
its sum weighted by 1, 2, 3, … for inputs and parameters, each as sum and first elements. Layers are in training mode.

    python3 scripts/record/layers.py
"""

import torch
from torch import nn

from encoding import write_json

SEED = 11
ROWS = [
    ('nn.RNN(3, 4, num_layers=2)', 'new nn.RNN(3, 4, { numLayers: 2 })', [[5, 2, 3]]),
    ("nn.RNN(3, 4, nonlinearity='relu', batch_first=True)", "new nn.RNN(3, 4, { nonlinearity: 'relu', batchFirst: true })", [[2, 5, 3]]),
    ('nn.LSTM(3, 4)', 'new nn.LSTM(3, 4)', [[5, 2, 3]]),
    ('nn.LSTM(3, 4, num_layers=2, bidirectional=True)', 'new nn.LSTM(3, 4, { numLayers: 2, bidirectional: true })', [[5, 2, 3]]),
    ('nn.LSTM(3, 4, proj_size=2)', 'new nn.LSTM(3, 4, { projSize: 2 })', [[5, 2, 3]]),
    ('nn.LSTM(3, 4)', 'new nn.LSTM(3, 4)', [[5, 3]]),
    ('nn.GRU(3, 4, bidirectional=True)', 'new nn.GRU(3, 4, { bidirectional: true })', [[5, 2, 3]]),
    ('nn.GRU(3, 4, bias=False)', 'new nn.GRU(3, 4, { bias: false })', [[5, 2, 3]], [[1, 2, 4]]),
    ('nn.LSTMCell(3, 4)', 'new nn.LSTMCell(3, 4)', [[2, 3]]),
    ('nn.GRUCell(3, 4)', 'new nn.GRUCell(3, 4)', [[2, 3]]),
    ("nn.RNNCell(3, 4, nonlinearity='relu')", "new nn.RNNCell(3, 4, { nonlinearity: 'relu' })", [[2, 3]]),
    ('nn.MultiheadAttention(8, 2)', 'new nn.MultiheadAttention(8, 2)', [[5, 2, 8], [6, 2, 8], [6, 2, 8]]),
    (
        'nn.MultiheadAttention(8, 2, kdim=4, vdim=6, add_bias_kv=True, add_zero_attn=True, batch_first=True)',
        'new nn.MultiheadAttention(8, 2, { kdim: 4, vdim: 6, addBiasKv: true, addZeroAttn: true, batchFirst: true })',
        [[2, 5, 8], [2, 6, 4], [2, 6, 6]],
    ),
    ('nn.TransformerEncoderLayer(8, 2, 16, dropout=0)', 'new nn.TransformerEncoderLayer(8, 2, 16, 0)', [[5, 2, 8]]),
    (
        "nn.TransformerEncoderLayer(8, 2, 16, dropout=0, activation='gelu', batch_first=True, norm_first=True)",
        "new nn.TransformerEncoderLayer(8, 2, 16, 0, { activation: 'gelu', batchFirst: true, normFirst: true })",
        [[2, 5, 8]],
    ),
    ('nn.TransformerDecoderLayer(8, 2, 16, dropout=0)', 'new nn.TransformerDecoderLayer(8, 2, 16, 0)', [[4, 2, 8], [5, 2, 8]]),
    ('nn.Transformer(8, 2, 1, 2, 16, dropout=0)', 'new nn.Transformer(8, 2, 1, 2, 16, 0)', [[5, 2, 8], [4, 2, 8]]),
    ('nn.Bilinear(3, 4, 2)', 'new nn.Bilinear(3, 4, 2)', [[5, 3], [5, 4]]),
    ('nn.Conv1d(4, 6, 3, groups=2, padding=1)', 'new nn.Conv1d(4, 6, 3, { groups: 2, padding: 1 })', [[2, 4, 7]]),
    ("nn.Conv2d(3, 4, 3, padding='same', padding_mode='reflect')", "new nn.Conv2d(3, 4, 3, { padding: 'same', paddingMode: 'reflect' })", [[2, 3, 5, 6]]),
    ("nn.Conv2d(3, 4, (3, 2), padding=1, padding_mode='circular')", "new nn.Conv2d(3, 4, [3, 2], { padding: 1, paddingMode: 'circular' })", [[2, 3, 5, 6]]),
    ('nn.ConvTranspose2d(4, 3, 3, stride=2, output_padding=1)', 'new nn.ConvTranspose2d(4, 3, 3, { stride: 2, outputPadding: 1 })', [[2, 4, 3, 3]]),
    ('nn.BatchNorm1d(4)', 'new nn.BatchNorm1d(4)', [[6, 4]]),
    ('nn.BatchNorm2d(3, momentum=None)', 'new nn.BatchNorm2d(3, { momentum: null })', [[4, 3, 2, 5]]),
    ('nn.InstanceNorm2d(3, affine=True, track_running_stats=True)', 'new nn.InstanceNorm2d(3, { affine: true, trackRunningStats: true })', [[4, 3, 2, 5]]),
    ('nn.LayerNorm((3, 4))', 'new nn.LayerNorm([3, 4])', [[5, 3, 4]]),
    ('nn.GroupNorm(2, 4)', 'new nn.GroupNorm(2, 4)', [[3, 4, 5]]),
    ('nn.Dropout(0.3)', 'new nn.Dropout(0.3)', [[50]]),
    ('nn.Dropout2d(0.5)', 'new nn.Dropout2d(0.5)', [[4, 6, 2, 2]]),
    ('nn.AlphaDropout(0.3)', 'new nn.AlphaDropout(0.3)', [[50]]),
    ('nn.PReLU(3)', 'new nn.PReLU(3)', [[4, 3, 2]]),
    ('nn.MaxPool2d(3, stride=2, padding=1)', 'new nn.MaxPool2d(3, { stride: 2, padding: 1 })', [[2, 3, 6, 7]]),
    ('nn.AdaptiveAvgPool2d((2, None))', 'new nn.AdaptiveAvgPool2d([2, null])', [[2, 3, 5, 6]]),
    ("nn.Upsample(scale_factor=2, mode='bilinear')", "new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' })", [[2, 3, 4, 5]]),
    ('nn.ReplicationPad2d((1, 2, 0, 1))', 'new nn.ReplicationPad2d([1, 2, 0, 1])', [[2, 3, 4, 5]]),
    ('nn.PixelShuffle(2)', 'new nn.PixelShuffle(2)', [[2, 8, 3, 2]]),
    ('nn.RReLU()', 'new nn.RReLU()', [[4, 30]]),
    ('nn.RReLU(0.1, 0.9)', 'new nn.RReLU(0.1, 0.9)', [[7]]),
    ('nn.Softmax2d()', 'new nn.Softmax2d()', [[2, 3, 2, 2]]),
    ('nn.UpsamplingNearest2d(scale_factor=2)', 'new nn.UpsamplingNearest2d({ scaleFactor: 2 })', [[2, 3, 4, 5]]),
    ('nn.UpsamplingBilinear2d(size=(5, 7))', 'new nn.UpsamplingBilinear2d([5, 7])', [[2, 3, 4, 5]]),
    ('nn.MultiLabelSoftMarginLoss()', 'new nn.MultiLabelSoftMarginLoss()', [[5, 4], [5, 4]]),
    ('nn.TripletMarginWithDistanceLoss(swap=True)', 'new nn.TripletMarginWithDistanceLoss({ swap: true })', [[5, 4], [5, 4], [5, 4]]),
    (
        'nn.TripletMarginWithDistanceLoss(distance_function=nn.CosineSimilarity(), margin=0.5)',
        'new nn.TripletMarginWithDistanceLoss({ distanceFunction: new nn.CosineSimilarity(), margin: 0.5 })',
        [[5, 4], [5, 4], [5, 4]],
    ),
    ('nn.Unfold(2, stride=2)', 'new nn.Unfold(2, { stride: 2 })', [[2, 3, 4, 6]]),
]  # fmt: skip


def described(t):
    flat = t.detach().double().flatten()
    return {'shape': list(t.shape), 'sum': flat.sum().item(), 'size': flat.abs().sum().item(), 'head': flat[:5].tolist()}


def main():
    rows = []
    for python, js, shapes, *state in ROWS:
        torch.manual_seed(SEED)
        layer = eval(python)
        inputs = [torch.randn(s).requires_grad_() for s in shapes]
        extra = [torch.randn(s) for s in (state[0] if state else [])]
        out = layer(*inputs, *extra)
        while isinstance(out, tuple):
            out = out[0]
        weights = torch.arange(1, out.numel() + 1, dtype=torch.float32).reshape(out.shape) / out.numel()
        (out * weights).sum().backward()
        rows.append({
            'js': js, 'inputs': shapes, 'extra': state[0] if state else [], 'out': described(out),
            'inputGrads': [described(x.grad) for x in inputs],
            'grads': {k: described(p.grad) for k, p in layer.named_parameters()},
            'buffers': {k: described(b) for k, b in layer.named_buffers()},
        })  # fmt: skip
    write_json('layers.json', 'layers.py', {'seeds': [SEED], 'layers': rows})
    print(len(rows), 'layers')


if __name__ == '__main__':
    main()
