"""Records what PyTorch's CPU generator gives: test/fixtures/random.json, read by test/random/generator.test.ts.

    sequences    from one seed, calls one after the other on one generator: the order shows what each call leaves behind,
                 words drawn and half a pair of normals. `state` is the SHA-256 of torch.Generator.get_state() at the end.
    call         {"op", "dtype", "n", …arguments, "head": first 6 elements, "last", "sha256": of all elements' bytes}

Weights and probabilities are w[i] = (37 i mod 101) / 101 in the call's dtype.

    python3 scripts/record/random_numbers.py
"""

import hashlib
import json
import os

import torch
from encoding import FIXTURES, elements

SEEDS = [0, 42, 2**64 - 1]
FLOATS = [torch.float32, torch.float64]
INTS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]


def weights(n, dtype):
    return ((torch.arange(n, dtype=torch.float64) * 37) % 101 / 101).to(dtype)


def sha256(tensor):
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


class Sequence:
    def __init__(self, seed):
        self.seed, self.calls = seed, []
        self.generator = torch.Generator().manual_seed(seed)

    def call(self, op, dtype, n, result, **arguments):
        flat = result.reshape(-1)
        self.calls.append(
            {'op': op, 'dtype': str(dtype)[6:], 'n': n, **arguments, 'head': elements(flat[:6]),
             'last': elements(flat[-1:]), 'sha256': sha256(flat)})  # fmt: skip

    def fill(self, op, dtype, n, *numbers):
        tensor = torch.empty(n, dtype=dtype)
        getattr(tensor, op)(*numbers, generator=self.generator)
        self.call(op, dtype, n, tensor, args=[str(x) if abs(x) > 2**53 else x for x in numbers])

    def encoded(self):
        state = self.generator.get_state()
        return {'seed': str(self.seed), 'calls': self.calls, 'state': sha256(state)}


def record(seed):
    s = Sequence(seed)
    g = s.generator
    for n in [0, 1, 2, 15, 16, 17, 31, 100, 1000, 65537]:
        for dtype in FLOATS:
            s.fill('normal_', dtype, n, 0, 1)
            s.fill('uniform_', dtype, n, 0, 1)
    for dtype in FLOATS:
        for n in [3, 16, 33]:
            s.fill('normal_', dtype, n, 1.5, 0.25)
            s.fill('uniform_', dtype, n, -2.5, 7.25)
            s.fill('log_normal_', dtype, n, 0.3, 0.7)
            s.fill('exponential_', dtype, n, 0.5)
            s.fill('cauchy_', dtype, n, 0.5, 2.5)
    strided = torch.empty(40, dtype=torch.float32)[::2].normal_(0, 1, generator=g)  # pair by pair: not contiguous
    s.call('normal_', torch.float32, 20, strided, args=[0, 1], strided=True)
    for dtype in FLOATS + INTS:
        s.fill('random_', dtype, 17)
        s.fill('random_', dtype, 17, 3, 100)
        s.fill('geometric_', dtype, 17, 0.25)
        s.fill('bernoulli_', dtype, 17, 0.3)
    s.fill('random_', torch.bool, 17)
    s.fill('bernoulli_', torch.bool, 17, 0.3)
    for low, high in [(0, 2**32 - 1), (0, 2**32), (-(2**40), 2**41 + 7), (-(2**63), 2**63 - 1)]:
        s.fill('random_', torch.int64, 17, low, high)
    for n in [0, 1, 2, 10, 1000]:
        s.call('randperm', torch.int64, n, torch.randperm(n, generator=g))
    for dtype in FLOATS:
        s.call('bernoulli', dtype, 101, torch.bernoulli(weights(101, dtype), generator=g))
        s.call('poisson', dtype, 101, torch.poisson(weights(101, dtype) * 20, generator=g), scale=20)
        for rows, categories, samples, replacement in [
            (1, 10, 1, True), (1, 10, 1, False), (3, 10, 4, False), (3, 10, 25, True), (2, 700, 5, False)]:  # fmt: skip
            p = weights(rows * categories, dtype).reshape(rows, categories)
            result = torch.multinomial(p, samples, replacement, generator=g)
            s.call('multinomial', dtype, rows * samples, result, rows=rows, categories=categories, samples=samples,
                   replacement=replacement)  # fmt: skip
    return s.encoded()


def main():
    head = {'recorder': 'scripts/record/random_numbers.py', 'torch': torch.__version__}
    sequences = ',\n'.join(
        json.dumps({'seed': s['seed'], 'state': s['state']})[:-1]
        + ', "calls": [\n'
        + ',\n'.join(json.dumps(c) for c in s['calls'])
        + '\n]}'
        for s in map(record, SEEDS))  # fmt: skip
    with open(os.path.join(FIXTURES, 'random.json'), 'w') as file:
        file.write(json.dumps(head)[:-1] + ', "sequences": [\n' + sequences + '\n]}\n')


if __name__ == '__main__':
    main()
