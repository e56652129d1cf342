"""Records what PyTorch computes for every operator in ops.txt: test/fixtures/operators/<op>.json.gz

    python3 scripts/record/operators.py [op ...]
    python3 scripts/record/operators.py --whole DIR [op ...]   every operator of OpInfo, every sample: for whole.ts

The inputs are PyTorch's own OpInfo samples (the table that drives PyTorch's tests), and handwritten.py's for operators
that have none. Each file holds

    op, recorder, torch
    forms     how PyTorch spells the call: "function" (torch.add), "method" (Tensor.add), "inplace" (Tensor.add_),
              "property" (Tensor.T)
    samples   args   arguments by position, all required ones; the first one is `self` of the method
              named  arguments that may be named, under PyTorch's names
              order  the same by position: a name, or {"default": value} for a gap; null where PyTorch doesn't tell
              out    the result;  grads: of sum(out * cotangent) for each input that requires a gradient, in order of
                     appearance;  after: the arguments after the call, where the call changed them
              inplace  whether args[0].op_(...) gives the same
              random   (instead of out) shape, dtype and statistics
    errors    args, named, and PyTorch's message

The cotangent of element i of output k is ((7 i + 3 k) mod 11 - 5) / 4: exact in every dtype, and not worth storing.
"""

import copy
import itertools
import os
import sys
import warnings

import torch
from torch.testing._internal.common_methods_invocations import BinaryUfuncInfo, UnaryUfuncInfo, op_db

import handwritten
from encoding import FIXTURES, Unrecordable, dumps, encode, header, write_gzip
from signatures import bind

HERE = os.path.dirname(os.path.abspath(__file__))
# Numbers (of inputs, outputs and gradients) to keep for each operator and dtype, and for one sample.
BUDGET = {
    torch.float64: 1400, torch.float32: 2000, torch.int64: 1500, torch.bool: 600,
    torch.float16: 250, torch.bfloat16: 250, torch.int32: 250, torch.uint8: 250,
}  # fmt: skip
SAMPLES = 32
LARGEST = 900
ERRORS = 32
WHOLE = [torch.float32, torch.float64, torch.int64, torch.bool]

SKIPPED_VARIANTS = {
    ('nn.functional.silu', 'complex'), ('nn.functional.batch_norm', 'without_cudnn'), ('addmm', 'decomposed'), ('normal', 'in_place'),
    ('linalg.pinv', 'singular'),
}  # fmt: skip
RANDOM = {
    'randn', 'randn_like', 'rand_like', 'randint', 'normal', 'uniform', 'bernoulli', 'multinomial',
    'nn.functional.dropout', 'nn.functional.dropout2d', 'nn.functional.alpha_dropout', 'nn.functional.gumbel_softmax',
    'nn.functional.rrelu', 'nn.functional.dropout3d', 'nn.functional.feature_alpha_dropout', 'cauchy', 'exponential',
    'geometric', 'log_normal', 'nn.functional.fractional_max_pool2d', 'nn.functional.fractional_max_pool3d', 'svd_lowrank',
    'pca_lowrank', 'randint_like',
}  # fmt: skip
UNINITIALISED = {'empty', 'empty_like', 'empty_permuted', 'empty_strided', 'new_empty', 'new_empty_strided'}
INPLACE = {'uniform', 'cauchy', 'exponential', 'geometric', 'log_normal'}
PROPERTIES = {'T', 'mT', 'H', 'mH'}
SPECIAL = [float('nan'), float('inf'), float('-inf'), 0, -0.0, 1, -1, 0.5, -0.5, 2, 3.7, -3.7, 1e-5, 88, -104, 1e10]


def resolve(name):
    """PyTorch's callable of that name, and the forms in which it exists."""
    target = torch
    for part in name.split('.'):
        target = getattr(target, part, None)
    method = getattr(torch.Tensor, name, None) if '.' not in name else None
    forms = []
    if name in PROPERTIES:
        return (lambda x: getattr(x, name)), ['property']
    if callable(target) and name not in ('unfold',):
        forms.append('function')
    if callable(method) or name == '__getitem__':
        forms.append('method')
    if name == '__getitem__':
        return (lambda x, *key: x[key]), forms
    if name in INPLACE:
        return getattr(torch.Tensor, f'{name}_'), ['inplace']
    if name == 'zero_':
        return torch.zero_, ['inplace']
    return (target if 'function' in forms else method), forms


