"""Records how PyTorch prints tensors: test/fixtures/printing.json

    python3 scripts/record/printing.py

A row of `tensors` has `tensor` (see encoding.py) and `text`, and where they apply
    apply      a method called on the tensor before printing: so it has a gradFn
    parameter  true: it is an nn.Parameter
    options    of setPrintoptions, set for this row only

The text is PyTorch's, with JavaScript's spelling of what follows the elements: requiresGrad=true for requires_grad=True,
gradFn= for grad_fn=, dtype=int32 for dtype=torch.int32; and true and false among the elements. The suffixes are respelt
before PyTorch breaks the line at the 80th column, so that it breaks it where Tenfold must.
"""

import math
import re

import torch
import torch._tensor_str as printer

from encoding import encode, number, write_json

RESPELT = [('requires_grad=True', 'requiresGrad=true'), ('grad_fn=', 'gradFn='), ('dtype=torch.', 'dtype=')]
add_suffixes = printer._add_suffixes


def respell(suffix):
    for python, javascript in RESPELT:
        suffix = suffix.replace(python, javascript)
    return suffix


printer._add_suffixes = lambda text, suffixes, *rest, **named: add_suffixes(text, [respell(s) for s in suffixes], *rest, **named)

ROWS = []


def show(tensor, apply=None, parameter=False, **options):
    if tensor.is_floating_point() and tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.detach().clone().requires_grad_(tensor.requires_grad)
    row = {'tensor': encode(tensor)}
    shown = getattr(tensor, apply)() if apply else tensor
    if apply:
        row['apply'] = apply
    if parameter:
        shown, row['parameter'] = torch.nn.Parameter(tensor.detach(), tensor.requires_grad), True
    if options:
        row['options'] = {k: number(v) if isinstance(v, float) else v for k, v in options.items()}
        torch.set_printoptions(**options)
    text = respell(repr(shown))
    torch.set_printoptions(profile='default')
    torch.set_printoptions(sci_mode=None)
    row['text'] = re.sub(r'\bTrue\b', 'true', re.sub(r'\bFalse\b', 'false', text))
    ROWS.append(row)


def tensor(data, dtype=None, grad=False):
    return torch.tensor(data, dtype=dtype).requires_grad_(grad)


