"""Records torch.autograd.functional: test/fixtures/functional.json.gz, read by test/autograd/functional.test.ts.

Every function below goes through jacobian, hessian, vjp, jvp, vhp and hvp, as far as they are for it, with every
combination of create_graph and strict. A row is

    call, function, inputs      `inputs` a tensor or a list
    v                           where there is one
    options                     those that are true
    result                      nested as PyTorch nests it; a tensor with "grad" requires one
    through                     under create_graph: the gradients of the inputs and v that require one, of the weighted
                                sum of all results that do
    error                       PyTorch's message instead of a result

    python3 scripts/record/functional.py
"""

import itertools

import torch
import torch.autograd.functional as functional
from encoding import dumps, encode, header, write_gzip

# test/autograd/functional.test.ts has the same functions.
FUNCTIONS = {
    'expRows': lambda x: x.exp().sum(1),
    'cubes': lambda x: x.pow(3),
    'identity': lambda x: x,
    'listOfOne': lambda x: (x.sin(),),
    'bothHalves': lambda x: (x[:2].sin(), x[2:] * x[:1]),
    'partConstant': lambda x: (x * x, torch.ones(2, dtype=torch.float64)),
    'constant': lambda x: torch.ones(2, dtype=torch.float64),
    'constantElement': lambda x: torch.ones((), dtype=torch.float64),
    'product': lambda x, y: x * y,
    'matrixProduct': lambda x, y: (x @ y).tanh(),
    'several': lambda x, y: (x * y.sum(), y.sin(), x.sum() * 2),
    'firstOnly': lambda x, y: x * x,
    'wider': lambda x, y: x.double() * y.sin(),
    'linear': lambda x, y: 2 * x + 3 * y,
    'linearSum': lambda x, y: (2 * x + 3 * y).sum(),
    'sumOfCubes': lambda x: x.pow(3).sum(),
    'oneElement': lambda x: x.pow(3).sum().reshape(1, 1),
    'squares': lambda x, y: (2 * x * x + 3 * y * y).sum(),
    'mixed': lambda x, y: (x.pow(2).sum() * y.prod() + (x * y).sin().sum()),
    'firstCubes': lambda x, y: x.pow(3).sum(),
    'softmax': lambda x, y: -(x @ y).log_softmax(1)[:, 1].mean(),
}

generator = torch.Generator().manual_seed(0)


def some(*shape, dtype=torch.float64):
    """Few digits, so that the rows are short."""
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 16).round().add(1).div(8).to(dtype)


def single(*shape):
    """float32."""
    return some(*shape, dtype=torch.float32)


# function, inputs
CASES = [
    ('expRows', some(2, 3)),
    ('expRows', single(3, 2)),
    ('cubes', some(3)),
    ('cubes', some(1)),
    ('cubes', some()),
    ('cubes', single(2, 2)),
    ('identity', some(3)),
    ('listOfOne', some(2)),
    ('bothHalves', some(4)),
    ('partConstant', some(2)),
    ('constant', some(2)),
    ('product', (some(3), some(3))),
    ('product', (some(2, 1), some(3))),
    ('product', (single(3), some(3))),
    ('matrixProduct', (some(2, 3), some(3, 2))),
    ('several', (some(2), some(3))),
    ('firstOnly', (some(2), some(3))),
    ('wider', (single(2), some(2))),
    ('linear', (some(2), some(2))),
    ('linearSum', (some(2), some(2))),
    ('constantElement', some(2)),
    ('sumOfCubes', some(2, 2)),
    ('sumOfCubes', some()),
    ('sumOfCubes', single(3)),
    ('sumOfCubes', (some(3),)),
    ('oneElement', some(3)),
    ('squares', (some(2), some(2))),
    ('mixed', (some(3), some(3))),
    ('mixed', (some(3), some(1))),
    ('firstCubes', (some(2), some(3))),
    ('softmax', (some(2, 3), some(3, 3))),
    ('softmax', (single(2, 3), single(3, 3))),
]
# Vectors that don't fit: function, inputs, v of the outputs, v of the inputs.
WRONG = [
    ('cubes', some(2), None, None),
    ('cubes', some(2), some(3), some(3)),
    ('sumOfCubes', some(2), some(2), some(3)),
    ('sumOfCubes', some(2), (some(1), some(1)), (some(2), some(2))),
    ('product', (some(2), some(2)), (some(2), some(2)), some(2)),
    ('mixed', (some(2), some(2)), some(1), (some(2), some(3))),
    ('several', (some(2), some(3)), (some(2), some(2), some()), (some(3), some(3))),
]  # fmt: skip