# ---- samples ----------------------------------------------------------------------------------------------------------


def tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for x in value:
            yield from tensors(x)
    elif isinstance(value, dict):
        for x in value.values():
            yield from tensors(x)


def fresh(value):
    """A deep copy of the arguments: tensors keep strides and requires_grad, and become leaves. A float without a fraction
    becomes an int, because JavaScript cannot tell them apart."""
    if isinstance(value, torch.Tensor):
        copied = copy.deepcopy(value.detach())
        return copied.requires_grad_(value.requires_grad)
    if isinstance(value, torch.Size):
        return list(value)
    if isinstance(value, (list, tuple)):
        return type(value)(fresh(x) for x in value)
    if isinstance(value, dict):
        return {k: fresh(v) for k, v in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def index_key(key):
    """The key of x[key] as separate arguments. A list of numbers is a tensor of indices; a list of anything else stands
    for a tuple, as PyTorch reads it."""
    numbers = lambda k: isinstance(k, list) and all(isinstance(i, int) for i in k)  # noqa: E731
    if isinstance(key, list) and not numbers(key):
        key = tuple(key)
    return [torch.tensor(k) if numbers(k) else k for k in (key if isinstance(key, tuple) else (key,))]


def arguments(name, variant, sample):
    args, kwargs = [sample.input, *sample.args], dict(sample.kwargs)
    if name == 'einsum':  # OpInfo: (tensors, equation)
        args = [args[1], *args[0]]
    elif name == 'where':  # OpInfo: (self, condition, other)
        args = [args[1], args[0], args[2]]
    elif name in ('nn.functional.embedding', 'nn.functional.embedding_bag'):  # OpInfo: (weight, input)
        args = [args[1], args[0], *args[2:]]
    elif name == 'normal' and variant == 'number_mean':  # OpInfo: (std, mean)
        args = [args[1], args[0]]
    elif name in ('eye', 'arange', 'linspace', 'randn', 'zeros', 'ones', 'empty', 'tril_indices', 'triu_indices'):
        kwargs.pop('requires_grad', None)
    if name == '__getitem__':  # x[key] is x.index(...key); a list as a key is a tensor of indices
        args = [args[0], *index_key(args[1])]
    if name in ('meshgrid', 'broadcast_tensors') and isinstance(args[0], (list, tuple)) and variant != 'list_of_tensors':
        args = [*args[0], *args[1:]]
    for key in ('device', 'layout', 'pin_memory'):
        if key in kwargs:
            if str(kwargs[key]) not in ('cpu', 'torch.strided', 'None', 'False'):
                raise Unrecordable(key)
            del kwargs[key]
    if kwargs.get('memory_format') in (torch.contiguous_format, torch.preserve_format):
        del kwargs['memory_format']
    if kwargs.pop('inplace', False):
        raise Unrecordable('inplace')
    if 'out' in kwargs:
        raise Unrecordable('out')
    if name == 'as_strided' and args[0].storage_offset() > 0:
        raise Unrecordable('memory in front of a tensor')
    if name == 'nn.functional.multi_head_attention_forward' and args[10] > 0:
        raise Unrecordable('dropout')
    for key in ('atol', 'rtol'):  # linalg.pinv's samples ask for a gradient that PyTorch refuses
        if isinstance(kwargs.get(key), torch.Tensor):
            kwargs[key] = kwargs[key].detach()
    return fresh(args), fresh(kwargs)


def special_values(info, dtype):
    """Elementwise operators also meet nan, infinities, signed zeros, an empty tensor and a transposed one."""
    if not dtype.is_floating_point or info.name in RANDOM | {'int', 'long'}:  # nan as an integer is undefined
        return
    differentiable = info.supports_autograd and dtype in (torch.float32, torch.float64)
    special = torch.tensor(SPECIAL, dtype=dtype)
    if isinstance(info, UnaryUfuncInfo):
        _, kwargs = info.sample_kwargs('cpu', dtype, special)
        yield [special.clone().requires_grad_(differentiable)], kwargs
        yield [torch.empty(0, 3, dtype=dtype).requires_grad_(differentiable)], kwargs
        yield [(special[3:15].reshape(3, 4).t() / 4).detach().requires_grad_(differentiable)], kwargs
    elif isinstance(info, BinaryUfuncInfo):
        few = torch.tensor([float('nan'), float('inf'), float('-inf'), 0, -0.0, 1, -2.5, 3], dtype=dtype)
        yield [few.reshape(-1, 1).clone().requires_grad_(differentiable), few.clone().requires_grad_(differentiable)], {}


def features(args, kwargs):
    """What makes a sample different from others: the shape, layout or value of each argument."""

    def of(value):
        if isinstance(value, torch.Tensor):
            return (value.dim(), value.numel() == 0, value.is_contiguous(), 1 in value.shape, str(value.dtype))
        if isinstance(value, (list, tuple)):
            return tuple(of(x) for x in value)
        return repr(value)

    out = {(str(i), of(x)) for i, x in enumerate(args)} | {(k, of(v)) for k, v in kwargs.items()}
    return out | {('shape', tuple(tuple(t.shape) for t in tensors(args)))}


# ---- recording --------------------------------------------------------------------------------------------------------


def cotangent(tensor, k):
    i = torch.arange(tensor.numel())
    return (((7 * i + 3 * k) % 11 - 5) / 4).to(tensor.dtype).reshape(tensor.shape)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))


