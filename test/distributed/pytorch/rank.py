"""A rank of PyTorch's in a group with one of Tenfold's; see run.ts. Tells by lines of JSON what came of each call."""

import datetime
import json
import os

import torch
import torch.distributed as dist

rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=int(os.environ["SECONDS_AT_MOST"])))


def tell(what, tensor):
    print(json.dumps([what, tensor.double().flatten().tolist()]), flush=True)


def values(dtype):
    return torch.arange(5).add(rank).to(dtype)


for name in ["float32", "float64", "float16", "int64", "int32", "uint8", "int8"]:
    dtype = getattr(torch, name)
    for op in ["SUM", "PRODUCT", "MIN", "MAX"]:
        t = values(dtype)
        dist.all_reduce(t, getattr(dist.ReduceOp, op))
        tell(f"allReduce {op} {name}", t)
    t = values(dtype)
    dist.broadcast(t, world - 1)
    tell(f"broadcast {name}", t)
    rooms = [torch.zeros(5, dtype=dtype) for _ in range(world)]
    dist.all_gather(rooms, values(dtype))
    tell(f"allGather {name}", torch.stack(rooms))
    t = values(dtype)
    dist.reduce(t, 0)
    tell(f"reduce {name}", t if rank == 0 else torch.zeros(0))
    rooms = [torch.zeros(5, dtype=dtype) for _ in range(world)] if rank == 0 else None
    dist.gather(values(dtype), rooms, 0)
    tell(f"gather {name}", torch.stack(rooms) if rank == 0 else torch.zeros(0))
    t = torch.zeros(5, dtype=dtype)
    dist.scatter(t, [values(dtype) * i for i in range(world)] if rank == 0 else None, 0)
    tell(f"scatter {name}", t)
    t = torch.zeros(5 * world, dtype=dtype)
    dist.all_to_all_single(t, values(dtype).repeat(world))
    tell(f"allToAllSingle {name}", t)
    t = torch.zeros(5, dtype=dtype)
    if rank == 0:
        dist.send(values(dtype), world - 1, tag=4)
        dist.recv(t, world - 1, tag=5)
    elif rank == world - 1:
        dist.recv(t, 0, tag=4)
        dist.send(values(dtype), 0, tag=5)
    tell(f"send and recv {name}", t)

big = torch.linspace(-1, 1, 1_000_003) * (rank + 1)
dist.all_reduce(big)
tell("allReduce of a million", torch.stack([big[0], big[500_001], big[-1], big.double().sum()]))
group = dist.new_group([0, world - 1])
if rank in (0, world - 1):
    t = values(torch.float32)
    dist.all_reduce(t, group=group)
    tell("allReduce in a group", t)
else:
    tell("allReduce in a group", torch.zeros(0))
dist.barrier()
dist.destroy_process_group()
