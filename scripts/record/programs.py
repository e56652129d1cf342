"""Records what PyTorch makes of random programs of views, in-place changes and arithmetic: test/fixtures/programs.json.gz

    python3 scripts/record/programs.py

A program works on registers: a and b (leaves that require grad), c (a leaf that doesn't), then what its steps make. A step is
[method, register, arguments]; among these {"r": 3} is register 3, {"i": [0]} are indices, and {"m": 0.5} is
where the register is greater. A method ending in _ changes its register, any other
adds one. {"noGrad": step} runs with recording off. At the end, each register that requires grad is multiplied by 1, 2, 3, … and
summed; the sum's gradients for a and b are recorded, with the registers' values. Where the program says "twice", it is the
gradients of the sum of the squares of those gradients, which are differentiated themselves.

Where PyTorch refuses the last step, or the backward, the program says so in "refused" ("step" or "backward").
"""

import random

import torch

from encoding import dumps, encode, header, write_gzip

PROGRAMS = 1200
SHAPES = [[2, 3], [3], [3, 2], [1, 3], [2, 2], [2, 1, 3]]
# PyTorch's own limits, which Tenfold doesn't share: it computes through a copy, and lets any view change.
OTHER_LIMITS = ('some elements of the input tensor', 'multiple views', 'modified inplace. This view', 'view was created in no_grad mode')


def numbers(r, shape):
    count = torch.Size(shape).numel()
    return torch.tensor([r.randint(-8, 8) / 4 + 0.1 for _ in range(count)], dtype=torch.float64).reshape(shape)


def draw(r, registers):
    """A step that may or may not be possible."""
    at = r.randrange(len(registers))
    x = registers[at]
    dim = lambda: r.randint(-x.dim(), max(x.dim() - 1, 0))  # noqa: E731
    other = {'r': r.randrange(len(registers))}
    d = dim()
    size = x.shape[d] if x.dim() else 1
    start = r.randrange(max(size, 1))
    views = [
        ('select', [d, r.randrange(max(size, 1))]), ('narrow', [d, start, r.randint(1, max(size - start, 1))]),
        ('transpose', [d, dim()]), ('t', []), ('reshape', [[-1]]), ('unsqueeze', [r.randint(0, x.dim())]), ('squeeze', []),
        ('expand', [[2, *x.shape]]), ('diagonal', []), ('flatten', []), ('view', [[x.numel()]]), ('detach', []),
        ('permute', [r.sample(range(x.dim()), x.dim())]), ('view_as', [other]), ('expand_as', [other]),
        ('unfold', [d, min(2, size), 2]),
    ]  # fmt: skip
    values = [
        ('mul', [other]), ('add', [other]), ('mul', [r.choice([2, -1.5])]), ('sin', []), ('clone', []), ('contiguous', []),
        ('sum', [d]), ('sigmoid', []), ('matmul', [other]), ('pow', [2]), ('max', []), ('tanh', []), ('exp', []), ('abs', []),
        ('amax', [d]), ('cumsum', [d]), ('softmax', [d]), ('logsumexp', [d]), ('norm', []),
        ('flip', [[d]]), ('repeat', [[2] * x.dim()]), ('tril', []), ('outer', [other]), ('maximum', [other]), ('addcmul', [other, other]),
        ('div', [other]), ('var', [d]), ('masked_fill', [{'m': 0.5}, 2]), ('clamp', [-1, 1]), ('lerp', [other, 0.25]),
        *([('index_select', [d, {'i': [0, 0]}]), ('roll', [1, d])] if x.dim() else []),
    ]  # fmt: skip
    inplace = [
        ('mul_', [other]), ('add_', [other]), ('copy_', [other]), ('zero_', []), ('fill_', [0.5]), ('neg_', []), ('sin_', []),
        ('mul_', [r.choice([2, -1.5])]), ('sigmoid_', []), ('pow_', [2]), ('div_', [other]), ('tanh_', []), ('exp_', []), ('relu_', []), ('addcmul_', [other, other]),
        ('masked_fill_', [{'m': 0.5}, 2]), ('lerp_', [other, 0.25]), ('cumsum_', [d]), ('tril_', []),
        ('clamp_', [-1, 1]), ('t_', []), ('transpose_', [d, dim()]),
        ('unsqueeze_', [r.randint(0, x.dim())]), ('squeeze_', []), ('sub_', [other]),
    ]  # fmt: skip
    kind = r.choices([views, values, inplace], [5, 3, 5])[0]
    method, args = r.choice(kind)
    step = [method, at, args]
    # Always recorded: views, which in PyTorch require grad even so; what changes sizes, as gradients don't fit then any more.
    recorded = kind is views or method in ('t_', 'transpose_', 'unsqueeze_', 'squeeze_')
    return {'noGrad': step} if not recorded and r.random() < 0.15 else step