def record_inplace(name, args, kwargs, out):
    method = getattr(torch.Tensor, f'{name}_', None)
    if method is None or not isinstance(args[0], torch.Tensor) or not isinstance(out, torch.Tensor):
        return False
    copied, named = fresh(args), fresh(kwargs)
    with torch.no_grad():
        try:
            if not any(s == 0 and n > 1 for s, n in zip(args[0].stride(), args[0].shape)):
                result = method(*copied, **named)
                return result is copied[0] and same(result, out)
        except (RuntimeError, TypeError, ValueError, IndexError):
            pass
    return False


def statistics(tensor):
    x = tensor.double()
    out = {'dtype': encode(tensor.dtype)['torch'], 'shape': list(tensor.shape)}
    if x.numel() >= 1000:
        out.update(mean=x.mean().item(), std=x.std().item(), zeros=(x == 0).double().mean().item())
        out.update(min=x.min().item(), max=x.max().item())
    return out


def drop_strides(coded):
    for x in coded if isinstance(coded, list) else [coded]:
        if isinstance(x, dict):
            x.pop('strides', None)


def record(name, function, args, kwargs):
    row = {}
    fixed, named, order = bind(name, function, args, kwargs)
    row['args'], row['named'] = encode(fixed), encode(named)
    if order != []:
        row['order'] = encode(order)
    given, given_named = fresh(args), fresh(kwargs)
    leaves = [t for t in tensors([given, list(given_named.values())]) if t.requires_grad]
    torch.manual_seed(0)
    changes_self = name in INPLACE | {'zero_'}
    with torch.set_grad_enabled(not changes_self):
        out = function(*given, **given_named)
    idle = 'dropout' in name and (kwargs.get('training') is False or kwargs.get('p') == 0)
    certain = name not in RANDOM and not kwargs.get('dropout_p') or idle or name.endswith('rrelu') and not kwargs.get('training')
    if not certain or name in UNINITIALISED:
        row['random'] = statistics(next(tensors(out)))
        return row, 0
    row['out'] = encode(out)
    drop_strides(row['out'])
    if isinstance(out, (list, tuple)) and hasattr(out, '_fields'):
        row['fields'] = list(out._fields)
    elif isinstance(out, (list, tuple)) and type(out).__name__ in ('max', 'min', 'sort', 'topk', 'median', 'mode', 'kthvalue',
                                                                   'cummax', 'cummin', 'aminmax'):  # fmt: skip
        row['fields'] = ['min', 'max'] if name == 'aminmax' else ['values', 'indices']
    elif name in ('svd', 'linalg.svd'):
        row['fields'] = ['U', 'S', 'V' if name == 'svd' else 'Vh']
    elif name == 'linalg.eigh':
        row['fields'] = ['eigenvalues', 'eigenvectors']
    after, named_after = encode(given), encode(given_named)
    if not changes_self and (after != encode(args) or named_after != encode(kwargs)):
        row['after'] = {'args': encode(bind(name, function, given, given_named)[0]),
                        'named': encode(bind(name, function, given, given_named)[1])}  # fmt: skip
    outputs = list(tensors(out))
    differentiable = [(k, t) for k, t in enumerate(outputs) if t.requires_grad]
    if leaves and differentiable and not changes_self:
        grads = torch.autograd.grad([t for _, t in differentiable], leaves, [cotangent(t, k) for k, t in differentiable],
                                    allow_unused=True)  # fmt: skip
        row['grads'] = [None if g is None else encode(g.detach().contiguous()) for g in grads]
    elif leaves:
        row['grads'] = [None] * len(leaves)
    if not changes_self and record_inplace(name, args, kwargs, out):
        row['inplace'] = True
    size = sum(t.numel() for t in tensors([args, list(kwargs.values()), outputs]))
    return row, size + sum(t.numel() for t in leaves) * bool(differentiable)


