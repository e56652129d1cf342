"""
Trains small models with PyTorch's DistributedDataParallel on two ranks and writes their weights after 20 steps:
test/fixtures/distributed/ddp.json. test/distributed/programs/parallel.ts trains the same.

    python3 scripts/record/ddp.py
"""
import json
import os
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "../../test/fixtures/distributed/ddp.json")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


def mlp():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def cnn():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))


MODELS = {
    "mlp": (mlp, [6], lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "cnn": (cnn, [1, 8, 8], lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    # Not Adam: a bias of keys has no gradient but noise, of which Adam makes steps.
    "transformer": (Net, [5, 8], lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
}
STEPS, BATCH = 20, 8


def train(name, rank, world):
    make, shape, optimizer = MODELS[name]
    torch.manual_seed(1)
    model = nn.parallel.DistributedDataParallel(make())
    opt = optimizer(model.parameters())
    torch.manual_seed(2)
    for _ in range(STEPS):
        x = torch.randn(BATCH * world, *shape)
        y = torch.randint(0, 3, (BATCH * world,))
        mine = slice(rank * BATCH, (rank + 1) * BATCH)
        opt.zero_grad()
        nn.functional.cross_entropy(model(x[mine]), y[mine]).backward()
        opt.step()
    return torch.cat([t.detach().reshape(-1).float() for t in model.module.state_dict().values()]).tolist()


def run(rank, world, file):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=world)
    results = {name: train(name, rank, world) for name in MODELS}
    if rank == 0:
        with open(TARGET, "w") as out:
            body = ",\n".join(f'  "{k}": [' + ",".join("%.9g" % x for x in v) + "]" for k, v in results.items())
            out.write('{ "torch": "%s",\n%s\n}\n' % (torch.__version__, body))
    dist.destroy_process_group()


if __name__ == "__main__":
    file = f"/tmp/ddp-{os.getpid()}"
    mp.spawn(run, (2, file), nprocs=2)
