"""Values of public functions that scripts/record/ops.txt doesn't list -> test/fixtures/further.json.
Each row: name, arguments (tensors as {"data", "dtype"}), keyword arguments, results. Run: python3 scripts/record/further.py"""

import json
import os

import torch
import torch.nn.functional as F

A = torch.tensor([[1.5, -2.0, 3.25], [0.5, 4.0, -1.0]])
B = torch.arange(12, dtype=torch.float32).reshape(2, 2, 3) / 4 - 1
V = torch.tensor([3.0, float('nan'), 1.0, 2.0])
I = torch.tensor([12, -18, 7])
M = [torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.5, 2.0], [0.0, 1.0, 3.0]]), torch.tensor([[2.0], [1.0], [0.5]])]
P = torch.tensor([[[1.0, 5.0, 2.0, 4.0, 3.0, 0.0]]])

ROWS = [
    ('addr', [A, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0, -1.0])], {'beta': 2, 'alpha': 0.5}),
    ('chain_matmul', [M], {}),
    ('diagonal_scatter', [A, torch.tensor([9.0, 8.0])], {}),
    ('narrow_copy', [A, 1, 1, 2], {}),
    ('diagflat', [torch.tensor([1.0, 2.0])], {'offset': 1}),
    ('concatenate', [[A, A]], {'dim': 1}),
    ('atleast_1d', [torch.tensor(2.0)], {}),
    ('atleast_2d', [torch.tensor([2.0, 1.0])], {}),
    ('atleast_3d', [A], {}),
    ('index_reduce', [A, 1, torch.tensor([0, 0, 2]), A + 1, 'prod'], {}),
    ('fliplr', [A], {}),
    ('digamma', [A.abs()], {}),
    ('i0', [A], {}),
    ('polygamma', [1, A.abs()], {}),
    ('polygamma', [3, A - 0.25], {}),
    ('special.i0e', [A * 12], {}),
    ('special.i1', [A * 12], {}),
    ('special.i1e', [A * 12], {}),
    ('sgn', [A], {}),
    ('positive', [A], {}),
    ('logaddexp2', [A, A + 1], {}),
    ('copysign', [A, -A], {}),
    ('nextafter', [A, A + 1], {}),
    ('bitwise_left_shift', [I, torch.tensor([1, 2, 3])], {}),
    ('bitwise_right_shift', [I, torch.tensor([1, 2, 3])], {}),
    ('gcd', [I, torch.tensor([6, 8, 12])], {}),
    ('lcm', [I, torch.tensor([6, 8, 12])], {}),
    ('isposinf', [V], {}),
    ('isneginf', [V], {}),
    ('signbit', [A], {}),
    ('float_power', [A, 2], {}),
    ('deg2rad', [A], {}),
    ('rad2deg', [A], {}),
    ('sinc', [A], {}),
    ('short', [A], {}),
    ('char', [A], {}),
    ('byte', [A.abs()], {}),
    ('type_as', [A, I], {}),
    ('flipud', [A], {}),
    ('moveaxis', [B, 0, 2], {}),
    ('swapdims', [B, 0, 2], {}),
    ('combinations', [torch.tensor([1.0, 2.0, 3.0])], {'r': 2}),
    ('msort', [A], {}),
    ('nanmedian', [V], {}),
    ('nanquantile', [V, 0.25], {}),
    ('nn.functional.adaptive_max_pool3d', [B.reshape(1, 1, 2, 2, 3), [1, 2, 2]], {}),
    ('nn.functional.max_unpool1d', [torch.tensor([[[5.0, 4.0, 3.0]]]), torch.tensor([[[1, 3, 4]]]), 2], {}),
    ('fill_diagonal_', [A.clone(), 7], {}),
    ('fill_diagonal_', [torch.zeros(7, 2), -1.5], {'wrap': True}),
    ('fill_diagonal_', [torch.zeros(7, 2, dtype=torch.int64), 3], {}),
    ('fill_diagonal_', [torch.zeros(3, 3, 3), 1], {'wrap': True}),
    ('nn.functional.gumbel_softmax', [A], {'tau': 0.5}),
    ('nn.functional.gumbel_softmax', [B.double()], {'dim': 1}),
    ('nn.functional.gumbel_softmax', [B], {'hard': True}),
    ('nn.functional.rrelu', [A.double()], {'lower': 0.1, 'upper': 0.9, 'training': True}),
    ('nn.functional.lp_pool1d', [P, 2.0, 2], {}),
]


def encode(x):
    if isinstance(x, torch.Tensor):
        data = [None if v != v else v for v in x.flatten().tolist()]
        return {'data': data, 'dtype': str(x.dtype).removeprefix('torch.'), 'shape': list(x.shape)}
    return [encode(v) for v in x] if isinstance(x, (list, tuple)) else x


def call(name, args, kwargs):
    if name in ('narrow_copy', 'index_reduce', 'short', 'char', 'byte', 'type_as', 'fill_diagonal_'):
        return getattr(args[0], name)(*args[1:], **kwargs)
    owner = F if name.startswith('nn.functional.') else torch.special if name.startswith('special.') else torch
    return getattr(owner, name.split('.')[-1])(*args, **kwargs)


def main():
    rows = []
    for name, args, kwargs in ROWS:
        torch.manual_seed(0)
        actual = args[0] if name == 'chain_matmul' else args
        rows.append([name, encode(args), kwargs, encode(call(name, actual, kwargs))])
    path = os.path.join(os.path.dirname(__file__), '..', '..', 'test', 'fixtures', 'further.json')
    with open(path, 'w') as f:
        json.dump({'torch': torch.__version__, 'recorder': 'scripts/record/further.py', 'rows': rows}, f, separators=(',', ':'))
        f.write('\n')


if __name__ == '__main__':
    main()
