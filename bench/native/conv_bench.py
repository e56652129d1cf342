"""Convolutions and max-pooling beside PyTorch: one thread each, processor time, in turns.

    python3 bench/native/conv_bench.py [path of conv_bench] [case ...]

Prints milliseconds and the ratio PyTorch / Tenfold of the result and of both gradients.
"""

import subprocess
import sys
import time

import torch

CONV = {  # batch, channels, height, width, filters, kernel, stride, padding, groups
    "mnist1": (64, 1, 28, 28, 32, 3, 1, 1, 1),
    "mnist2": (64, 32, 14, 14, 64, 3, 1, 1, 1),
    "resnet56": (4, 64, 56, 56, 64, 3, 1, 1, 1),
    "resnet28": (8, 128, 28, 28, 128, 3, 1, 1, 1),
    "resnet14": (8, 256, 14, 14, 256, 3, 1, 1, 1),
    "resnet7": (8, 512, 7, 7, 512, 3, 1, 1, 1),
    "pointwise": (8, 128, 28, 28, 128, 1, 1, 0, 1),
    "shortcut": (8, 64, 56, 56, 128, 1, 2, 0, 1),
    "stem": (4, 3, 112, 112, 64, 7, 2, 3, 1),
    "strided": (8, 64, 56, 56, 128, 3, 2, 1, 1),
    "depthwise": (8, 96, 56, 56, 96, 3, 1, 1, 96),
    "depthwise2": (8, 96, 56, 56, 96, 3, 2, 1, 96),
    "grouped": (8, 64, 28, 28, 64, 3, 1, 1, 4),
    "single": (1, 64, 56, 56, 64, 3, 1, 1, 1),
}
POOL = {  # batch, channels, height, width, kernel, stride, padding
    "pool28": (64, 32, 28, 28, 2, 2, 0),
    "pool14": (64, 64, 14, 14, 2, 2, 0),
    "pool3": (8, 64, 112, 112, 3, 2, 1),
}


def measure(f):
    f()
    best = float("inf")
    for _ in range(12):
        start = time.process_time()
        runs = 0
        while runs == 0 or time.process_time() - start < 0.008:
            f()
            runs += 1
        best = min(best, (time.process_time() - start) * 1e3 / runs)
    return best


def convolution(case):
    n, c, h, w, f, k, s, p, g = case
    x, weight, bias = torch.randn(n, c, h, w), torch.randn(f, c // g, k, k), torch.randn(f)
    grad = torch.randn_like(torch.conv2d(x, weight, bias, s, p, 1, g))

    def backward(mask):
        return torch.ops.aten.convolution_backward(grad, x, weight, [f], [s, s], [p, p], [1, 1], False, [0, 0], g, mask)

    return {
        "forward": lambda: torch.conv2d(x, weight, bias, s, p, 1, g),
        "input": lambda: backward([True, False, False]),
        "weight": lambda: backward([False, True, False]),
    }


def pooling(case):
    n, c, h, w, k, s, p = case
    x = torch.randn(n, c, h, w)
    window = ([k, k], [s, s], [p, p])
    y, index = torch.ops.aten.max_pool2d_with_indices(x, *window)
    grad = torch.randn_like(y)
    return {
        "forward": lambda: torch.ops.aten.max_pool2d_with_indices(x, *window),
        "input": lambda: torch.ops.aten.max_pool2d_with_indices_backward(grad, x, *window, [1, 1], False, index),
    }


def ours(binary, name):
    if name in CONV:
        call = ["conv", *CONV[name]]
    else:
        n, c, *rest = POOL[name]
        call = ["pool", n * c, *rest]
    lines = subprocess.run([binary, *map(str, call)], capture_output=True, text=True, check=True).stdout.split("\n")
    return {label: float(ms) for label, ms in (line.split() for line in lines if line)}


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else "build/bench/conv_bench"
    torch.set_num_threads(1)
    for name in sys.argv[2:] or [*CONV, *POOL]:
        peers = convolution(CONV[name]) if name in CONV else pooling(POOL[name])
        best = {part: (float("inf"), float("inf")) for part in peers}
        with torch.no_grad():
            for _ in range(2):
                mine = ours(binary, name)
                for part, f in peers.items():
                    best[part] = (min(best[part][0], mine[part]), min(best[part][1], measure(f)))
        for part, (tenfold, pytorch) in best.items():
            print(f"{name:11s}{part:8s} {tenfold:8.3f} ms   PyTorch {pytorch:8.3f} ms   ratio {pytorch / tenfold:6.2f}", flush=True)


if __name__ == "__main__":
    main()
