"""Records what PyTorch's modules compute: test/fixtures/module_samples/<Module>.json.gz

    python3 scripts/record/module_samples.py [Module ...]
    python3 scripts/record/module_samples.py --whole DIR [Module ...]   every sample of ModuleInfo: for test/nn/whole.ts

The samples are PyTorch's own (module_db, the table that drives PyTorch's tests of modules), in float32 and float64, in
training mode and, where it differs, in evaluation. Each file holds

    module, recorder, torch
    samples   dtype, training
              args, named          of the constructor, required ones by position; a module among them is
                                   {"module": its name, args, named}, a function {"function": its name}
              text                 how the module prints, in Tenfold's spelling
              initial              state dict (key -> tensor, {"uninitialized": true} in lazy modules) of the module as made
                                   after manual_seed(0), then converted to dtype
              forward              args, named of the call, made after manual_seed(0) once more
              out                  the result: a tensor, or lists of them
              after                what the call changed: buffers and parameters by key
              becomes              the class of a lazy module after the call
              grads, parameterGrads  of sum(out * cotangent), of the inputs in order of appearance and by key
              second               (float64) of sum(gradients * cotangent) in turn, inputs and parameters in that order; of the
                                   gradients whose places are in `through`
              inplace              whether the module has an option `inplace` that gives the same
    errors    args, named; forward, initial where the call is what PyTorch refuses; its message

A whole recording has every sample, the tests' fixtures those that differ most within a budget.
"""

import dataclasses
import inspect
import os
import sys
import warnings

import torch
from torch import nn
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

from encoding import FIXTURES, Unrecordable, dumps, encode, encode_tensor, header, write_gzip
from modules import respelt
from operators import cotangent, fresh, tensors

DTYPES = [torch.float32, torch.float64]
# Numbers to keep for each module, of state, results and gradients; and samples.
BUDGET = 4000
SAMPLES = 24
SMALL = 1200
# What the inspected signature of a constructor doesn't tell: RNN(*args, **kwargs).
REQUIRED = {'RNN': ['input_size', 'hidden_size'], 'LSTM': ['input_size', 'hidden_size'], 'GRU': ['input_size', 'hidden_size']}


def remember_arguments():
    """Modules given to constructors are recorded by what they were made of."""
    for name in ('TransformerEncoderLayer', 'TransformerDecoderLayer', 'LayerNorm', 'Linear'):
        module_class = getattr(nn, name)
        original = module_class.__init__

        def init(self, *args, _original=original, **kwargs):
            _original(self, *args, **kwargs)
            self.__dict__.setdefault('made_of', (args, kwargs))

        init.__signature__ = inspect.signature(original)
        module_class.__init__ = init


def coded(value, dtype):
    if isinstance(value, nn.Module):
        args, kwargs = value.made_of
        return {'module': type(value).__name__, **bound(type(value), type(value).__init__, args, kwargs, dtype)}
    if dataclasses.is_dataclass(value):
        return {k: coded(v, dtype) for k, v in ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value)) if v is not None}
    if isinstance(value, nn.utils.rnn.PackedSequence):
        return {'packed': [encode(x) for x in value]}
    if isinstance(value, (list, tuple)):
        return [coded(x, dtype) for x in value]
    if callable(value) and not isinstance(value, (torch.dtype, torch.Tensor)):
        if not hasattr(torch.nn.functional, getattr(value, '__name__', '')):
            raise Unrecordable(value)
        return {'function': value.__name__}
    return encode(anew(value))


def bound(owner, function, args, kwargs, dtype):
    """Required arguments by position, the others as they were given; device is left out."""
    kwargs = {k: v for k, v in kwargs.items() if k != 'device'}
    required = REQUIRED.get(owner.__name__) if function is owner.__init__ else None
    if required is None:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        required = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    args = list(args)
    for name in required[len(args) :]:
        if name in kwargs:
            args.append(kwargs.pop(name))
    return {'args': [coded(x, dtype) for x in args], 'named': {k: coded(v, dtype) for k, v in kwargs.items()}}


def state_of(module):
    return {k: {'uninitialized': True} if nn.parameter.is_lazy(t) else encode_tensor(t.detach())
            for k, t in module.state_dict(keep_vars=True).items()}  # fmt: skip


