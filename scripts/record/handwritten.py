"""Samples for operators without an OpInfo in this PyTorch, and cases that its samples leave out: ties, operands of
another layout, small sizes of what OpInfo only samples large, and calls that must be refused."""

import itertools

import torch
import torch.nn.functional as F


def channel_shuffle(input, groups):
    """As documented: this PyTorch has no derivative of its own."""
    if input.dim() > 2 and groups > 0 and input.size(1) % groups == 0:
        n, c, *rest = input.shape
        return input.reshape(n, groups, c // groups, *rest).transpose(1, 2).reshape(input.shape)
    return F.channel_shuffle(input, groups)  # says what is wrong


def cholesky(input, upper=False):
    """As PyTorch had it until 2.14."""
    return torch.linalg.cholesky(input, upper=upper)


REFERENCES = {
    'cholesky': (cholesky, ['function', 'method']),
    'nn.functional.channel_shuffle': (channel_shuffle, ['function']),
}

FLOATS = (torch.float64, torch.float32)


def randn(*shape, dtype=torch.float32, grad=True):
    return torch.randn(*shape, dtype=dtype).requires_grad_(grad)


def ints(high, *shape):
    return torch.randint(high, shape)


def ties(dtype):
    return torch.tensor([[1, 3, 3, 2], [5, 5, 5, 5], [0, -1, 0, -1]], dtype=dtype).requires_grad_()


def strided(dtype):
    """(2, 3, 4) seen through a transposition, and every second row of a matrix."""
    return randn(4, 3, 2, dtype=dtype, grad=False).transpose(0, 2).requires_grad_()


def regular(dtype, *shape):
    """Square matrices that are far from singular ones."""
    x = torch.randn(*shape, shape[-1], dtype=dtype) + 3 * torch.eye(shape[-1], dtype=dtype)
    return x.requires_grad_()


def samples(name):
    """(args, kwargs) of the handwritten samples of an operator."""
    torch.manual_seed(1)
    short = name.replace('nn.functional.', 'F.')
    for dtype in FLOATS:
        r = lambda *shape, grad=True: randn(*shape, dtype=dtype, grad=grad)  # noqa: E731
        if name in ('max', 'min', 'amax', 'amin', 'median'):
            yield [ties(dtype)], {}
            yield [ties(dtype), 1], {'keepdim': True}
            yield [torch.tensor([1, float('nan'), 2], dtype=dtype).requires_grad_()], {}
        if name in ('sum', 'mean', 'amax', 'amin', 'var', 'std', 'logsumexp', 'nansum', 'nanmean'):
            yield [strided(dtype), [0, 2]], {}
            yield [strided(dtype), [0, 2]], {'keepdim': True}
            yield [strided(dtype), -1], {}
        if name in ('add', 'sub', 'mul', 'div', 'maximum', 'atan2', 'pow'):
            positive = r(4, 3, 2, grad=False).abs().transpose(0, 2).requires_grad_()
            yield [positive, r(3, 1)], {}
            if name not in ('maximum', 'atan2'):
                yield [positive, 2.5], {}
            yield [positive, r(2, 3, 4, grad=False)], {}
        if name == 'nn.functional.channel_shuffle':
            yield [r(2, 6, 4), 3], {}
            yield [r(1, 4, 2, 3), 2], {}
            yield [r(3, 4, 2, 2, grad=False).transpose(0, 3).requires_grad_(), 1], {}
            yield [r(0, 4, 2), 2], {}
        if name == 'nn.functional.multilabel_margin_loss':
            yield [r(2, 4), torch.tensor([[3, 0, -1, 1], [2, 2, 1, -1]])], {}  # one listed twice
            yield [r(3), torch.tensor([0, 1, 2])], {'reduction': 'none'}
            yield [torch.tensor([[0.5, 1.5, 0.5]], dtype=dtype).requires_grad_(), torch.tensor([[0, -1, -1]])], {}  # margin 0
        if name == 'nn.functional.triplet_margin_with_distance_loss':
            for kwargs in {}, {'margin': 3, 'swap': True}, {'reduction': 'none'}, {'margin': 0.25, 'reduction': 'sum'}:
                yield [r(4, 3), r(4, 3), r(4, 3)], kwargs
            yield [r(3), r(2, 3), r(2, 1)], {'swap': True}
        if name == 'vander':
            yield [r(3, grad=False)], {}
            yield [r(3, grad=False)], {'N': 4, 'increasing': True}
            yield [r(2, grad=False)], {'N': 0}
            yield [r(0, grad=False)], {}
        if name == 'matrix_power':
            yield [regular(dtype, 2, 3), 5], {}
            yield [regular(dtype, 3), -2], {}
            yield [r(2, 2), 0], {}
        if name == 'linalg.diagonal':
            yield [r(2, 3, 4)], {}
            yield [r(2, 3, 4)], {'offset': -1, 'dim1': 0, 'dim2': 2}
        if name == 'linalg.matmul':
            yield [r(2, 3, 4), r(4, 2)], {}
            yield [r(4), r(4)], {}
        if name == 'dist':
            yield [strided(dtype), r(3, 4)], {'p': float('inf')}
            yield [r(3), r(3)], {'p': 1}
        if name == 'cov':
            yield [r(2, 4)], {'fweights': torch.tensor([1, 0, 2, 1]), 'aweights': r(4, grad=False).abs().requires_grad_()}
            yield [r(2, 4)], {'aweights': r(4, grad=False).abs().requires_grad_(), 'correction': 0}
        if name in ('trapezoid', 'cumulative_trapezoid'):
            yield [r(2, 3, 4), r(3, 4)], {'dim': 1}
            yield [r(2, 1)], {}
        if name == 'nn.functional.interpolate':
            for mode, corners in itertools.product(('bilinear', 'bicubic'), (False, True)):
                yield [r(1, 2, 7, 5)], {'size': [3, 4], 'mode': mode, 'align_corners': corners, 'antialias': True}
            yield [r(1, 1, 4, 9)], {'scale_factor': [1.6, 0.3], 'mode': 'bicubic', 'antialias': True}
            yield [r(1, 1, 5, 5)], {'scale_factor': 0.45, 'mode': 'bilinear', 'antialias': True, 'recompute_scale_factor': True}
        if name in ('atleast_1d', 'atleast_2d', 'atleast_3d'):
            yield [[r(2, 3), r(3), r(1).detach()[0].requires_grad_()]], {}
            yield [r(3), r(2, 2, 2)], {}
        if name in ('matmul', 'bmm', 'baddbmm', 'addbmm'):
            a, b = r(3, 2, 4), r(3, 4, 5)
            if name in ('matmul', 'bmm'):
                yield [a, b], {}
                yield [r(3, 4, 2, grad=False).transpose(1, 2).requires_grad_(), r(3, 5, 4, grad=False).mT.requires_grad_()], {}
                yield [r(1, 2, 4).expand(3, 2, 4).detach().requires_grad_(), b], {}
            if name == 'matmul':
                yield [r(4), r(4)], {}
                yield [r(2, 1, 3, 4), r(5, 4, 2)], {}
                yield [r(3, 4), r(4)], {}
                yield [r(4), r(2, 4, 3)], {}
                yield [r(0, 4), r(4, 3)], {}
                yield [r(2, 0), r(0, 3)], {}
            if name == 'baddbmm':
                yield [r(3, 2, 5), a, b], {}
            if name == 'addbmm':
                yield [r(2, 5), a, b], {'beta': 0.5, 'alpha': 2}
        if name in ('det', 'slogdet', 'inverse'):
            yield [regular(dtype, 3)], {}
            yield [regular(dtype, 2, 4).detach().mT.requires_grad_()], {}
        if name == 'linalg.solve':  # broadcast, by vectors and from the right
            yield [regular(dtype, 2, 1, 3), r(2, 3, 2)], {}
            yield [regular(dtype, 3), r(2, 3, 1)], {}
            yield [regular(dtype, 2, 3), r(3)], {}
            yield [regular(dtype, 2, 2), r(2, 2)], {}
            yield [regular(dtype, 2, 3).detach().mT.requires_grad_(), r(4, 3)], {'left': False}
            yield [regular(dtype, 3), r(2, 2, 3)], {'left': False}
        if name in ('linalg.svd', 'linalg.svdvals', 'linalg.pinv', 'pinverse', 'svd'):
            yield [r(4, 2)], {}
            yield [r(2, 2, 5)], {}
            yield [r(3, 4, grad=False).t().requires_grad_()], {}
        if name == 'linalg.svd':
            yield [r(5, 3)], {'full_matrices': True}
            yield [r(2, 2, 4)], {'full_matrices': True}
        if name == 'svd':
            yield [r(2, 4, 2)], {'some': False}
            yield [r(2, 4)], {'some': True, 'compute_uv': False}
            yield [r(2, 4)], {'some': False, 'compute_uv': False}
        if name in ('linalg.norm', 'linalg.matrix_norm'):
            for order in ('nuc', 2, -2):
                yield [r(4, 3), order], {}
                yield [r(2, 4, 3), order], {'dim': [2, 0]}
                yield [r(4, 1, 3), order], {'dim': [0, -1], 'keepdim': True}
                yield [torch.eye(3, dtype=dtype).requires_grad_(), order], {}
                yield [r(0, 2, 3), order], {'dim': [1, 2]}
                yield [r(2, 3), order], {'dtype': torch.float64}
            yield [r(0, 3), 'nuc'], {}
            yield [r(2, 3, 0), 'nuc'], {'dim': [2, 1]}
        if name == 'norm':
            yield [r(2, 5)], {'p': 'nuc', 'keepdim': True}
            yield [r(2, 4, 3)], {'p': 'nuc', 'dim': [2, 0]}
            yield [r(2, 4, 3)], {'p': 'nuc', 'dim': [0, -1], 'keepdim': True}
            yield [r(0, 3)], {'p': 'nuc'}
        if name == 'linalg.cond':
            for p in (None, 2, -2, 'nuc'):
                yield [regular(dtype, 2, 3), p], {}
            for p in ('fro', 1, -1, float('inf'), float('-inf')):  # without gradient: PyTorch 1.13 fails in its own
                yield [regular(dtype, 2, 3).detach(), p], {}
            for p in (None, -2):
                yield [r(2, 4, 3), p], {}
            for p in (None, 'fro', 1):
                yield [torch.tensor([[1, 2], [2, 4]], dtype=dtype), p], {}
            yield [r(2, 0, 3)], {}
        if name in ('linalg.matrix_rank', 'linalg.pinv'):
            wide = torch.cat([regular(dtype, 2), regular(dtype, 2)], 1).detach()
            half = wide.t()[:3] @ wide  # rank 2
            symmetric = half @ half.t()
            grad = lambda x: x.clone().requires_grad_(name == 'linalg.pinv')  # noqa: E731
            yield [grad(half)], {}
            yield [grad(half.expand(2, 3, 4))], {'rtol': 0.5}
            yield [grad(half)], {'atol': 0.001}
            yield [grad(half)], {'atol': 0.001, 'rtol': 0.001}
            yield [grad(half.expand(2, 3, 4))], {'atol': torch.tensor([0.001, 100], dtype=dtype)}
            yield [grad(half)], {'rtol': torch.tensor(0.75, dtype=dtype)}
            yield [grad(half), 0.75], {}
            yield [grad(symmetric)], {'hermitian': True}
            yield [grad(symmetric), 0.001], {'hermitian': True}
        if name == 'pinverse':
            yield [r(4, 3, grad=False)], {'rcond': 0.75}
        if name == 'kron':
            yield [r(2, 3), r(3, 2)], {}
            yield [r(3), r(2, 1, 2)], {}
        if short == 'F.rms_norm':
            yield [r(2, 3, 4), [4]], {}
            yield [r(2, 3, 4), [4], r(4)], {'eps': 1e-5}
            yield [r(2, 3, 4), [3, 4]], {'weight': r(3, 4)}
        if short == 'F.scaled_dot_product_attention':
            q, k, v = r(2, 2, 3, 4), r(2, 2, 5, 4), r(2, 2, 5, 6)
            yield [q, k, v], {}
            yield [q, k, v], {'attn_mask': torch.tensor([[1, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]]).bool()}
            yield [q, k, v], {'attn_mask': r(3, 5)}
            yield [r(2, 4, 3), r(2, 4, 3), r(2, 4, 3)], {'is_causal': True}
            yield [r(3, 4), r(3, 4), r(3, 4)], {'scale': 0.25}
        if short == 'F.conv3d':
            x, w = r(1, 2, 3, 4, 3), r(2, 2, 2, 2, 2)
            yield [x, w], {}
            yield [x, w, r(2)], {'stride': 2, 'padding': 1}
            yield [x, r(4, 1, 2, 2, 1)], {'groups': 2, 'dilation': [1, 2, 1], 'padding': [0, 1, 0]}
            yield [x, r(2, 2, 3, 1, 3), r(2)], {'padding': 'same'}
        if short == 'F.alpha_dropout':
            yield [r(2, 3)], {'p': 0.5, 'training': False}
            yield [torch.full((200, 50), 0.5, dtype=dtype)], {'p': 0.3, 'training': True}
        if short == 'F.multi_head_attention_forward':
            e, h = 4, 2
            weights = [r(3 * e, e), r(3 * e), None, None, False, 0.0, r(e, e), r(e)]
            q = r(3, 2, e)
            yield [q, q, q, e, h, *weights], {}
            yield [r(3, 2, e), r(4, 2, e), r(4, 2, e), e, h, *weights], {'need_weights': False}
            mask = torch.tensor([[0, 0, 1], [0, 0, 0]]).bool()
            yield [q, q, q, e, h, *weights], {'key_padding_mask': mask, 'average_attn_weights': False}
            causal = torch.ones(3, 3).triu(1).bool()
            yield [r(3, e), r(3, e), r(3, e), e, h, *weights], {'attn_mask': causal, 'training': False}
        if short == 'F.ctc_loss':
            for reduction in ('mean', 'sum', 'none'):
                log_probs = r(5, 2, 4, grad=False).log_softmax(-1).detach().requires_grad_()
                targets = torch.tensor([[1, 2, 0], [3, 3, 1]])
                yield [log_probs, targets, torch.tensor([5, 5]), torch.tensor([2, 3])], {'reduction': reduction}
            # The second target doesn't fit into its input: infinite, and zero on demand.
            yield [log_probs, torch.tensor([1, 2, 3, 3, 1]), [5, 2], [2, 3]], {'zero_infinity': True, 'blank': 0}
        if short == 'F.adaptive_avg_pool3d':
            yield [r(1, 2, 4, 3, 5), [2, 2, 3]], {}
            yield [r(2, 4, 3, 5), 2], {}
            yield [r(1, 1, 4, 4, 4), [2, None, 1]], {}
        if short == 'F.avg_pool3d':
            yield [r(1, 2, 4, 4, 4), 2], {}
            yield [r(1, 1, 4, 5, 4), [2, 3, 2]], {'stride': 1, 'padding': 1, 'count_include_pad': False, 'ceil_mode': True}
        if short in ('F.max_pool1d', 'F.max_pool2d', 'F.max_pool3d'):
            shape, n = {'1': ((2, 2, 9), 1), '2': ((1, 2, 6, 7), 2), '3': ((1, 1, 5, 4, 5), 3)}[short[10]]
            yield [r(*shape), 2], {}
            yield [r(*shape), 3], {'stride': 2, 'padding': 1, 'ceil_mode': True}
            yield [r(*shape), 2], {'stride': 1, 'dilation': 2, 'return_indices': True}
            yield [torch.ones(shape, dtype=dtype).requires_grad_(), [2] * n], {}
        if short == 'F.grid_sample':
            grid = torch.rand(2, 2, 3, 2, dtype=dtype).mul(2.6).sub(1.3)
            for mode in ('bilinear', 'nearest', 'bicubic'):
                for padding in ('zeros', 'border', 'reflection'):
                    align = padding != 'border'
                    yield [r(2, 2, 3, 4), grid.clone().requires_grad_()], dict(
                        mode=mode, padding_mode=padding, align_corners=align)  # fmt: skip
        if short == 'F.cross_entropy':
            yield [r(3, 4), torch.tensor([1, -100, 3])], {}
            yield [r(3, 4), torch.tensor([0, 2, 3])], {'weight': r(4, grad=False).abs(), 'label_smoothing': 0.1}
            yield [r(4), torch.tensor(2)], {}
            yield [r(2, 3, 2), torch.softmax(r(2, 3, 2, grad=False), 1)], {'reduction': 'none'}
        if name == 'cdist':
            for p in (0, 0.5, 1, 1.5, 2, 3, float('inf')):
                yield [r(3, 2), r(4, 2)], {'p': p}
                yield [r(2, 1, 3, 9), r(4, 9)], {'p': p, 'compute_mode': 'donot_use_mm_for_euclid_dist'}
                alike = r(3, 2, grad=False)  # a distance of 0, a column alike
                other = torch.stack([alike[1], alike[0] + torch.tensor([0, 1])])
                yield [alike.clone().requires_grad_(), other.requires_grad_()], {'p': p}
            yield [r(26, 2), r(3, 2)], {}
            yield [r(2, 3), r(26, 3)], {'compute_mode': 'donot_use_mm_for_euclid_dist'}
            yield [r(2, 3, 2), r(4, 2)], {'compute_mode': 'use_mm_for_euclid_dist'}
        if short == 'F.layer_norm':
            yield [strided(dtype), [3, 4], r(3, 4), r(3, 4)], {'eps': 1e-3}
        if short == 'F.embedding_bag':
            yield [ints(6, 5), r(6, 3), torch.tensor([0, 2])], {'mode': 'sum', 'per_sample_weights': r(5)}
        if name == 'item':
            for value in (2.5, float('inf'), -0.0):
                yield [torch.tensor(value, dtype=dtype)], {}
            yield [torch.tensor([[7.0]], dtype=dtype)], {}
        if name in ('softmax', 'log_softmax', 'cumsum', 'cumprod', 'sort', 'argsort', 'flip', 'roll'):
            yield [strided(dtype), *{'flip': [[0, 2]], 'roll': [[1, 2], [0, 2]]}.get(name, [1])], {}
    if name in ('normal', 'bernoulli', 'multinomial', 'uniform', 'nn.functional.dropout', 'nn.functional.dropout2d'):
        wide = torch.full((100, 100), 0.25)
        yield {
            'normal': ([wide, torch.full((100, 100), 2.0)], {}),
            'bernoulli': ([wide], {}),
            'multinomial': ([torch.tensor([1.0, 0, 3]), 5000], {'replacement': True}),
            'uniform': ([wide, -1.0, 3.0], {}),
            'nn.functional.dropout': ([wide], {'p': 0.3}),
            'nn.functional.dropout2d': ([wide.reshape(100, 50, 2, 1)], {'p': 0.4}),
        }[name]
    if name == 'nn.functional.gumbel_softmax':
        yield [torch.linspace(-1, 2, 20).reshape(4, 5)], {'tau': 0.5}
        yield [torch.linspace(-1, 2, 20).reshape(4, 5)], {'hard': True, 'dim': 0}
    if name == 'nn.functional.rrelu':
        yield [torch.linspace(-1, 0.5, 20)], {'lower': 0.1, 'upper': 0.9, 'training': True}
    if name == 'randn':
        yield [[50, 100]], {}
        yield [[50, 100]], {'dtype': torch.float64}
    if name in ('randn_like', 'rand_like'):
        yield [torch.zeros(50, 100)], {}
        yield [torch.zeros(50, 100)], {'dtype': torch.float64}
    if name == 'randint':
        yield [10, [100, 50]], {}
        yield [-5, 7, [100, 50]], {}
        yield [2, [3]], {'dtype': torch.float32}
        yield [0, 100, [2, 0]], {'dtype': torch.uint8}
    if name == 'to':
        for x in (torch.tensor([[1.5, -2.5, 0, 300]]), torch.tensor([True, False]), torch.tensor([5, -6])):
            for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.bool):
                yield [x.clone().requires_grad_(x.is_floating_point()), dtype], {}
        yield [randn(2, 3), torch.zeros(1, dtype=torch.float64)], {}
        yield [randn(2, 3)], {'dtype': torch.float64, 'copy': True}
    if name == 'full':
        yield [[2, 3], 1.5], {}
        yield [[], 2.5], {}
        yield [[0, 2], 7.5], {}
        yield [[2], 7], {'dtype': torch.int64}
        yield [[2], 3], {'dtype': torch.float64}
        yield [[3], True], {}
        yield [[2, 2], float('nan')], {'requires_grad': True}
    if name in ('vander', 'linalg.vander'):
        yield [torch.tensor([2, -3, 1], dtype=torch.int32)], {}
    if name == 'matrix_power':
        yield [ints(5, 2, 2), 4], {}
        yield [ints(5, 2, 2), 0], {}
    if name in ('cov', 'corrcoef', 'trapezoid', 'trapz', 'cumulative_trapezoid'):
        yield [ints(9, 2, 4)], {}
    if name == 'block_diag':
        yield [torch.tensor(2), torch.ones(2), torch.zeros(0), ints(9, 1, 2)], {}
    if name == 'item':
        yield [torch.tensor(-7)], {}
        yield [torch.tensor(True)], {}
        yield [torch.tensor([200], dtype=torch.uint8)], {}
        yield [torch.tensor(0.1, dtype=torch.bfloat16)], {}
    if name in ('div', 'floor_divide', 'remainder', 'fmod'):
        a, b = torch.tensor([[7, -7, 6, -6, 0]]), torch.tensor([[2], [-2], [3], [-3]])
        for kwargs in [{'rounding_mode': m} for m in ('trunc', 'floor', None)] if name == 'div' else [{}]:
            yield [a, b], kwargs
            yield [a.double(), b.double()], kwargs
            yield [a.double() + 0.5, 2.25], kwargs
    if name in ('sum', 'mean', 'prod', 'cumsum', 'cumprod'):
        dim = [0] if 'cum' in name else []
        yield [ints(5, 2, 3), *dim], {'dtype': torch.float64}
        if name != 'mean':
            yield [ints(2, 2, 3).bool(), *dim], {}
            yield [ints(200, 2, 3).to(torch.uint8), *dim], {}
            yield [ints(100, 2, 3).to(torch.int32), *dim], {}
    if name == '__getitem__':
        x = torch.arange(60.0).reshape(3, 4, 5).requires_grad_()
        mask = torch.tensor([True, False, True])
        for key in [
            0, -1, [slice(None), 1], [slice(0, 2), Ellipsis, None], [Ellipsis, slice(None, None, 2)], [None, 2, slice(1, -1)],
            [mask], [slice(None), torch.tensor([3, 0, 0])], [torch.tensor([0, 2]), slice(None), torch.tensor([1, 4])],
            [torch.tensor([[0, 1], [2, 0]]), torch.tensor([1, 3])], [mask, slice(1, 3), torch.tensor([0])], [slice(2, 1)],
            [torch.tensor(1), slice(None), -1],
        ]:  # fmt: skip
            yield [x, *(key if isinstance(key, list) else [key])], {}


