"""Orders of PyTorch's DistributedSampler: test/fixtures/distributed/sampler.json. python3 scripts/record/sampler.py"""
import json
import os

import torch
from torch.utils.data.distributed import DistributedSampler

HERE = os.path.dirname(os.path.abspath(__file__))
rows = []
for n, replicas, options in [(10, 2, {}), (11, 3, {}), (11, 3, {"drop_last": True}), (12, 3, {"drop_last": True}), (3, 8, {}), (3, 8, {"drop_last": True}), (7, 2, {"shuffle": False}), (20, 4, {"seed": 5})]:
    for rank in range(replicas):
        sampler = DistributedSampler(range(n), replicas, rank, **options)
        orders = []
        for epoch in (0, 3):
            sampler.set_epoch(epoch)
            orders.append(list(sampler))
        rows.append({"n": n, "replicas": replicas, "rank": rank, "options": options, "length": len(sampler), "orders": orders})
with open(os.path.join(HERE, "../../test/fixtures/distributed/sampler.json"), "w") as file:
    file.write('{ "torch": "%s", "rows": [\n%s\n] }\n' % (torch.__version__, ",\n".join("  " + json.dumps(r) for r in rows)))