def choose(candidates, budget):
    """Takes the samples that show most that is new for their size, until the budget is spent."""
    chosen, seen, spent = [], set(), 0
    rest = [(index, features(args, kwargs), row, size) for index, (args, kwargs, row, size) in enumerate(candidates)]
    while rest and len(chosen) < SAMPLES:
        index, found, row, size = max(rest, key=lambda r: (len(r[1] - seen) / (30 + r[3]) ** 0.5, -r[0]))
        rest = [r for r in rest if r[0] != index]
        if not found - seen or spent + size > (budget if chosen else 4 * budget):
            continue
        chosen.append((index, row))
        seen |= found
        spent += size
    return [row for _, row in sorted(chosen, key=lambda c: c[0])]


def samples_of(name, function, generators, budgets, largest=LARGEST):
    """Rows of the samples; with budgets, those of each dtype that show most."""
    out, inplace = [], False
    for dtype, generate in generators:
        candidates = []
        for args, kwargs in generate:
            elements = sum(t.numel() for t in tensors([args, list(kwargs.values())]))
            if elements > largest:
                continue
            try:
                row, size = record(name, function, args, kwargs)
            except Unrecordable:
                continue
            except Exception as error:
                print(f'  {name} {dtype}: {type(error).__name__}: {str(error).splitlines()[0][:150]}', file=sys.stderr)
                continue
            if size > max(4000, largest):
                continue
            inplace = inplace or bool(row.get('inplace'))
            candidates.append((args, kwargs, row, size))
        out += choose(candidates, budgets[dtype]) if dtype in budgets else [row for *_, row, _ in candidates]
    return out, inplace


def opinfo_generator(info, dtype):
    torch.manual_seed(0)
    wants_grad = dtype in (torch.float32, torch.float64) and info.supports_autograd
    for sample in itertools.islice(info.sample_inputs('cpu', dtype, requires_grad=wants_grad), 2000):
        if isinstance(info, UnaryUfuncInfo) and sample.input.numel() > 60:
            sample.input = sample.input.detach()[:6, :7].contiguous().requires_grad_(wants_grad)
        try:
            yield arguments(info.name, info.variant_test_name, sample)
        except Unrecordable:
            continue
    yield from special_values(info, dtype)