def anew(value):
    """JavaScript has no 2.0; a module among the arguments is made anew, of the same random numbers as Tenfold's."""
    if isinstance(value, nn.Module):
        args, kwargs = value.made_of
        return type(value)(*args, **kwargs)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def make(info, sample):
    torch.manual_seed(0)
    given = sample.constructor_input
    return info.module_cls(*map(anew, given.args), **{k: anew(v) for k, v in given.kwargs.items()})


def floating(value):
    return [t for t in tensors(flat(value)) if t.is_floating_point()]


def flat(value):
    if isinstance(value, nn.utils.rnn.PackedSequence):
        return value.data
    if isinstance(value, (list, tuple)):
        return [flat(x) for x in value]
    return value


def renewed(value):
    """A copy whose tensors are leaves, as `fresh`, packed sequences too."""
    if isinstance(value, nn.utils.rnn.PackedSequence):
        return nn.utils.rnn.PackedSequence(fresh(value.data), *value[1:])
    if isinstance(value, (list, tuple)):
        return type(value)(renewed(x) for x in value)
    if isinstance(value, dict):
        return {k: renewed(v) for k, v in value.items()}
    return fresh(value) if isinstance(value, torch.Tensor) else value


def record(info, sample, dtype, training):
    args, kwargs = sample.forward_input.args, sample.forward_input.kwargs
    row = {'dtype': encode(dtype)['torch'], 'training': training}
    given = sample.constructor_input
    row.update(bound(info.module_cls, info.module_cls.__init__, given.args, given.kwargs, dtype))
    module = make(info, sample).to(dtype).train(training)
    row['text'] = respelt(repr(module))
    row['initial'] = state_of(module)
    row['forward'] = bound(info.module_cls, info.module_cls.forward, args, kwargs, dtype)
    args, kwargs = renewed(args), renewed(kwargs)
    inputs = [t for t in tensors(flat([list(args), list(kwargs.values())])) if t.requires_grad]
    torch.manual_seed(0)
    out = module(*args, **kwargs)
    row['out'] = coded(out, dtype)
    after = state_of(module)
    row['after'] = {k: v for k, v in after.items() if v != row['initial'].get(k)}
    if info.is_lazy:
        row['becomes'] = type(module).__name__
    parameters = dict(module.named_parameters())
    leaves = [*inputs, *parameters.values()]
    outputs = [t for t in tensors(flat(out)) if t.requires_grad]
    if outputs and leaves:
        twice = dtype == torch.float64 and info.supports_gradgrad
        grads = torch.autograd.grad(outputs, leaves, [cotangent(t, k) for k, t in enumerate(outputs)],
                                    allow_unused=True, create_graph=twice)  # fmt: skip
        plain = [None if g is None else encode(g.detach().contiguous()) for g in grads]
        row['grads'], row['parameterGrads'] = plain[: len(inputs)], dict(zip(parameters, plain[len(inputs) :]))
        again = [g for g in grads if g is not None and g.requires_grad]
        if twice and again:
            try:
                second = torch.autograd.grad(again, leaves, [cotangent(g, k) for k, g in enumerate(again)], allow_unused=True)
            except RuntimeError as error:  # a few derivatives have none of their own in PyTorch
                if 'not implemented' not in str(error):
                    raise
            else:
                row['second'] = [None if g is None else encode(g.detach().contiguous()) for g in second]
                row['through'] = [i for i, g in enumerate(grads) if g is not None and g.requires_grad]
    if 'inplace' in inspect.signature(info.module_cls.__init__).parameters and 'inplace' not in given.kwargs:
        row['inplace'] = True
    return row


def samples_of(info, whole):
    out, seen = [], set()
    for dtype in DTYPES:
        if dtype not in info.dtypes:
            continue
        for training in (True, False) if info.train_and_eval_differ else (True,):
            torch.manual_seed(0)
            for sample in info.module_inputs_func(info, device='cpu', dtype=dtype, requires_grad=True, training=training):
                try:
                    row = record(info, sample, dtype, training)
                except (Unrecordable, NotImplementedError) as error:
                    print(f'  {info.name} {dtype}: {type(error).__name__}: {error}'.split('\n')[0][:200], file=sys.stderr)
                    continue
                text = dumps([row['args'], row['named'], row['forward'], row['training'], dtype == torch.float64])
                if text not in seen:
                    seen.add(text)
                    out.append(row)
    return out if whole else choose(out)


