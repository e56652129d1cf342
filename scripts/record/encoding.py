"""How the recorders write Python values as JSON. test/operators/format.ts reads them back.

    tensor      {"dtype": "float32", "shape": [2, 3], "data": [...]}     elements in row-major order
                + "strides" when it is not contiguous, + "grad": true when it requires a gradient
    numbers     inside data: JSON numbers; "nan", "inf", "-inf"; integers beyond 2^53 as strings of digits
    scalars     JSON numbers, except {"float": "nan"} and {"int": "9223372036854775807"}
    dtype       {"torch": "float32"}      slice  {"slice": [start, stop, step]}      Ellipsis  {"ellipsis": true}
    None, bool, str, list and dict stand for themselves; a tuple becomes a list.

Floats keep the shortest decimal that reads back to the same bits.
"""

import gzip
import json
import math
import os

import numpy
import torch

FIXTURES = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'test', 'fixtures'))

DTYPES = {
    torch.float32: 'float32', torch.float64: 'float64', torch.float16: 'float16', torch.bfloat16: 'bfloat16',
    torch.int64: 'int64', torch.int32: 'int32', torch.int16: 'int16', torch.int8: 'int8', torch.uint8: 'uint8',
    torch.bool: 'bool',
}  # fmt: skip


class Unrecordable(Exception):
    """A value that has no place in Tenfold: complex numbers, devices other than the CPU, channels-last memory."""


def number(value):
    if isinstance(value, int):
        return value if abs(value) <= 2**53 else str(value)
    if math.isnan(value):
        return 'nan'
    if math.isinf(value):
        return 'inf' if value > 0 else '-inf'
    if value == int(value) and abs(value) < 2**53 and (value != 0 or math.copysign(1, value) > 0):
        return int(value)
    return value


def elements(tensor):
    flat = tensor.detach().contiguous().reshape(-1)
    if torch._is_zerotensor(flat):
        flat = torch.zeros_like(flat)
    if tensor.dtype == torch.bool:
        return [int(x) for x in flat.tolist()]
    if tensor.dtype == torch.float64 or not tensor.dtype.is_floating_point:
        return [number(x) for x in flat.tolist()]
    # str(numpy.float32) is the shortest decimal that rounds to the float32; half and bfloat16 fit in a float32.
    return [number(float(str(x))) for x in flat.to(torch.float32).numpy()]


def encode_tensor(tensor):
    if tensor.dtype not in DTYPES or tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != 'cpu':
        raise Unrecordable(f'{tensor.dtype} {tensor.layout} {tensor.device}')
    out = {'dtype': DTYPES[tensor.dtype], 'shape': list(tensor.shape), 'data': elements(tensor)}
    if not tensor.is_contiguous():
        out['strides'] = list(tensor.stride())
    if tensor.requires_grad:
        out['grad'] = True
    return out


def encode(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, torch.Tensor):
        return encode_tensor(value)
    if isinstance(value, numpy.generic):
        return encode(value.item())
    if isinstance(value, int):
        return value if abs(value) <= 2**53 else {'int': str(value)}
    if isinstance(value, float):
        coded = number(value)
        return {'float': coded} if isinstance(coded, str) else coded
    if value is Ellipsis:
        return {'ellipsis': True}
    if isinstance(value, slice):
        return {'slice': [value.start, value.stop, value.step]}
    if isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise Unrecordable(value)
        return {'torch': DTYPES[value]}
    if isinstance(value, (list, tuple)):  # torch.Size and named tuples too
        return [encode(x) for x in value]
    if isinstance(value, dict):
        return {k: encode(v) for k, v in value.items()}
    raise Unrecordable(type(value))


def dumps(value):
    return json.dumps(value, separators=(',', ':'), allow_nan=False)


def header(recorder):
    return {'recorder': f'scripts/record/{recorder}', 'torch': torch.__version__}


def write_gzip(path, text):
    """Without time or name in the gzip header, so that the same text gives the same bytes."""
    path = os.path.join(FIXTURES, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as raw, gzip.GzipFile('', 'wb', 9, raw, mtime=0) as file:
        file.write(text.encode())


def write_json(path, recorder, lists):
    """One row a line, so that a diff shows which rows changed."""
    path = os.path.join(FIXTURES, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(json.dumps(header(recorder))[:-1])
        for key, rows in lists.items():
            lines = ',\n'.join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
            file.write(f', "{key}": [\n{lines}\n]')
        file.write('}\n')