def errors_of(name, function, infos):
    calls = [(*call, '') for call in handwritten.errors(name)]
    for info in infos:
        if info.error_inputs_func is not None:
            torch.manual_seed(0)
            calls += [(e.sample_input, None, info.variant_test_name) for e in info.error_inputs('cpu')]
    out = []
    for args, kwargs, variant in calls:
        try:
            if kwargs is None:
                args, kwargs = arguments(name, variant, args)
            if sum(t.numel() for t in tensors([args, list(kwargs.values())])) > 500:
                continue
            fixed, named, _ = bind(name, function, args, kwargs)
            row = {'args': encode(fixed), 'named': encode(named)}
        except Unrecordable:
            continue
        try:
            function(*args, **kwargs)
        except Exception as error:
            out.append({**row, 'message': f'{type(error).__name__}: {error}'.split('\n')[0]})
        else:
            print(f'  {name}: not refused: {dumps(row)[:200]}', file=sys.stderr)
    return out


def record_whole(name, folder):
    """All samples and refusals of an operator, of a few dtypes, into a folder of their own."""
    infos = [o for o in op_db if o.name == name and (name, o.variant_test_name) not in SKIPPED_VARIANTS]
    function, forms = handwritten.REFERENCES.get(name) or resolve(name)
    if not callable(function):
        function = infos[0].op
    out, inplace = [], False
    for info in infos:
        generators = [(d, opinfo_generator(info, d)) for d in WHOLE if d in info.dtypes]
        rows, writes = samples_of(name, function, generators, {}, 20000)
        out, inplace = out + rows, inplace or writes
    errors = errors_of(name, function, infos)
    forms = [*forms, *(['inplace'] if inplace and 'inplace' not in forms else [])]
    head = {'op': name, **header('operators.py'), 'forms': forms, 'samples': out, 'errors': errors}
    write_gzip(os.path.join(os.path.abspath(folder), f'{name}.json.gz'), dumps(head))
    return len(out), len(errors)


BORROWED = {'cholesky': 'linalg.cholesky'}  # of which this PyTorch has no samples


def record_operator(name):
    infos = [o for o in op_db if o.name == BORROWED.get(name, name) and (name, o.variant_test_name) not in SKIPPED_VARIANTS]
    function, forms = handwritten.REFERENCES.get(name) or resolve(name)
    out, inplace, errors = [], False, []
    for info in infos:
        share = {d: n * (1 if len(infos) == 1 else 1.6) / len(infos) for d, n in BUDGET.items()}
        generators = [(d, opinfo_generator(info, d)) for d in BUDGET if d in info.dtypes]
        rows, writes = samples_of(name, function, generators, share)
        out, inplace = out + rows, inplace or writes
    by_hand = [(None, [(args, kwargs) for args, kwargs in handwritten.samples(name)])]
    rows, writes = samples_of(name, function, by_hand, {})
    out, inplace = out + rows, inplace or writes
    errors = errors_of(name, function, infos)
    if not out:
        print(f'  {name}: no samples', file=sys.stderr)
    if inplace and 'inplace' not in forms:
        forms = [*forms, 'inplace']
    head = {'op': name, **header('operators.py'), 'forms': forms}
    text = dumps(head)[:-1] + ',"samples":[\n' + ',\n'.join(map(dumps, out)) + '\n],"errors":[\n'
    text += ',\n'.join(map(dumps, errors[:ERRORS])) + '\n]}\n'
    path = f'operators/{name}.json.gz'
    write_gzip(path, text)
    return len(out), len(errors), os.path.getsize(os.path.join(FIXTURES, path))


def main():
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    names = [line.split()[1] for line in open(os.path.join(HERE, 'ops.txt')) if line.strip()]
    if sys.argv[1:2] == ['--whole']:
        for name in sys.argv[3:] or sorted({o.name for o in op_db}):
            try:
                print(f'{name:45} {record_whole(name, sys.argv[2])}', flush=True)
            except Exception as error:
                print(f'  {name}: {type(error).__name__}: {error}'.split('\n')[0], file=sys.stderr)
        return
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        raise SystemExit(f'not in ops.txt: {", ".join(sorted(unknown))}')
    total = 0
    for name in sys.argv[1:] or names:
        samples, errors, size = record_operator(name)
        total += size
        print(f'{name:45} {samples:4} samples {errors:3} errors {size:7} bytes')
    print(f'{total} bytes')


if __name__ == '__main__':
    main()