def numbers(value):
    if isinstance(value, dict):
        return len(value['data']) if 'data' in value else sum(map(numbers, value.values()))
    return sum(map(numbers, value)) if isinstance(value, list) else 0


def features(value, path=''):
    """Shapes and options of a row, without the numbers."""
    if isinstance(value, dict) and 'data' in value:
        return {(path, tuple(value['shape']), value['dtype'])}
    if isinstance(value, dict):
        return set().union(*(features(v, f'{path}.{k}') for k, v in value.items())) if value else set()
    if isinstance(value, list):
        return set().union(*(features(v, f'{path}.{i}') for i, v in enumerate(value))) if value else set()
    return {(path, repr(value))}


def choose(rows):
    asked = [(row, features({k: row[k] for k in ('args', 'named', 'forward', 'training', 'dtype')}), numbers(row)) for row in rows]
    chosen, seen, spent = [], set(), 0
    while asked and len(chosen) < SAMPLES:
        best = max(range(len(asked)), key=lambda i: (len(asked[i][1] - seen) / (30 + asked[i][2]) ** 0.5, -i))
        row, found, size = asked.pop(best)
        if not found - seen or chosen and (size > SMALL or spent + size > BUDGET):
            continue
        chosen.append(row)
        seen |= found
        spent += size
    return [row for row in rows if any(row is c for c in chosen)]


def errors_of(info):
    out = []
    if info.module_error_inputs_func is None:
        return out
    for dtype in DTYPES:
        torch.manual_seed(0)
        for error in info.module_error_inputs_func(info, device='cpu', dtype=dtype, requires_grad=False, training=True):
            sample = error.module_error_input
            given = sample.constructor_input
            try:
                row = {'dtype': encode(dtype)['torch'], 'training': True}
                row.update(bound(info.module_cls, info.module_cls.__init__, given.args, given.kwargs, dtype))
                if any(isinstance(x, float) and x.is_integer() for x in [*given.args, *given.kwargs.values()]) and \
                        error.error_type is TypeError:  # fmt: skip
                    continue  # JavaScript has no 3.0
                if error.error_on is ModuleErrorEnum.CONSTRUCTION_ERROR:
                    call = lambda: make(info, sample)  # noqa: E731
                else:
                    f = sample.forward_input
                    row['forward'] = bound(info.module_cls, info.module_cls.forward, f.args, f.kwargs, dtype)
                    module = make(info, sample)
                    call = lambda: module(*f.args, **f.kwargs)  # noqa: E731
            except Unrecordable as problem:
                print(f'  {info.name}: {problem}', file=sys.stderr)
                continue
            try:
                call()
            except Exception as refusal:
                row['message'] = f'{type(refusal).__name__}: {refusal}'.split('\n')[0]
                if row not in out:
                    out.append(row)
            else:
                print(f'  {info.name}: not refused: {dumps(row)[:200]}', file=sys.stderr)
    return out


def main():
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    remember_arguments()
    given = sys.argv[1:]
    whole = given[:1] == ['--whole']
    folder, only = (os.path.abspath(given[1]), given[2:]) if whole else (os.path.join(FIXTURES, 'module_samples'), given)
    for info in module_db:
        name = info.module_cls.__name__
        if only and name not in only:
            continue
        samples, errors = samples_of(info, whole), errors_of(info)
        head = {'module': name, **header('module_samples.py')}
        text = dumps(head)[:-1] + ',"samples":[\n' + ',\n'.join(map(dumps, samples)) + '\n],"errors":[\n'
        path = os.path.join(folder, f'{name}.json.gz')
        write_gzip(path, text + ',\n'.join(map(dumps, errors)) + '\n]}\n')
        print(f'{name:30} {len(samples):4} samples {len(errors):3} errors {os.path.getsize(path):7} bytes', flush=True)


if __name__ == '__main__':
    main()
