"""Records which dtype every operator's result has under torch.autocast('cpu', bfloat16): test/fixtures/autocast.json.

    python3 scripts/record/autocast.py

Rows: operator, dtype of the result's first tensor for float32 inputs, and for bfloat16 ones; of the first of OpInfo's samples that works.
"""

import itertools
import os
import warnings

import torch
from encoding import write_json
from operators import RANDOM, UNINITIALISED, tensors
from torch.testing._internal.common_methods_invocations import op_db


def result_dtype(info, dtype):
    for sample in itertools.islice(info.sample_inputs('cpu', torch.float32), 8):
        convert = lambda x: x.detach().to(dtype) if isinstance(x, torch.Tensor) and x.is_floating_point() else x  # noqa: E731
        walk = lambda x: [walk(y) for y in x] if isinstance(x, (list, tuple)) else convert(x)  # noqa: E731
        args = [walk(sample.input), *(walk(a) for a in sample.args)]
        try:
            with torch.autocast('cpu', dtype=torch.bfloat16):
                out = info.op(*args, **{k: walk(v) for k, v in sample.kwargs.items()})
            return str(next(tensors(out if isinstance(out, (torch.Tensor, list, tuple)) else [])).dtype).removeprefix('torch.')
        except Exception:
            continue
    return None


def main():
    warnings.simplefilter('ignore')
    here = os.path.dirname(os.path.abspath(__file__))
    listed = {line.split()[1] for line in open(os.path.join(here, 'ops.txt')) if line.strip()}
    rows = []
    for info in op_db:
        if info.name not in listed - RANDOM - UNINITIALISED or info.variant_test_name or torch.float32 not in info.dtypes:
            continue
        torch.manual_seed(0)
        found = [result_dtype(info, dtype) for dtype in (torch.float32, torch.bfloat16)]
        if None not in found:
            rows.append([info.name, *found])
    write_json('autocast.json', 'autocast.py', {'rows': rows})


if __name__ == '__main__':
    main()
