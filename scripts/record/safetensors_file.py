"""Writes test/fixtures/python.safetensors with the safetensors package: every dtype, an empty tensor, a 0-dim one, and
metadata. test/serialization.test.ts reads it.

    pip install torch safetensors
    python3 scripts/record/safetensors_file.py
    python3 scripts/record/safetensors_file.py check FILE    # prints what Python reads in a file of ours
"""

import os
import sys

import torch
from encoding import FIXTURES
from safetensors import safe_open
from safetensors.torch import save_file

VALUES = [-3.5, 0, 1, 2.25, 100, 7]


def main():
    tensors = {str(dtype)[6:]: torch.tensor(VALUES).to(dtype).reshape(2, 3)
               for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
                             torch.int16, torch.int8, torch.bool)}  # fmt: skip
    tensors['uint8'] = torch.tensor([253, 0, 1, 2, 100, 7], dtype=torch.uint8).reshape(2, 3)
    tensors['empty'] = torch.zeros(0, 4)
    tensors['0'] = torch.tensor(2**53 + 1)
    save_file(tensors, os.path.join(FIXTURES, 'python.safetensors'), metadata={'format': 'pt', 'note': 'Grüße'})


def check(path):
    with safe_open(path, 'pt') as file:
        print(file.metadata())
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            print(name, tensor.dtype, list(tensor.shape), tensor.flatten().tolist())


if __name__ == '__main__':
    check(sys.argv[2]) if sys.argv[1:2] == ['check'] else main()
