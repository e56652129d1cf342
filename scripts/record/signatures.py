"""Which arguments of a PyTorch call may be given by name, and their order: read from PyTorch itself.

Functions written in Python say it through `inspect`; the others through their schemas (torch._C).
"""

import inspect

import torch
import torch.nn.functional as F

# The aten schema where its name is not the operator's, and the Python function behind a dispatcher.
SCHEMA_NAMES = {'nn.functional.linear': 'linear', 'nn.functional.logsigmoid': 'log_sigmoid'}
PYTHON_FUNCTIONS = {
    **{f'nn.functional.max_pool{n}d': getattr(F, f'_max_pool{n}d') for n in (1, 2, 3)},
    **{f'nn.functional.adaptive_max_pool{n}d': getattr(F, f'_adaptive_max_pool{n}d') for n in (1, 2, 3)},
    'unique': torch.functional._unique_impl,
}
# Python parameters that exist for PyTorch's past or for its internals; a call by position stops before them.
BYGONE = {'size_average', 'reduce', '_stacklevel', 'inplace', 'out'}


class Parameter:
    def __init__(self, name, kind, default=None, type=None):
        self.name, self.kind, self.default, self.type = name, kind, default, type  # kind: required | optional | keyword


def from_schema(schema):
    out = []
    for a in schema.arguments:
        has_default = a.has_default_value()
        kind = 'keyword' if a.kwarg_only else 'optional' if has_default else 'required'
        out.append(Parameter(a.name, kind, a.default_value if has_default else None, str(a.type)))
    return out


def from_python(function):
    out = []
    for p in inspect.signature(function).parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            return None
        optional = p.default is not p.empty
        kind = 'keyword' if p.kind is p.KEYWORD_ONLY else 'optional' if optional else 'required'
        out.append(Parameter(p.name, kind, p.default if optional else None))
    return out


def overloads(name, function):
    """Every parameter list under which the operator can be called."""
    function = PYTHON_FUNCTIONS.get(name, function)
    if inspect.isfunction(function):
        found = from_python(function)
        return [found] if found else []
    bare = SCHEMA_NAMES.get(name, name.replace('nn.functional.', '').replace('.', '_'))
    out = []
    for schema in torch._C._jit_get_schemas_for_operator(f'aten::{bare}'):
        parameters = from_schema(schema)
        if not any(p.name == 'out' or p.name in ('dim', 'dims') and 'str' in p.type for p in parameters):
            out.append(parameters)
    return out


def fits(parameter, value):
    kind = parameter.type
    if kind is None or kind.startswith('Optional') and value is None:
        return True
    kind = kind.removeprefix('Optional[').removesuffix(']') if kind.startswith('Optional') else kind
    if kind == 'Tensor':
        return isinstance(value, torch.Tensor)
    if kind.startswith('List'):
        return isinstance(value, (list, tuple)) or 'int' in kind and isinstance(value, int)
    if isinstance(value, (list, tuple, torch.Tensor)):
        return False
    if kind == 'bool':
        return isinstance(value, bool)
    if kind in ('number', 'float'):
        return isinstance(value, (int, float))
    if kind == 'int':
        return isinstance(value, (int, torch.dtype)) and not isinstance(value, bool)
    return kind != 'str' or isinstance(value, str)


def bind(name, function, args, kwargs):
    """(args, named, order): the arguments that must stand in their place, those that may be named, and the positional
    order of the latter. An entry of `order` is a name, or {"default": value} for a gap. Without a fitting overload the
    call is taken as written, and order is None."""
    choices = overloads(name, function)
    for parameters in choices:
        positional = [p for p in parameters if p.kind != 'keyword']
        by_name = {p.name: p for p in parameters}
        if len(args) > len(positional) or any(k not in by_name for k in kwargs):
            continue
        given = {p.name: value for p, value in zip(positional, args)}
        if set(given) & set(kwargs):
            continue
        given.update(kwargs)
        if any(p.kind == 'required' and p.name not in given for p in parameters):
            continue
        if not all(fits(by_name[k], v) for k, v in given.items()):
            continue
        # `dim` of a reduction is required by its own overload, but sum(x) exists too: so it may be named.
        free = {'dim'} if any('dim' not in {p.name for p in other} for other in choices) else set()
        free -= {positional[0].name} if positional else set()
        fixed = []
        for p in positional:
            if p.kind != 'required' or p.name in free:
                break
            fixed.append(given[p.name])
        rest = positional[len(fixed) :]
        named = {k: v for k, v in given.items() if k not in {p.name for p in positional[: len(fixed)]}}
        order, last = [], max((i for i, p in enumerate(rest) if p.name in named), default=-1)
        for p in rest[: last + 1]:
            if p.name in BYGONE:
                break
            order.append(p.name if p.name in named else {'default': p.default})
        while order and isinstance(order[-1], dict):
            order.pop()
        return fixed, named, order
    return list(args), dict(kwargs), None