def main():
    nan, inf = math.nan, math.inf
    torch.manual_seed(0)
    # ---- floats: width, digits, scientific notation
    for data in [
        [1.0, 2.0, 3.0], [0.0], [-0.0, 0.0], [1.5, 2.25, -3.125], [0.1, 0.2, 0.3], [1.0, 10.0, 100.0], [1e3, 1e4, 1e5],
        [1e-4, 1.0], [1e-5, 1.0], [1e-3, 1.0], [1e-5], [1e5, 1.5], [123456.0, 1.0], [1e7, 1.0], [1e8], [1e8, 1.0], [99999999.0],
        [1e10, 1e-10], [1e-45], [3.4e38], [1 / 3, 2 / 3], [1000.5, 0.001], [1000.5, 1.0], [12345.678, 0.5], [0.00012345],
        [100000.5, 1.0], [1.0, 2.0, nan], [1.5, nan], [inf, 1.0], [-inf, 1.5], [nan, inf, -inf], [nan], [inf], [1e-8, nan],
        [1e9, inf], [-1.0, -2.5, 3.0], [-1e-6, 1e6], [0.5, 1e3, 1e4], [1e-4, 1e-4], [1e-4 * 0.9, 1.0], [1e3, 1.0001],
        [2.0, 3e8], [5e-5, 5e-2], [0.99999, 0.999999], [9.99995, 1.0], [999.99995, 1.5],
    ]:  # fmt: skip
        show(tensor(data))
    for value in [0.0, 1.0, -1.5, 3.14159265, 1e-7, 1e10, nan, inf, -inf, 12345678.0, 0.0001, 1e5 + 0.5]:
        show(tensor(value))
    for value in [1.0, 1e-7, math.pi, 1e300, nan]:
        show(tensor(value, torch.float64))
    show(tensor([1.0, 2.5], torch.float64))
    show(tensor([1e-300, 1.0], torch.float64))
    show(tensor([math.pi, math.e], torch.float64))
    for dtype in (torch.float16, torch.bfloat16):
        show(tensor([1.0, 2.0], dtype))
        show(tensor([0.1, 65000.0], dtype))
        show(tensor(3.14159, dtype))
    # ---- integers and bool
    for data in [[1, 2, 3], [0], [-1, 10, 100], [1000000000000], [2**53, -(2**53)], [2**63 - 1, -(2**63)], 7, -7]:
        show(tensor(data))
    for dtype in (torch.int32, torch.int16, torch.int8, torch.uint8):
        show(tensor([1, 20, 100], dtype))
        show(tensor(5, dtype))
    for data in [[True, False], True, [[True, True], [False, False]], [False]]:
        show(tensor(data))
    # ---- empty
    for dtype in (torch.float32, torch.float64, torch.int64, torch.bool):
        for shape in [(0,), (0, 3), (2, 0), (2, 0, 3)]:
            show(torch.empty(shape, dtype=dtype))
    show(torch.empty(0).requires_grad_())
    # ---- shapes, line breaks at 80 columns
    show(torch.arange(6.0).reshape(2, 3))
    show(torch.arange(24.0).reshape(2, 3, 4))
    show(torch.arange(16).reshape(2, 2, 2, 2))
    show(torch.arange(12).reshape(3, 1, 4))
    show(torch.arange(4.0).reshape(1, 1, 1, 4))
    show(torch.arange(6).reshape(2, 3).t())
    show(torch.randn(3, 4))
    show(torch.randn(2, 2, 3))
    show(torch.randn(30))
    show(torch.randn(12))
    show(torch.randn(3, 12))
    show(torch.randn(2, 25))
    show(torch.arange(50))
    show(torch.arange(100.0))
    show(torch.arange(40).reshape(2, 20) * 1000)
    show(torch.arange(24) % 2 == 0)
    show(torch.arange(17.0))
    show(torch.arange(9, dtype=torch.float64) / 8)
    show(torch.arange(13, dtype=torch.int32))
    show(torch.arange(11.0) * 1e6 + 0.5)
    # ---- more than 1,000 elements: only the edges
    show(torch.arange(1000.0))
    show(torch.arange(1001.0))
    show(torch.arange(1001))
    show(torch.arange(1200).reshape(30, 40))
    show(torch.arange(1100.0).reshape(2, 550))
    show(torch.arange(1100.0).reshape(550, 2) / 8)
    show(torch.arange(1008.0).reshape(7, 12, 12))
    show(torch.arange(1001.0).reshape(7, 143) - 500)
    show(torch.arange(1024).reshape(8, 8, 16) % 3 == 0)
    show(torch.arange(1296.0).reshape(6, 6, 6, 6))
    show((torch.arange(1200) % 7).reshape(1, 1200).to(torch.float32))
    edges = torch.ones(1500)
    edges[700] = 1e9  # in the part that isn't shown
    show(edges)
    edges = torch.ones(1500)
    edges[1] = 1e9
    show(edges)
    show(torch.full((1500,), nan))
    # ---- autograd
    show(tensor([1.0, 2.0], grad=True))
    show(tensor(1.0, grad=True))
    show(tensor([1.0, 2.0], torch.float64, grad=True))
    for apply in ['exp', 'sum', 'mean', 'sigmoid', 'tanh', 'relu', 'clone', 't', 'abs', 'neg', 'sqrt', 'prod', 'cos', 'log', 'amax',
                  'square', 'ravel', 'erf', 'max', 'norm', 'std', 'trace', 'tril', 'unbind']:  # fmt: skip
        if apply != 'unbind':
            show(tensor([[1.0, 2.0], [3.0, 4.5]], grad=True), apply)
    show(torch.randn(2, 8).requires_grad_(), 'exp')
    show(torch.randn(9).requires_grad_(), 'sigmoid')
    show(torch.arange(8.0).requires_grad_(), 'sigmoid')
    show(torch.randn(20, dtype=torch.float64).requires_grad_(), 'tanh')
    show(torch.arange(1100.0).requires_grad_(), 'sqrt')
    show(tensor([[0.5, -0.25]], grad=True), parameter=True)
    show(torch.randn(3, 5).requires_grad_(), parameter=True)
    show(torch.arange(3.0), parameter=True)
    show(torch.empty(0, 4).requires_grad_(), parameter=True)
    # ---- setPrintoptions
    x = torch.randn(3, 4)
    show(x, precision=2)
    show(x, precision=8)
    show(x, sci_mode=True)
    show(tensor([1e-8, 1.0]), sci_mode=False)
    show(torch.arange(30.0), linewidth=40)
    show(torch.arange(30.0), linewidth=200)
    show(torch.arange(30.0).reshape(5, 6), threshold=10)
    show(torch.arange(100.0).reshape(10, 10), threshold=10, edgeitems=1)
    show(torch.arange(100.0), threshold=50, edgeitems=5)
    show(x, profile='short')
    show(torch.arange(1100.0) / 3, profile='short')
    show(torch.arange(1010), profile='full')
    show(x, precision=0)
    show(x, precision=0, sci_mode=True)
    show(tensor([0.5, 1.5, 2.5]), precision=0)
    show(tensor(1.0 / 3, torch.float64), precision=20)
    show(tensor([1.0, 2.0, 30.0]), precision=2)
    show(tensor([1.0, 2.0, 30.0]), sci_mode=True)
    show(tensor([1e9, 1.0]), sci_mode=False)
    show(tensor([1e-9, nan, -inf]), sci_mode=False, precision=3)
    show(tensor([0.0, nan, inf]), sci_mode=True)
    show(tensor([0.1, 65000.0], torch.float16), sci_mode=True, precision=1)
    show(torch.arange(5), sci_mode=True, precision=1)
    show(torch.arange(7.0), linewidth=0)
    show(torch.arange(12.0).requires_grad_(), 'exp', linewidth=30)
    show(torch.arange(6).reshape(2, 3), threshold=0)
    show(torch.arange(9), threshold=0)
    show(torch.arange(81.0).reshape(3, 3, 9), threshold=80, edgeitems=1, precision=1)
    show(torch.arange(1010.0), threshold=math.inf)
    show(x, profile='short', precision=3)
    show(torch.arange(50.0), profile='short', threshold=20, linewidth=20)
    show(torch.arange(1100.0) / 3, profile='default', edgeitems=1, sci_mode=True)
    write_json('printing.json', 'printing.py', {'tensors': ROWS})
    print(len(ROWS), 'tensors')


if __name__ == '__main__':
    main()
