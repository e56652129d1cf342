"""Records torch.nn.utils.weight_norm and spectral_norm: test/fixtures/weight_norms.json, read by test/nn/weightNorms.test.ts.

    python3 scripts/record/weight_norms.py

A row has the Python expression that makes the module, the same for Tenfold (`js`), the `call` with its `options`, the
`dtype`, and
    start    the module's state dict before the call; the seed is set to SEED then
    state    the state dict after the call, in PyTorch's order
    steps    forwards: `training`, `input`, `out`, gradients of the sum of its squares (`grads`, by name), buffers after it
             (`buffers`), and the `weight` that it used. After each, every parameter goes 0.05 against its gradient.
    removed  the state dict after the norm's removal
"""

import torch
from torch import nn  # noqa: F401  (used by the expressions)
from torch.nn import utils

from encoding import encode, encode_tensor, write_json

SEED = 5
LINEAR = ('nn.Linear(3, 4)', 'new nn.Linear(3, 4)', (2, 3))
CONV = ('nn.Conv2d(2, 3, 2)', 'new nn.Conv2d(2, 3, 2)', (1, 2, 3, 4))
TRANSPOSED = ('nn.ConvTranspose1d(2, 3, 2)', 'new nn.ConvTranspose1d(2, 3, 2)', (1, 2, 4))
LSTM = ('nn.LSTM(2, 3)', 'new nn.LSTM(2, 3)', (4, 1, 2))
CELL = ('nn.GRUCell(2, 3)', 'new nn.GRUCell(2, 3)', (4, 2))

CASES = [
    ('weight_norm', LINEAR, dict()),
    ('weight_norm', LINEAR, dict(dim=1)),
    ('weight_norm', LINEAR, dict(dim=None)),
    ('weight_norm', LINEAR, dict(name='bias')),
    ('weight_norm', CONV, dict()),
    ('weight_norm', CONV, dict(dim=2)),
    ('weight_norm', CONV, dict(dim=-1)),
    ('weight_norm', TRANSPOSED, dict(dim=1)),
    ('weight_norm', LSTM, dict(name='weight_hh_l0')),
    ('spectral_norm', LINEAR, dict()),
    ('spectral_norm', LINEAR, dict(n_power_iterations=3, dim=1)),
    ('spectral_norm', LINEAR, dict(eps=0.5)),
    ('spectral_norm', CONV, dict()),
    ('spectral_norm', CONV, dict(dim=3)),
    ('spectral_norm', TRANSPOSED, dict()),
    ('spectral_norm', CELL, dict(name='weight_ih')),
]


def state(module):
    return {key: encode_tensor(t.detach()) for key, t in module.state_dict().items()}


def row(call, made, options, dtype):
    python, js, shape = made
    torch.manual_seed(SEED)
    module = eval(python).to(dtype)
    name = options.get('name', 'weight')
    out = {'python': python, 'js': js, 'call': call, 'options': encode(options), 'dtype': str(dtype)[6:], 'start': state(module)}
    torch.manual_seed(SEED)
    getattr(utils, call)(module, **options)
    out['state'] = state(module)
    out['steps'] = []
    for training in (True, True, False, True):
        module.train(training)
        module.zero_grad()
        x = torch.randn(shape, dtype=dtype)
        y = module(x)
        y = y[0] if isinstance(y, tuple) else y
        y.square().sum().backward()
        out['steps'].append({
            'training': training, 'input': encode_tensor(x), 'out': encode_tensor(y.detach()),
            'weight': encode_tensor(getattr(module, name).detach().contiguous()),
            'grads': {key: encode_tensor(p.grad) for key, p in module.named_parameters()},
            'buffers': {key: encode_tensor(b) for key, b in module.named_buffers()},
        })  # fmt: skip
        with torch.no_grad():
            for p in module.parameters():
                p.sub_(p.grad, alpha=0.05)
    getattr(utils, f'remove_{call}')(module, name)
    out['removed'] = state(module)
    return out


def main():
    write_json('weight_norms.json', 'weight_norms.py', {
        'rows': [row(*case, dtype) for case in CASES for dtype in (torch.float32, torch.float64)],
    })  # fmt: skip


if __name__ == '__main__':
    main()