def flat(value):
    return [value] if isinstance(value, torch.Tensor) else [t for part in value for t in flat(part)]


def weighted(x):
    return (x * torch.arange(1, x.numel() + 1, dtype=x.dtype).reshape(x.shape)).sum()


def each(f, value):
    return f(value) if isinstance(value, torch.Tensor) else tuple(f(x) for x in value)


def plain(value):
    """Without strides: those of results are Tenfold's own."""
    return each(lambda x: x + 0 if x.requires_grad else x.contiguous(), value) if isinstance(value, torch.Tensor) else tuple(map(plain, value))


def through(result, sources):
    roots = [weighted(x).double() for x in flat(result) if x.requires_grad]
    if not roots:
        return None
    return [None if g is None else encode(g.contiguous()) for g in torch.autograd.grad(sum(roots), sources, allow_unused=True)]


def row(call, function, inputs, v, options):
    out = {'call': call, 'function': function, 'inputs': encode(inputs)}
    if v is not None:
        out['v'] = encode(v)
    out['options'] = [k for k, on in options.items() if on]
    recording = options.get('create_graph', False)
    leaf = (lambda x: x.detach().clone().requires_grad_()) if recording else (lambda x: x)
    given = each(leaf, inputs)
    vector = None if v is None else each(leaf, v)
    arguments = (given,) if call in ('jacobian', 'hessian') else (given, vector)
    try:
        result = getattr(functional, call)(FUNCTIONS[function], *arguments, **options)
    except RuntimeError as error:
        return {**out, 'error': str(error)}
    out['result'] = encode(plain(result))
    if recording:
        out['through'] = through(result, flat(given) + ([] if vector is None else flat(vector)))
    return out


def rows():
    for (function, inputs), create_graph, strict in itertools.product(CASES, (False, True), (False, True)):
        options = {'create_graph': create_graph, 'strict': strict}
        outputs = FUNCTIONS[function](*(inputs if isinstance(inputs, tuple) else (inputs,)))
        scalar = isinstance(outputs, torch.Tensor) and outputs.numel() == 1
        calls = ['jacobian', 'vjp', 'jvp'] + (['hessian', 'vhp', 'hvp'] if scalar else [])
        for call in calls:
            like = None if call in ('jacobian', 'hessian') else outputs if call == 'vjp' else inputs
            v = None if like is None else each(lambda x: some(*x.shape, dtype=x.dtype), like)
            yield row(call, function, inputs, v, options)
            if v is not None and isinstance(like, torch.Tensor) and like.numel() == 1:
                yield row(call, function, inputs, None, options)
    for function, inputs, of_outputs, of_inputs in WRONG:
        for call in ('vjp', 'jvp', 'vhp', 'hvp'):
            yield row(call, function, inputs, of_outputs if call == 'vjp' else of_inputs, {})
    for function in ('cubes', 'listOfOne'):
        for call in ('hessian', 'vhp', 'hvp'):
            x = some(2)
            yield row(call, function, x, None if call == 'hessian' else x, {})


def main():
    found = list(rows())
    text = dumps(header('functional.py'))[:-1] + ',"rows":[\n' + ',\n'.join(map(dumps, found)) + '\n]}\n'
    write_gzip('functional.json.gz', text)
    print(len(found), 'rows,', sum('error' in x for x in found), 'refused')


if __name__ == '__main__':
    main()