def possible(step, registers, views):
    method, at, args = step['noGrad'] if isinstance(step, dict) else step
    if not method.endswith('_'):
        # (PyTorch's results may not be contiguous where Tenfold's are.)
        return not (isinstance(step, dict) and method == 'contiguous')
    if isinstance(step, dict) and any(views):
        return False
    x = registers[at]
    # What PyTorch allows there: to fill what was expanded. What it refuses: operands that lie in what is changed.
    expanded = any(stride == 0 and size > 1 for stride, size in zip(x.stride(), x.shape))
    operands = [registers[a['r']] for a in args if isinstance(a, dict) and 'r' in a]
    shared = any(y.storage().data_ptr() == x.storage().data_ptr() for y in operands)
    return not shared and not (expanded and method in ('fill_', 'zero_', 'masked_fill_', 'tril_'))


def decode(arg, registers, x):
    if isinstance(arg, dict):
        if 'm' in arg:
            return x.detach() > arg['m']
        return torch.tensor(arg['i']) if 'i' in arg else registers[arg['r']]
    return arg


def run(step, registers):
    if isinstance(step, dict):
        with torch.no_grad():
            return run(step['noGrad'], registers)
    method, at, args = step
    out = getattr(registers[at], method)(*[decode(a, registers, registers[at]) for a in args])
    if not method.endswith('_'):
        registers.append(out)


def total(registers):
    parts = [(x * torch.arange(1, x.numel() + 1, dtype=x.dtype).reshape(x.shape)).sum() for x in registers if x.requires_grad]
    return sum(parts[1:], parts[0])


def program(r):
    shapes = [r.choice(SHAPES) for _ in range(3)]
    leaves = [numbers(r, s) for s in shapes]
    # Sometimes a leaf is a view itself.
    views = [r.random() < 0.3 for _ in leaves]
    registers = [x.flatten().clone().reshape(x.shape) if v else x.clone() for x, v in zip(leaves, views)]
    a, b = (x.requires_grad_() for x in registers[:2])
    row = {'leaves': [encode(x.detach()) for x in leaves], 'views': views, 'steps': []}
    length = r.randint(3, 9)
    while len(row['steps']) < length:
        step = draw(r, registers)
        if not possible(step, registers, views):
            continue
        before = [x.detach().clone() for x in registers]
        try:
            run(step, registers)
            row['steps'].append(step)
        except (RuntimeError, IndexError) as error:
            if any(limit in str(error) for limit in OTHER_LIMITS):
                return None
            changed = any(x.shape != y.shape or not torch.equal(x, y) for x, y in zip(registers, before))
            if changed:  # refused by autograd after the change was made
                return None
            # Not views: strides of results are Tenfold's own.
            if r.random() < 0.1 and 'view' not in str(step):
                row['steps'].append(step)
                row['refused'] = 'step'
                return row
        if sum(x.numel() for x in registers) > 200 or any(not torch.isfinite(x).all() for x in registers):
            return None
    # Views of a leaf that is a view lose their gradients in PyTorch when the memory is changed.
    if not any(x.requires_grad for x in registers) or any(v and x._version > 0 for v, x in zip(views, registers)):
        return None
    if r.random() < 0.4:
        row['twice'] = True
    try:
        grads = torch.autograd.grad(total(registers), [a, b], create_graph='twice' in row, allow_unused=True)
        if 'twice' in row:
            squares = [(g * g).sum() for g in grads if g is not None and g.requires_grad]
            if not squares:
                return None
    except RuntimeError as error:
        if any(limit in str(error) for limit in OTHER_LIMITS):
            return None
        row['refused'] = 'backward'
        return row
    if 'twice' in row:
        try:
            grads = torch.autograd.grad(sum(squares), [a, b], allow_unused=True)
        except RuntimeError:  # the squares are constant
            return None
    row['values'] = [{k: v for k, v in encode(x).items() if k != 'strides'} for x in registers]
    row['grads'] = [None if g is None else encode((g.detach() + 0).contiguous()) for g in grads]
    return row


def main():
    r = random.Random(0)
    rows = []
    while len(rows) < PROGRAMS:
        try:
            row = program(r)
        except RuntimeError as error:  # on looking at a tensor
            assert OTHER_LIMITS[-1] in str(error), error
            continue
        if row is not None:
            rows.append(row)
    write_gzip('programs.json.gz', dumps(header('programs.py'))[:-1] + ',"programs":[\n' + ',\n'.join(map(dumps, rows)) + '\n]}\n')
    print(len(rows), 'programs,', sum('refused' in x for x in rows), 'refused,', sum('twice' in x for x in rows), 'twice')


if __name__ == '__main__':
    main()
