"""Records how PyTorch prints modules, and their state: test/fixtures/modules.json

    python3 scripts/record/modules.py

A row of `modules` has the Python expression that makes the module, the same for Tenfold (`js`), PyTorch's `text`, that text
in Tenfold's spelling (`tenfold`: keys in camelCase, true, false, null), and `state`: [key, shape, dtype] of the state dict,
whose keys Tenfold shares.
"""

import re

import torch
from torch import nn  # noqa: F401  (used by the expressions)

from encoding import DTYPES, write_json

MODULES = [
    'nn.Linear(3, 4)', 'nn.Linear(3, 4, bias=False)', 'nn.Identity()', 'nn.Flatten()', 'nn.Flatten(0, -1)', 'nn.Bilinear(2, 3, 4)',
    'nn.Conv1d(2, 4, 3)', 'nn.Conv2d(3, 8, 3)', 'nn.Conv2d(3, 8, (3, 5), stride=2, padding=1, bias=False)',
    "nn.Conv2d(4, 8, 3, padding='same', dilation=2, groups=2, padding_mode='reflect')", 'nn.Conv3d(1, 2, 3, padding=(0, 1, 2))',
    'nn.ConvTranspose1d(4, 2, 3)', 'nn.ConvTranspose2d(4, 2, 3, stride=2, output_padding=1)',
    'nn.ConvTranspose3d(4, 2, 3)',
    'nn.MaxPool2d(2)', 'nn.MaxPool2d(3, stride=2, padding=1)', 'nn.MaxPool1d(2)', 'nn.AvgPool2d(2)', 'nn.AvgPool1d(3, stride=1)',
    'nn.AdaptiveAvgPool2d(1)', 'nn.AdaptiveAvgPool2d((None, 7))', 'nn.AdaptiveMaxPool2d(5)',
    'nn.BatchNorm1d(4)', 'nn.BatchNorm2d(8)', 'nn.BatchNorm2d(8, momentum=None, affine=False, track_running_stats=False)',
    'nn.LayerNorm(5)', 'nn.LayerNorm((2, 5), eps=1e-6, elementwise_affine=False)', 'nn.GroupNorm(2, 4)', 'nn.InstanceNorm2d(3)',
    'nn.LocalResponseNorm(2)', 'nn.Dropout()', 'nn.Dropout(0.25)', 'nn.Dropout2d(0.2)', 'nn.AlphaDropout(0.1)',
    'nn.ReLU()', 'nn.ReLU6()', 'nn.GELU()', "nn.GELU(approximate='tanh')", 'nn.SiLU()', 'nn.Sigmoid()', 'nn.Tanh()',
    'nn.LeakyReLU(0.2)', 'nn.ELU()', 'nn.CELU()', 'nn.SELU()', 'nn.Softplus()', 'nn.Softsign()', 'nn.Hardtanh()', 'nn.Hardswish()',
    'nn.Hardsigmoid()', 'nn.Mish()', 'nn.PReLU()', 'nn.GLU()', 'nn.LogSigmoid()', 'nn.Softmax(dim=1)', 'nn.LogSoftmax(dim=-1)',
    'nn.Softmin(dim=1)', 'nn.Tanhshrink()', 'nn.Hardshrink()', 'nn.Softshrink()', 'nn.Threshold(0.1, 20)',
    'nn.Embedding(10, 3)', 'nn.Embedding(10, 3, padding_idx=0)', 'nn.EmbeddingBag(10, 3)',
    'nn.RNN(3, 4)', 'nn.LSTM(3, 4)', 'nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)',
    'nn.LSTM(3, 4, proj_size=2)', 'nn.GRU(3, 4, bias=False)', 'nn.LSTMCell(3, 4)', 'nn.GRUCell(3, 4)', 'nn.RNNCell(3, 4)',
    'nn.MultiheadAttention(8, 2)', 'nn.MultiheadAttention(8, 2, bias=False, kdim=4, vdim=6)',
    'nn.TransformerEncoderLayer(8, 2, dim_feedforward=16)', 'nn.TransformerDecoderLayer(8, 2, dim_feedforward=16)',
    'nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, dim_feedforward=16), 2)',
    'nn.CrossEntropyLoss()', 'nn.MSELoss()', 'nn.NLLLoss()', 'nn.L1Loss()', 'nn.BCELoss()', 'nn.BCEWithLogitsLoss()',
    'nn.SmoothL1Loss()', 'nn.HuberLoss()', 'nn.KLDivLoss()', 'nn.CTCLoss()', 'nn.CosineEmbeddingLoss()',
    'nn.MultiLabelMarginLoss()', 'nn.MultiLabelSoftMarginLoss()', 'nn.MultiLabelSoftMarginLoss(torch.ones(3))',
    'nn.TripletMarginWithDistanceLoss()', 'nn.ChannelShuffle(2)', 'nn.RReLU()', 'nn.RReLU(0.1, 1, inplace=True)', 'nn.Softmax2d()',
    'nn.UpsamplingNearest2d(scale_factor=2)', 'nn.UpsamplingBilinear2d(size=(3, 4))',
    'nn.Upsample(scale_factor=2)', "nn.Upsample(size=(4, 6), mode='bilinear')", 'nn.PixelShuffle(2)', 'nn.ZeroPad2d(1)',
    'nn.ReflectionPad2d((1, 2, 0, 1))', 'nn.ConstantPad2d(1, 3.5)', 'nn.Unfold(3)', 'nn.Unflatten(1, (2, 3))',
    'nn.CosineSimilarity()', 'nn.PairwiseDistance()',
    'nn.Sequential()', 'nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))',
    'nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Sequential(nn.Dropout(0.5))), nn.Linear(2, 1))',
    'nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])', 'nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)])',
    "nn.ModuleDict({'left': nn.Linear(2, 2), 'right': nn.ReLU()})",
    'nn.ParameterList([nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3, 4))])',
]  # fmt: skip


