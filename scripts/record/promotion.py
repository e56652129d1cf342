"""Records the dtypes that PyTorch gives to results: test/fixtures/promotion.json

    python3 scripts/record/promotion.py

`results` has a row [op, left, right, result]. An operand is "int64[2]" (a tensor), "int64[]" (a 0-dim tensor), or a scalar:
2, 2.5, true. A unary op has the right operand null. The result is a dtype, or null where PyTorch refuses the call.
`promoteTypes` has [a, b, result], `canCast` [from, to, allowed].

The processor's kernels are run: the meta device of PyTorch 2.15 lets through what they refuse (subtracting bools).
"""

import itertools

import torch

from encoding import DTYPES, write_json

BINARY = ['add', 'sub', 'mul', 'div', 'pow', 'remainder', 'floor_divide', 'maximum', 'atan2', 'eq', 'lt', 'logical_and', 'bitwise_and']
INPLACE = ['add_', 'mul_', 'div_', 'eq_']
UNARY = ['neg', 'abs', 'exp', 'sqrt', 'sigmoid', 'floor', 'sign', 'sum', 'prod', 'mean', 'cumsum', 'isnan', 'logical_not', 'square',
         'reciprocal', 'amax', 'argmax', 'any', 'var', 'bitwise_not']  # fmt: skip
SCALARS = [2, 2.5, True]
NO_KERNEL = object()
TENSORS_ONLY = {'maximum', 'atan2', 'logical_and'}  # PyTorch takes no scalar here; Tenfold may


def operand(spec):
    if isinstance(spec, str):
        name, shape = spec[:-1].split('[')
        return torch.ones([int(shape)] if shape else [], dtype=getattr(torch, name))
    return spec


def result(op, left, right):
    try:
        function = getattr(torch, op, None) or getattr(torch.Tensor, op)
        args = [operand(left)] + ([] if right is None else [operand(right)]) + ([0] if op == 'cumsum' else [])
        return DTYPES[function(*args).dtype]
    except (RuntimeError, TypeError) as error:
        # No kernel is no rule; Tenfold may have one.
        return NO_KERNEL if 'not implemented for' in str(error) or 'does not support bool' in str(error) else None


def main():
    names = list(DTYPES.values())
    tensors = [f'{name}[2]' for name in names]
    operands = tensors + [f'{name}[]' for name in names] + SCALARS
    rows = [[op, a, b, result(op, a, b)] for op in BINARY for a in operands[: 2 * len(names)] for b in operands
            if op not in TENSORS_ONLY or isinstance(b, str)]
    rows += [[op, a, b, result(op, a, b)] for op in INPLACE for a in tensors for b in operands]
    rows += [[op, a, None, result(op, a, None)] for op in UNARY for a in tensors]
    for op in ('where', 'cat', 'stack'):
        for a, b in itertools.product(tensors, operands if op == 'where' else tensors):
            try:
                x, y = operand(a), operand(b)
                out = torch.where(torch.ones(2, dtype=torch.bool), x, y) if op == 'where' else getattr(torch, op)([x, y])
                rows.append([op, a, b, DTYPES[out.dtype]])
            except (RuntimeError, TypeError):
                rows.append([op, a, b, None])
    rows = [row for row in rows if row[3] is not NO_KERNEL]
    pairs = list(itertools.product(DTYPES, DTYPES))
    promote = [[DTYPES[a], DTYPES[b], DTYPES[torch.promote_types(a, b)]] for a, b in pairs]
    cast = [[DTYPES[a], DTYPES[b], torch.can_cast(a, b)] for a, b in pairs]
    write_json('promotion.json', 'promotion.py', {'results': rows, 'promoteTypes': promote, 'canCast': cast})
    print(len(rows), 'results')


if __name__ == '__main__':
    main()