def errors(name):
    """(args, kwargs) of calls that PyTorch refuses."""
    x, i, nan = torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int64), float('nan')
    table = {
        'add': [([x, torch.zeros(4)], {})], 'mul': [([x, torch.zeros(3, 2)], {})], 'where': [([x > 0, x, torch.zeros(4)], {})],
        'matmul': [([torch.zeros(3, 4), torch.zeros(5, 6)], {}), ([torch.tensor(1.0), x], {}), ([x, i.t()], {})],
        'mm': [([x, x], {}), ([x, torch.zeros(3)], {})], 'bmm': [([torch.zeros(2, 3, 4), torch.zeros(3, 4, 2)], {})],
        'dot': [([torch.zeros(3), torch.zeros(4)], {}), ([x, x], {})], 'mv': [([x, torch.zeros(2)], {})],
        'addmm': [([x, x, x], {})], 'einsum': [(['ij,jk->ik', x, x], {}), (['ij->ik', x], {})],
        'sum': [([x, 2], {}), ([x, [0, 0]], {})], 'mean': [([i], {})], 'softmax': [([x, 2], {})], 'var': [([x, -3], {})],
        'max': [([x, 5], {}), ([torch.zeros(0)], {})], 'argmax': [([torch.zeros(0)], {}), ([x, 2], {})],
        'cumsum': [([x, 2], {})], 'sort': [([x, 2], {})], 'topk': [([x, 4], {})],
        'reshape': [([x, [4]], {}), ([x, [-1, -1]], {}), ([x, [-1, 4]], {})], 'view': [([x.t(), [6]], {}), ([x, [5]], {})],
        'permute': [([x, [0, 0]], {}), ([x, [0]], {})], 'transpose': [([x, 0, 2], {})], 'expand': [([x, [2, 4]], {})],
        'squeeze': [([x, 2], {})], 'unsqueeze': [([x, 3], {})], 'flatten': [([x, 1, 0], {})], 'flip': [([x, [2]], {})],
        'cat': [([[x, torch.zeros(2, 4)], 0], {}), ([[], 0], {}), ([[x, x], 2], {})], 'stack': [([[x, torch.zeros(3)]], {})],
        'split': [([x, [1, 2], 0], {}), ([x, -1], {})], 'chunk': [([x, 0], {})], 'select': [([x, 0, 2], {}), ([x, 2, 0], {})],
        'narrow': [([x, 0, 1, 2], {}), ([x, 0, 3, 1], {})], 'unbind': [([x, 2], {})], 'diagonal': [([x, 0, 0, 0], {})],
        '__getitem__': [([x, 2], {}), ([x, 0, 0, 0], {}), ([x, torch.tensor([2])], {}), ([x, torch.tensor([True])], {})],
        'index_select': [([x, 0, torch.tensor([2])], {}), ([x, 0, torch.tensor([0.5])], {})],
        'gather': [([x, 1, torch.tensor([[3]])], {}), ([x, 1, torch.tensor([0])], {})],
        'scatter': [([x, 1, torch.tensor([[3]]), x], {})], 'index_put': [([x, [torch.tensor([2])], torch.tensor(1.0)], {})],
        'masked_fill': [([x, torch.zeros(2, 2).bool(), 0], {})], 'tril': [([torch.zeros(3)], {})], 'item': [([x], {})], 'eye': [([-1], {})],
        'arange': [([0, 5, 0], {}), ([0, 5, -1], {})], 'zeros': [([[2, -1]], {})], 'multinomial': [([x, 2], {})],
        'masked_scatter': [([x, x == 0, torch.zeros(2)], {})], 'take': [([x, torch.tensor([6])], {})],
        'cdist': [([x, x[0]], {}), ([x, torch.zeros(2, 2)], {}), ([x, x], {'p': -1}), ([i, i], {}), ([x, x.double()], {})],
        'repeat': [([x, [2]], {})], 'view_as': [([x, torch.zeros(5)], {})], 'bincount': [([torch.tensor([-1])], {})],
        'linalg.inv': [([x], {}), ([torch.zeros(2, 2)], {}), ([i[:, :2]], {}), ([torch.zeros(2)], {}), ([torch.eye(2).half()], {})],
        'linalg.cholesky': [([-torch.eye(2)], {}), ([x], {}), ([i[:, :2]], {})],
        'linalg.solve': [([torch.zeros(2, 2), torch.zeros(2)], {}), ([x, torch.zeros(2)], {}), ([torch.eye(2), torch.zeros(3)], {}),
                         ([torch.eye(2), torch.tensor(1.0)], {}), ([torch.eye(2), torch.zeros(2)], {'left': False}),
                         ([torch.eye(2), torch.zeros(2).double()], {}), ([torch.eye(2).expand(1, 2, 2), torch.zeros(3, 2)], {}),
                         ([torch.eye(2).expand(3, 2, 2), torch.zeros(2, 2, 1)], {})],
        'linalg.svd': [([torch.zeros(3)], {}), ([i], {}), ([x.half()], {}), ([x * nan], {}), ([torch.stack([x, x * nan])], {})],
        'linalg.svdvals': [([torch.zeros(3)], {}), ([i], {}), ([x * nan], {})], 'svd': [([torch.zeros(3)], {}), ([i], {}), ([x * nan], {})],
        'linalg.matrix_norm': [([torch.zeros(3)], {}), ([x, 3], {}), ([x, 'two'], {}), ([torch.zeros(0, 3), 2], {}), ([x * nan, 'nuc'], {}),
                               ([x, 2], {'dim': [0, 0]}), ([i, 'nuc'], {}), ([x, 'nuc'], {'dim': [0, 1, 1]})],
        'linalg.norm': [([torch.zeros(3), 'nuc'], {}), ([x, 'two'], {}), ([torch.zeros(3, 0), -2], {}), ([x * nan, 2], {}), ([i, 2], {})],
        'norm': [([torch.zeros(2, 2, 2)], {'p': 'nuc'}), ([x], {'p': 'nuc', 'dim': [0]}), ([x], {'p': 'nuc', 'dtype': torch.float64}),
                 ([x], {'p': 'two'}), ([x * nan], {'p': 'nuc'})],
        'linalg.cond': [([torch.zeros(3)], {}), ([x, 3], {}), ([x, 'fro'], {}), ([x, 'two'], {}), ([x * nan], {}), ([i], {})],
        'linalg.matrix_rank': [([torch.zeros(3)], {}), ([x], {'hermitian': True}), ([i], {}), ([x * nan], {})],
        'linalg.pinv': [([torch.zeros(3)], {}), ([x], {'hermitian': True}), ([i], {}), ([x * nan], {})],
        'pinverse': [([torch.zeros(3)], {}), ([i], {}), ([x * nan], {})],
        'linalg.det': [([x], {}), ([torch.zeros(2)], {}), ([i[:, :2]], {})], 'linalg.slogdet': [([x], {}), ([i[:, :2]], {})],
        'linalg.solve_triangular': [([x, x], {'upper': True}), ([torch.eye(2), torch.zeros(2)], {'upper': True}),
                                    ([torch.eye(2), x], {'upper': True, 'left': False})],
        'inverse': [([x], {}), ([torch.zeros(2, 2)], {})], 'cholesky': [([-torch.eye(2)], {}), ([x], {})], 'logdet': [([x], {})],
        'nn.functional.linear': [([x, torch.zeros(4, 2)], {})], 'nn.functional.embedding': [([torch.tensor([5]), x], {})],
        'nn.functional.cross_entropy': [([x, torch.tensor([0, 3])], {}), ([x, torch.tensor([0])], {})],
        'nn.functional.nll_loss': [([x, torch.tensor([0.0, 1.0])], {})], 'nn.functional.dropout': [([x, 1.5], {})],
        'nn.functional.one_hot': [([torch.tensor([3]), 3], {}), ([torch.tensor([-1])], {})],
        'nn.functional.layer_norm': [([x, [2]], {})], 'nn.functional.group_norm': [([x, 2], {})],
        'nn.functional.batch_norm': [([torch.zeros(1, 3), None, None], {'training': True})],
        'nn.functional.conv2d': [([torch.zeros(1, 3, 4, 4), torch.zeros(2, 2, 3, 3)], {}),
                                 ([torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 3, 3)], {})],
        'nn.functional.max_pool2d': [([torch.zeros(1, 1, 4, 4), 2], {'padding': 2})],
        'nn.functional.pad': [([x, [1, 1, 1]], {}), ([torch.zeros(1, 2, 3), [3, 3]], {'mode': 'reflect'})],
        'nn.functional.kl_div': [([x, torch.zeros(2, 4)], {})], 'nn.functional.binary_cross_entropy': [([x, torch.zeros(3)], {})],
        'nn.functional.channel_shuffle': [([torch.zeros(1, 5, 2), 2], {}), ([torch.zeros(2, 4), 2], {}), ([torch.zeros(1, 4, 2), 0], {})],
        'nn.functional.multilabel_margin_loss': [([x, i + 3], {}), ([x, i - 2], {}), ([x, x], {}), ([x, i[0]], {}), ([torch.zeros(2, 2, 2)] * 2, {})],
        'nn.functional.triplet_margin_with_distance_loss': [([x, x, torch.zeros(4)], {})],
        'nn.functional.pdist': [([torch.zeros(3)], {}), ([x, -1], {}), ([i], {})],
        'nn.functional.gumbel_softmax': [([x], {'dim': 2})], 'nn.functional.multilabel_soft_margin_loss': [([x, torch.zeros(4)], {})],
        'nn.functional.rrelu': [([i], {})],
        'hsplit': [([x, 2], {}), ([torch.tensor(1.0), 1], {}), ([x, 0], {})], 'vsplit': [([x[0], 3], {}), ([x, -1], {})], 'dsplit': [([x, 1], {})],
        'block_diag': [([x, torch.zeros(2, 2, 2)], {})], 'dist': [([x, torch.zeros(2)], {}), ([i, i], {})], 'vdot': [([x, x], {}), ([i[0], x[0]], {})],
        'trapezoid': [([torch.tensor(1.0)], {}), ([x, torch.zeros(2)], {}), ([x], {'dim': 2}), ([x > 0], {})],
        'cumulative_trapezoid': [([torch.tensor(1.0)], {}), ([x, torch.zeros(2)], {}), ([x], {'dim': 2})],
        'cov': [([torch.zeros(2, 2, 2)], {}), ([x > 0], {}), ([x], {'fweights': i[0]}), ([x], {'aweights': i[0]}), ([x], {'fweights': x[0]}),
                ([x], {'aweights': x[0] - 1}), ([x], {'fweights': i[0, :2]})],
        'corrcoef': [([torch.zeros(2, 2, 2)], {}), ([x > 0], {})],
        'renorm': [([x, 0, 0, 1], {}), ([x[0], 2, 0, 1], {}), ([x, 2, 0, -1], {}), ([i, 2, 0, 1], {}), ([x, 2, 2, 1], {})],
        'vander': [([x], {}), ([x[0]], {'N': -1})], 'linalg.vander': [([torch.tensor(1.0)], {}), ([x], {'N': 1})],
        'matrix_power': [([x, 2], {}), ([x[0], 2], {}), ([torch.zeros(2, 2), -1], {}), ([i[:, :2], -1], {})],
        'linalg.matrix_power': [([x, 2], {}), ([x[0], 2], {}), ([torch.zeros(2, 2), -1], {}), ([i[:, :2], -1], {})],
        'linalg.multi_dot': [([[x]], {}), ([[x, x]], {}), ([[x, x[None]]], {}), ([[x, x[0], x]], {}), ([[x, torch.zeros(3, 2).double()]], {})],
        'linalg.vecdot': [([i, i], {}), ([x, torch.zeros(2)], {})], 'linalg.cross': [([x, x[0]], {}), ([x.t(), x.t()], {}), ([x, x], {'dim': 2})],
        'linalg.diagonal': [([x], {'dim1': 0, 'dim2': 0})], 'linalg.matmul': [([x, x], {})],
        'nn.functional.glu': [([x, 1], {})], 'nn.functional.pixel_shuffle': [([torch.zeros(1, 3, 2, 2), 2], {})],
    }  # fmt: skip
    return table.get(name, [])
