"""Whole models: bench/tasks/models.ts."""

import torch
import torch.nn.functional as F
from pytorch_subject import fill, forward, labels, training
from torch import nn


def initialize(model):
    with torch.no_grad():
        for i, (name, p) in enumerate(sorted(model.named_parameters())):
            if p.dim() > 1:
                p.copy_(fill(i + 1, list(p.shape), (p.numel() / p.shape[0]) ** -0.5))
            elif name.endswith("bias"):
                p.zero_()


class Block(nn.Module):
    def __init__(self, width, heads, kind):
        super().__init__()
        self.heads, self.kind = heads, kind
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x):
        n, l, e = x.shape
        q, k, v = self.qkv(x).view(n, l, 3, self.heads, e // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.kind == "gpt")
        return self.out(y.transpose(1, 2).reshape(n, l, e))

    def feed(self, x):
        return self.down(F.gelu(self.up(x)))

    def forward(self, x):
        if self.kind == "gpt":
            h = x + self.attend(self.ln1(x))
            return h + self.feed(self.ln2(h))
        h = self.ln1(x + self.attend(x))
        return self.ln2(h + self.feed(h))


class Transformer(nn.Module):
    def __init__(self, kind, words, length, heads):
        super().__init__()
        width = 384
        self.token, self.position = nn.Embedding(words, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Block(width, heads, kind) for _ in range(6)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, words, bias=False) if kind == "gpt" else None

    def forward(self, words):
        x = self.token(words) + self.position(torch.arange(words.shape[1]))
        if self.head is None:
            return self.blocks(self.norm(x))
        return self.head(self.norm(self.blocks(x)))


def gpt_train():
    model = Transformer("gpt", 65, 256, 6)
    initialize(model)
    words, target = labels(101, 4 * 256, 65).view(4, 256), labels(102, 4 * 256, 65)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    return training(optimizer, lambda: F.cross_entropy(model(words).view(-1, 65), target))


def encoder(batch):
    model = Transformer("bert", 30_522, 128, 12)
    initialize(model)
    model.eval()
    words = labels(101, batch * 128, 30_522).view(batch, 128)
    return forward(lambda: model(words), several=True)


class ResidualBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(64, 64, 3, padding=1, bias=False) for _ in range(2))
        self.bn1, self.bn2 = nn.BatchNorm2d(64), nn.BatchNorm2d(64)

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(h)))


def residual(train):
    block = ResidualBlock()
    initialize(block)
    x = fill(101, [8, 64, 56, 56])
    if not train:
        block.eval()
        return forward(lambda: block(x), several=True)
    target = fill(102, [8, 64, 56, 56])
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1, momentum=0.9)
    return training(optimizer, lambda: F.mse_loss(block(x), target))


MODELS = {
    "gpt-train": gpt_train,
    "encoder.b1": lambda: encoder(1),
    "encoder.b8": lambda: encoder(8),
    "resnet-block.train": lambda: residual(True),
    "resnet-block.infer": lambda: residual(False),
}
