"""Loads a file with PyTorch (or NumPy) and says how long it took and how much memory at its peak: files.py FILE [mmap]"""

import resource
import sys
import time

import numpy as np
import torch

path = sys.argv[1]
base = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
start = time.perf_counter()
value = np.load(path) if path.endswith((".npy", ".npz")) else torch.load(path, weights_only=True, mmap="mmap" in sys.argv)
if path.endswith(".npz"):
    value = {name: value[name] for name in value.files}
ms = (time.perf_counter() - start) * 1e3
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{ms:.0f} {peak - base:.0f}")
