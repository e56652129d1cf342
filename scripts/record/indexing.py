"""Records what PyTorch reads, writes and differentiates through x[...]: test/fixtures/indexing.json

    python3 scripts/record/indexing.py

`rows` has { key, shape, data, view, grad, set, add }: the key of x[key] for x = arange(120).reshape(3, 4, 2, 5) (integers and
slices mixed with index tensors, masks, lists, None and ...), what it gives, whether that is a view of x, the gradient of x
for a cotangent of 1, 2, 3, ..., x after x[key] = -1, -2, -3, ..., and, where key has an index tensor, x after adding 1 with
index_put_'s accumulate. x is not contiguous in every other row. `refused` has keys that PyTorch refuses.

A mask of several dims stands only where nothing but ':' or ... follows: PyTorch 1.13 counts the dims behind it wrongly.
"""

import random

import torch

from encoding import elements, encode, write_json

SHAPE = (3, 4, 2, 5)
ROWS = 160


def base(dense):
    x = torch.arange(120.0)
    return x.reshape(SHAPE) if dense else x.reshape(5, 2, 4, 3).permute(3, 2, 1, 0)


def draw(rng):
    """A key that covers some of the dims of SHAPE."""
    key, dim, shape = [], 0, rng.choice([(2,), (1,), (3, 1), (2, 2)])
    used = rng.randint(1, 4)
    ellipsis = rng.random() < 0.25
    while dim < used:
        size = SHAPE[dim]
        kind = rng.choice(['int', 'slice', 'slice', 'all', 'none', 'tensor', 'tensor', 'tensor', 'list', 'mask', 'mask2', 'bool', 'zerodim'])
        if kind == 'none':
            key.append(None)
            continue
        if kind == 'bool':
            if rng.random() < 0.3:
                key.append(rng.random() < 0.7)
            continue
        if kind == 'int':
            key.append(rng.randrange(-size, size))
        elif kind == 'slice':
            key.append(slice(rng.choice([None, 0, 1, -2, -9]), rng.choice([None, 2, -1, 9]), rng.choice([None, 1, 2])))
        elif kind == 'all':
            key.append(slice(None, None, None))
        elif kind == 'tensor':
            own = rng.choice([shape, shape[-1:], (1,)])
            key.append(torch.tensor([rng.randrange(-size, size) for _ in range(torch.Size(own).numel())]).reshape(own))
        elif kind == 'list':
            key.append([rng.randrange(-size, size) for _ in range(shape[-1])])
        elif kind == 'zerodim':
            key.append(torch.tensor(rng.randrange(size)))
        elif kind == 'mask':
            chosen = rng.sample(range(size), min(size, shape[-1]))
            key.append(torch.tensor([i in chosen for i in range(size)]))
        elif kind == 'mask2' and dim < 3:
            count = size * SHAPE[dim + 1]
            chosen = rng.sample(range(count), shape[-1])
            key.append(torch.tensor([i in chosen for i in range(count)]).reshape(size, SHAPE[dim + 1]))
            return key + ([Ellipsis] if ellipsis else [])
        else:
            continue
        dim += 1
    if ellipsis:
        key.insert(rng.randint(0, len(key)), Ellipsis)
    return key


def advanced(key):
    return any(isinstance(k, (list, bool)) or (isinstance(k, torch.Tensor) and (k.dim() > 0 or k.dtype == torch.bool)) for k in key)


def row(key, dense):
    x = base(dense).requires_grad_()
    out = x[tuple(key)]
    cotangent = torch.arange(1.0, out.numel() + 1).reshape(out.shape)
    (grad,) = torch.autograd.grad(out, x, cotangent, allow_unused=True)
    coded = [{'ellipsis': True} if k is Ellipsis else encode(k) for k in key]
    result = {'key': coded, 'dense': dense, 'shape': list(out.shape), 'data': elements(out), 'view': not advanced(key)}
    result['grad'] = elements(grad)
    # Duplicates would make what is written depend on the order.
    written = base(dense).clone()
    if torch.unique(out).numel() == out.numel():
        written[tuple(key)] = -torch.arange(1.0, out.numel() + 1).reshape(out.shape)
        result['set'] = elements(written)
    if all(isinstance(k, torch.Tensor) and k.dim() > 0 for k in key):
        result['add'] = elements(base(dense).clone().index_put_(tuple(key), torch.tensor(1.0), accumulate=True))
    return result


REFUSED = [
    [3], [slice(None), -5], [0, 0, 0, 0, 0], [[0, 3]], [slice(None), torch.tensor([4])], [torch.tensor([[0, 1], [2, -4]])],
    [torch.tensor([0, 1]), torch.tensor([0, 1, 2])], [torch.tensor([True, False])], [torch.ones(3, 3, dtype=torch.bool)],
    [torch.tensor([0.5])], [1.5], [torch.tensor([0, 1]), slice(None), torch.tensor([0, 2])], [..., 5],
]  # fmt: skip


def main():
    rng = random.Random(1)
    rows, refused = [], []
    while len(rows) < ROWS:
        key = draw(rng)
        try:
            rows.append(row(key, len(rows) % 2 == 0))
        except IndexError:
            continue  # shapes that don't broadcast
    for key in REFUSED:
        try:
            base(True)[tuple(key)]
        except (IndexError, TypeError) as error:
            refused.append({'key': [{'ellipsis': True} if k is Ellipsis else encode(k) for k in key], 'message': str(error)})
        else:
            raise AssertionError(key)
    write_json('indexing.json', 'indexing.py', {'rows': rows, 'refused': refused})


if __name__ == '__main__':
    main()
