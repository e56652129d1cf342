"""Records packed and padded sequences, and recurrent layers over them: test/fixtures/packed.json, read by
test/nn/packed.test.ts.

`sequences`: what packing, padding and their inverses give for a batch x[l, n, 2] of 0, 1, 2, … and lengths.
`layers`: as scripts/record/layers.py: a layer made after manual_seed, then x = randn(5, 4, 3), packed with the lengths;
results, last states, and the gradients of their sum weighted by 1, 2, 3, …

    python3 scripts/record/packed.py
"""

import torch
from torch import nn
from torch.nn.utils import rnn

from encoding import encode, write_json

SEED = 12
LENGTHS = [[5, 3, 3, 1], [1, 4, 2, 4], [2, 2, 2, 2]]
LAYERS = [
    ('nn.RNN(3, 4)', 'new nn.RNN(3, 4)'),
    ("nn.RNN(3, 4, nonlinearity='relu', bidirectional=True)", "new nn.RNN(3, 4, { nonlinearity: 'relu', bidirectional: true })"),
    ('nn.LSTM(3, 4)', 'new nn.LSTM(3, 4)'),
    ('nn.LSTM(3, 4, num_layers=2, bidirectional=True)', 'new nn.LSTM(3, 4, { numLayers: 2, bidirectional: true })'),
    ('nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)', 'new nn.LSTM(3, 4, { numLayers: 2, bidirectional: true, projSize: 2 })'),
    ('nn.LSTM(3, 4, bias=False, batch_first=True)', 'new nn.LSTM(3, 4, { bias: false, batchFirst: true })'),
    ('nn.GRU(3, 4, num_layers=3)', 'new nn.GRU(3, 4, { numLayers: 3 })'),
    ('nn.GRU(3, 4, bidirectional=True)', 'new nn.GRU(3, 4, { bidirectional: true })'),
]  # fmt: skip


def weighted(tensors):
    return sum((t * (torch.arange(1, t.numel() + 1, dtype=t.dtype) / t.numel()).reshape(t.shape)).sum() for t in tensors)


def sequences():
    for lengths in LENGTHS:
        for batch_first in (False, True):
            x = torch.arange(40, dtype=torch.float64).reshape(5, 4, 2)
            x = (x.transpose(0, 1).contiguous() if batch_first else x).requires_grad_()
            packed = rnn.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
            padded, sizes = rnn.pad_packed_sequence(packed, batch_first, -1.0, 7)
            items = rnn.unpad_sequence(x.clone(), torch.tensor(lengths), batch_first)
            right = rnn.pad_sequence(items, batch_first, 0.5)
            left = rnn.pad_sequence(items, batch_first, padding_side='left')
            back = rnn.unpack_sequence(rnn.pack_sequence(items, enforce_sorted=False))
            weighted([packed.data, padded, right, left, *back]).backward()
            yield {'lengths': lengths, 'batchFirst': batch_first, 'packed': encode(tuple(packed)), 'padded': encode(padded),
                   'sizes': encode(sizes), 'right': encode(right), 'left': encode(left), 'grad': encode(x.grad)}  # fmt: skip


def layers():
    for python, js in LAYERS:
        for lengths in LENGTHS[:2]:
            for given in (False, True):
                torch.manual_seed(SEED)
                layer = eval(python)
                x = torch.randn(5, 4, 3).requires_grad_()
                lstm = isinstance(layer, nn.LSTM)
                count = layer.num_layers * (2 if layer.bidirectional else 1)
                start = [torch.randn(count, 4, w).requires_grad_() for w in ((layer.proj_size or 4, 4) if lstm else (4,))]
                packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
                y, last = layer(packed, *([tuple(start) if lstm else start[0]] if given else []))
                out = [y.data, *(last if lstm else [last])]
                weighted(out).backward()
                leaves = [x, *(start if given else []), *layer.parameters()]
                yield {'js': js, 'lengths': lengths, 'given': given, 'start': [list(s.shape) for s in start],
                       'out': encode([o.detach() for o in out]), 'grads': encode([p.grad for p in leaves])}  # fmt: skip


if __name__ == '__main__':
    write_json('packed.json', 'packed.py', {'seeds': [SEED], 'sequences': list(sequences()), 'layers': list(layers())})
