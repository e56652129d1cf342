"""A rank of PyTorch's for allReduce.ts."""

import json
import os
import resource
import time

import torch
import torch.distributed as dist

torch.set_num_threads(1)
rounds = int(os.environ["ROUNDS"])
dist.init_process_group("gloo")
big, small = torch.ones(16 << 20), torch.ones(1)


def times(t, n):
    out = []
    for _ in range(n):
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(t, dist.ReduceOp.MAX)
        out.append((time.perf_counter() - start) * 1e3)
    return out


def processor():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


times(big, 2)
times(small, 20)
before = processor()
large = times(big, rounds)
spent = (processor() - before) / rounds
one = times(small, 100)
before = processor()
if dist.get_rank() == 1:
    time.sleep(1)
dist.barrier()
print(json.dumps({"large": large, "small": one, "processor": spent, "waiting": processor() - before}), flush=True)
dist.destroy_process_group()
