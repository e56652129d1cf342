"""Records the orders in which torch.utils.data gives samples: test/fixtures/data_order.json, read by test/data/*.test.ts.

Each row: what was called, the batches it gave, and a number drawn from the default generator afterwards, which shows how
much was drawn on the way.

    python3 scripts/record/data_order.py
"""

import torch
from encoding import write_json
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)


def row(name, **found):
    return {'name': name, **found, 'then': torch.randint(2**31, ()).item()}


def batches(loader, passes=1):
    return [[b[0].tolist() for b in loader] for _ in range(passes)]


def own(seed):
    return torch.Generator().manual_seed(seed)


def main():
    data = TensorDataset(torch.arange(23))
    rows = []

    def record(name, make):
        torch.manual_seed(42)
        rows.append(row(name, batches=make()))

    record('plain', lambda: batches(DataLoader(data, 5), 2))
    record('shuffle', lambda: batches(DataLoader(data, 5, shuffle=True), 3))
    record('shuffle, dropLast', lambda: batches(DataLoader(data, 5, shuffle=True, drop_last=True), 2))
    record('shuffle, whole batches', lambda: batches(DataLoader(data, 23, shuffle=True), 2))
    record('shuffle, no batches', lambda: batches(DataLoader(data, None, shuffle=True), 2))
    record('generator', lambda: batches(DataLoader(data, 5, shuffle=True, generator=own(7)), 3))
    record('generator, dropLast', lambda: batches(DataLoader(data, 5, shuffle=True, drop_last=True, generator=own(7)), 3))
    record('replacement', lambda: batches(DataLoader(data, 8, sampler=RandomSampler(data, True, 77)), 2))
    record('numSamples', lambda: batches(DataLoader(data, 8, sampler=RandomSampler(data, False, 50)), 2))
    record('subset sampler', lambda: batches(DataLoader(data, 4, sampler=SubsetRandomSampler([3, 5, 8, 13, 21])), 2))
    weights = [0.1, 0.9, 0.4, 0.7, 3, 0.6]
    record('weighted', lambda: batches(DataLoader(data, 4, sampler=WeightedRandomSampler(weights, 9)), 2))
    record('weighted, once', lambda: batches(DataLoader(data, 4, sampler=WeightedRandomSampler(weights, 6, False)), 2))
    record('batchSampler', lambda: batches(DataLoader(data, batch_sampler=BatchSampler(RandomSampler(data), 7, True)), 2))
    record('subset', lambda: batches(DataLoader(Subset(data, [4, 2, 9, 17, 1]), 2, shuffle=True), 2))
    record('first batch only', lambda: [[next(iter(DataLoader(data, 5, shuffle=True)))[0].tolist()] for _ in range(3)])
    record('split', lambda: [s.indices for s in random_split(data, [10, 8, 5])])
    record('split, fractions', lambda: [s.indices for s in random_split(data, [0.5, 0.3, 0.2])])
    record('split, generator', lambda: [s.indices for s in random_split(data, [20, 3], own(3))])
    write_json('data_order.json', 'data_order.py', {'rows': rows})


if __name__ == '__main__':
    main()