def camel(name):
    return re.sub(r'_([a-z0-9])', lambda m: m.group(1).upper(), name)


def javascript(expression):
    """PyTorch's constructor call as Tenfold's: new, tuples as lists, keywords as one options object."""
    out = re.sub(r'\bTrue\b', 'true', re.sub(r'\bFalse\b', 'false', re.sub(r'\bNone\b', 'null', expression)))
    out = re.sub(r'(?<!\w)\(((?:[\w.-]+, ?)+[\w.-]+)\)', r'[\1]', out)  # (3, 5) -> [3, 5]

    def options(match):
        pairs = ', '.join(f'{camel(k)}: {v}' for k, v in re.findall(r"(\w+)=(\[[^\]]*\]|'[^']*'|[\w.-]+)", match.group()))
        return f'{{ {pairs} }}'

    out = re.sub(r"\w+=(?:\[[^\]]*\]|'[^']*'|[\w.-]+)(?:, \w+=(?:\[[^\]]*\]|'[^']*'|[\w.-]+))*", options, out)
    return re.sub(r'\bnn\.(?=[A-Z])', 'new nn.', out)


def respelt(text):
    text = re.sub(r'\b([a-z_0-9]+)=', lambda m: camel(m.group(1)) + '=', text)
    text = text.replace('NonDynamicallyQuantizableLinear', 'Linear').replace('[torch.', '[')  # nothing is quantized here
    for python, js in (('True', 'true'), ('False', 'false'), ('None', 'null')):
        text = re.sub(rf'\b{python}\b', js, text)
    return text


def main():
    rows = []
    for expression in MODULES:
        module = eval(expression)
        state = [[k, list(v.shape), DTYPES[v.dtype]] for k, v in module.state_dict().items()]
        text = repr(module)
        rows.append({'python': expression, 'js': javascript(expression), 'text': text, 'tenfold': respelt(text), 'state': state})
    write_json('modules.json', 'modules.py', {'modules': rows})
    print(len(rows), 'modules')


if __name__ == '__main__':
    main()
