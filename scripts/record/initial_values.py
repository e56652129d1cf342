"""Records the initial weights of layers and of nn.init for a seed: test/fixtures/initial_values.json, read by
test/nn/init.test.ts.

A row has the expression for Tenfold (`js`), evaluated after manualSeed(seed), and what PyTorch gives: of each tensor of the
state dict, in order, its shape, sum and first elements, and `next`, the number that the generator gives afterwards.

    python3 scripts/record/initial_values.py
"""

import torch
from torch import nn

from encoding import write_json

SEED = 7
MODULES = [
    ('nn.Linear(5, 3)', 'new nn.Linear(5, 3)'),
    ('nn.Linear(40, 30, bias=False)', 'new nn.Linear(40, 30, { bias: false })'),
    ('nn.Linear(3, 4).double()', "new nn.Linear(3, 4).double()"),
    ('nn.Linear(3, 4, dtype=torch.float64)', "new nn.Linear(3, 4, { dtype: 'float64' })"),
    ('nn.Bilinear(2, 3, 4)', 'new nn.Bilinear(2, 3, 4)'),
    ('nn.Conv1d(4, 6, 3, groups=2)', 'new nn.Conv1d(4, 6, 3, { groups: 2 })'),
    ('nn.Conv2d(3, 8, (3, 5))', 'new nn.Conv2d(3, 8, [3, 5])'),
    ('nn.Conv3d(1, 2, 3, bias=False)', 'new nn.Conv3d(1, 2, 3, { bias: false })'),
    ('nn.ConvTranspose2d(4, 2, 3)', 'new nn.ConvTranspose2d(4, 2, 3)'),
    ('nn.Embedding(7, 5)', 'new nn.Embedding(7, 5)'),
    ('nn.Embedding(7, 5, padding_idx=2)', 'new nn.Embedding(7, 5, { paddingIdx: 2 })'),
    ('nn.EmbeddingBag(7, 5)', 'new nn.EmbeddingBag(7, 5)'),
    ('nn.LayerNorm(4)', 'new nn.LayerNorm(4)'),
    ('nn.BatchNorm2d(3)', 'new nn.BatchNorm2d(3)'),
    ('nn.PReLU(3)', 'new nn.PReLU(3)'),
    (
        'nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))',
        'new nn.Sequential(new nn.Linear(4, 8), new nn.Tanh(), new nn.Linear(8, 8), new nn.Tanh(), new nn.Linear(8, 2))',
    ),
    ('nn.RNN(3, 4)', 'new nn.RNN(3, 4)'),
    ('nn.LSTM(3, 4, num_layers=2, bidirectional=True)', 'new nn.LSTM(3, 4, { numLayers: 2, bidirectional: true })'),
    ('nn.LSTM(3, 4, proj_size=2)', 'new nn.LSTM(3, 4, { projSize: 2 })'),
    ('nn.GRU(3, 4, bias=False)', 'new nn.GRU(3, 4, { bias: false })'),
    ('nn.LSTMCell(3, 4)', 'new nn.LSTMCell(3, 4)'),
    ('nn.GRUCell(3, 4)', 'new nn.GRUCell(3, 4)'),
    ('nn.RNNCell(3, 4)', 'new nn.RNNCell(3, 4)'),
    ('nn.MultiheadAttention(8, 2)', 'new nn.MultiheadAttention(8, 2)'),
    ('nn.MultiheadAttention(8, 2, kdim=4, vdim=6, add_bias_kv=True)', 'new nn.MultiheadAttention(8, 2, { kdim: 4, vdim: 6, addBiasKv: true })'),
    ('nn.TransformerEncoderLayer(8, 2, dim_feedforward=16)', 'new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 16 })'),
    ('nn.TransformerDecoderLayer(8, 2, dim_feedforward=16)', 'new nn.TransformerDecoderLayer(8, 2, { dimFeedforward: 16 })'),
    (
        'nn.Transformer(8, 2, 1, 1, 16)',
        'new nn.Transformer(8, 2, 1, 1, 16)',
    ),
]
# The tensor is 6 x 5 (x 3 x 3 for convolutions), float32.
INITS = [
    ('nn.init.uniform_(t)', 'nn.init.uniform_(t)'),
    ('nn.init.uniform_(t, -2, 3)', 'nn.init.uniform_(t, -2, 3)'),
    ('nn.init.normal_(t, 1, 2)', 'nn.init.normal_(t, 1, 2)'),
    ('nn.init.constant_(t, 3)', 'nn.init.constant_(t, 3)'),
    ('nn.init.ones_(t)', 'nn.init.ones_(t)'),
    ('nn.init.zeros_(t)', 'nn.init.zeros_(t)'),
    ('nn.init.eye_(t)', 'nn.init.eye_(t)'),
    ('nn.init.dirac_(c)', 'nn.init.dirac_(c)'),
    ('nn.init.dirac_(c, 2)', 'nn.init.dirac_(c, 2)'),
    ('nn.init.xavier_uniform_(t)', 'nn.init.xavierUniform_(t)'),
    ('nn.init.xavier_uniform_(c, gain=nn.init.calculate_gain("tanh"))', "nn.init.xavierUniform_(c, { gain: nn.init.calculateGain('tanh') })"),
    ('nn.init.xavier_normal_(c)', 'nn.init.xavierNormal_(c)'),
    ('nn.init.kaiming_uniform_(t, nonlinearity="relu")', "nn.init.kaimingUniform_(t, { nonlinearity: 'relu' })"),
    ('nn.init.kaiming_uniform_(c, a=0.1, mode="fan_out")', "nn.init.kaimingUniform_(c, { a: 0.1, mode: 'fan_out' })"),
    ('nn.init.kaiming_normal_(c)', 'nn.init.kaimingNormal_(c)'),
    ('nn.init.trunc_normal_(t)', 'nn.init.truncNormal_(t)'),
    ('nn.init.trunc_normal_(t, mean=0.5, std=2, a=-1, b=1.5)', 'nn.init.truncNormal_(t, { mean: 0.5, std: 2, a: -1, b: 1.5 })'),
    ('nn.init.orthogonal_(t)', 'nn.init.orthogonal_(t)'),
    ('nn.init.orthogonal_(c, gain=2)', 'nn.init.orthogonal_(c, { gain: 2 })'),
    ('nn.init.sparse_(t, sparsity=0.3)', 'nn.init.sparse_(t, 0.3)'),
]


def described(tensors):
    return [
        {'shape': list(t.shape), 'sum': t.double().sum().item(), 'head': t.double().flatten()[:6].tolist()} for t in tensors
    ]


def main():
    rows = []
    for python, js in MODULES:
        torch.manual_seed(SEED)
        state = eval(python).state_dict()
        tensors = [dict(key=key, **d) for key, d in zip(state, described(state.values()))]
        rows.append({'python': python, 'js': js, 'state': tensors, 'next': torch.rand(1).item()})
    inits = []
    for python, js in INITS:
        t, c = torch.full((6, 5), 9.0), torch.full((6, 5, 3, 3), 9.0)
        torch.manual_seed(SEED)
        made = eval(python)
        inits.append({'python': python, 'js': js, **described([made])[0], 'next': torch.rand(1).item()})
    write_json('initial_values.json', 'initial_values.py', {'seeds': [SEED], 'modules': rows, 'inits': inits})
    print(len(rows), 'modules,', len(inits), 'functions')


if __name__ == '__main__':
    main()
