"""Records torch.nn.utils.parametrizations and prune: test/fixtures/parametrized.json, read by test/nn/parametrized.test.ts.

    python3 scripts/record/parametrized.py

The linear layers hold optim.py's numbers; gradients are those of sum(weight · fill(5)).
"""

import torch
import torch.nn.utils.parametrizations as P
import torch.nn.utils.prune as prune
from encoding import write_json
from optim import fill


def layer(m, n):
    module = torch.nn.Linear(n, m).double()
    with torch.no_grad():
        module.weight.copy_(fill(1, (m, n)))
        module.bias.copy_(fill(2, (m,)))
    return module


def lists(state):
    return {k: v.tolist() for k, v in state.items()}


def parametrized(kind, shape, named):
    torch.manual_seed(0)
    module = getattr(P, kind)(layer(*shape), **named)
    weight = module.weight
    (weight * fill(5, shape)).sum().backward()
    grads = {k: p.grad.tolist() for k, p in module.named_parameters() if p.grad is not None}
    row = {'kind': kind, 'shape': list(shape), 'named': named, 'weight': weight.tolist(), 'grads': grads, 'state': lists(module.state_dict()),
           'string': str(module)}  # fmt: skip
    torch.nn.utils.parametrize.remove_parametrizations(module, 'weight')
    return {**row, 'left': lists(module.state_dict())}


def pruned(steps):
    torch.manual_seed(0)
    module = layer(4, 6)
    for name, args in steps:
        getattr(prune, name)(module, 'weight', *[float('inf') if a == 'inf' else a for a in args])
    row = {'steps': steps, 'state': lists(module.state_dict()), 'weight': module.weight.tolist()}
    prune.remove(module, 'weight')
    return {**row, 'left': lists(module.state_dict())}


def globally(amount):
    first, second = layer(3, 2), layer(2, 3)
    prune.global_unstructured([(first, 'weight'), (second, 'weight'), (second, 'bias')], prune.L1Unstructured, amount=amount)
    return {'amount': amount, 'masks': [first.weight_mask.tolist(), second.weight_mask.tolist(), second.bias_mask.tolist()]}


def main():
    orthogonal = [(shape, {'orthogonal_map': how, 'use_trivialization': trivial})
                  for shape in ((3, 3), (5, 3), (2, 4)) for how in ('matrix_exp', 'cayley', 'householder') for trivial in (True, False)]  # fmt: skip
    write_json('parametrized.json', 'parametrized.py', {
        'parametrized': [
            *[parametrized('weight_norm', (3, 4), named) for named in ({}, {'dim': 1}, {'dim': None})],
            *[parametrized('spectral_norm', (3, 4), named) for named in ({}, {'n_power_iterations': 3, 'dim': 1})],
            *[parametrized('orthogonal', shape, named) for shape, named in orthogonal],
        ],
        'pruned': [pruned(steps) for steps in (
            [['identity', []]], [['l1_unstructured', [0.3]]], [['l1_unstructured', [5]]], [['random_unstructured', [0.5]]],
            [['random_structured', [2, 1]]], [['ln_structured', [0.5, 2, 0]]], [['ln_structured', [1, 'inf', -1]]],
            [['l1_unstructured', [0.25]], ['l1_unstructured', [0.5]]], [['ln_structured', [1, 1, 0]], ['l1_unstructured', [0.5]]],
            [['l1_unstructured', [0.4]], ['ln_structured', [0.5, 2, 1]], ['random_unstructured', [3]]],
        )],
        'globally': [globally(amount) for amount in (0.5, 4)],
    })  # fmt: skip


if __name__ == '__main__':
    main()
