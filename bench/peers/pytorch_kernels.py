"""Attention, recurrent layers, and what moves numbers: bench/tasks/attention.ts, recurrent.ts, movement.ts."""

import torch
import torch.nn.functional as F
from pytorch_subject import COMPILES, NothingToCompile, Subject, fill, forward, forward_backward, labels

ATTENTION = {
    "4x6x256x64-causal": ([4, 6, 256, 64], "causal"),
    "1x1x1024x64": ([1, 1, 1024, 64], "plain"),
    "1x4x64x32-mask": ([1, 4, 64, 32], "mask"),
    "2x8x1024x64-causal": ([2, 8, 1024, 64], "causal"),
    "2x8x1024x64": ([2, 8, 1024, 64], "plain"),
}


def attention(name, train):
    shape, kind = ATTENTION[name]
    q, k, v = (fill(seed, shape) for seed in (101, 102, 103))
    mask = fill(105, [shape[2], shape[2]]) > -0.6 if kind == "mask" else None

    def f():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=kind == "causal")

    return forward_backward(f, fill(104, shape), {"q": q, "k": k, "v": v}) if train else forward(f)


LAYERS = {
    "lstm": lambda: torch.nn.LSTM(128, 256),
    "gru": lambda: torch.nn.GRU(128, 256),
    "rnn": lambda: torch.nn.RNN(128, 256),
    "lstm-2-both-ways": lambda: torch.nn.LSTM(128, 256, 2, bidirectional=True),
}


def recurrent(name, train):
    layer = LAYERS[name]()
    parameters = sorted(layer.named_parameters())
    with torch.no_grad():
        for i, (_, p) in enumerate(parameters):
            p.copy_(fill(i + 1, list(p.shape), 1 / 16))
    x = fill(101, [100, 32, 128])

    def f():
        return layer(x)[0]

    if not train:
        return forward(f)
    w = dict(parameters)
    inputs = {"x": x, "wih": w["weight_ih_l0"], "whh": w["weight_hh_l0"], "b": w["bias_hh_l0"]}
    return forward_backward(f, fill(104, [100, 32, 512 if name.endswith("both-ways") else 256]), inputs)


N = 1024


def matrix(seed):
    return fill(seed, [N, N])


def indices(seed, shape, classes):
    return labels(seed, torch.Size(shape).numel(), classes).reshape(shape)


def embedding(train):
    weight, words = fill(101, [30_000, 384]), indices(102, [8, 128], 30_000)

    def f():
        return F.embedding(words, weight)

    return forward_backward(f, fill(104, [8, 128, 384]), {"weight": weight}) if train else forward(f)


def on_matrix(f):
    x = matrix(101)
    return forward(lambda: f(x))


def indexed(f, shape):
    x, i, y = matrix(101), indices(102, shape, N), matrix(103)
    return forward(lambda: f(x, i, y))


def scatter():
    if COMPILES:
        raise NothingToCompile
    x, i, y = matrix(101), indices(102, [N, N], N), matrix(103)
    return Subject(lambda: x.scatter(1, i, y), lambda: {}, forward_only=True)


def two(f):
    x, y = matrix(101), matrix(102)
    return forward(lambda: f(x, y))


def pad_reflect():
    x = fill(101, [1, 1, 1 << 22])
    return forward(lambda: F.pad(x, [100, 100], mode="reflect"))


def interpolate():
    x = fill(101, [8, 16, 1 << 14])
    return forward(lambda: F.interpolate(x, scale_factor=2, mode="linear"))


def grid_sample(train):
    x, grid = fill(101, [4, 16, 128, 128]), fill(102, [4, 128, 128, 2])

    def f():
        return F.grid_sample(x, grid, align_corners=False)

    return forward_backward(f, fill(104, [4, 16, 128, 128]), {"x": x, "grid": grid}) if train else forward(f)


def ctc():
    steps, batch, classes, length = 500, 8, 64, 100
    logits = fill(101, [steps, batch, classes], 3)
    targets = indices(102, [batch, length], classes - 1) + 1

    def f():
        return F.ctc_loss(F.log_softmax(logits, -1), targets, (steps,) * batch, (length,) * batch)

    return forward_backward(f, fill(104, [1]).abs().squeeze(0), {"logits": logits})


KERNELS = {
    "move.embedding": lambda: embedding(False),
    "move.embedding-fwdbwd": lambda: embedding(True),
    "move.gather": lambda: indexed(lambda x, i, _: x.gather(1, i), [N, N]),
    "move.scatter": scatter,
    "move.scatterAdd": lambda: indexed(lambda x, i, y: x.scatter_add(1, i, y), [N, N]),
    "move.indexSelect": lambda: indexed(lambda x, i, _: x.index_select(0, i), [N]),
    "move.add-transposed": lambda: two(lambda x, y: x + y.mT),
    "move.cat": lambda: two(lambda x, y: torch.cat([x, y], 1)),
    "move.clone": lambda: on_matrix(torch.clone),
    "move.zeros": lambda: forward(lambda: torch.zeros([N, N])),
    "move.roll": lambda: on_matrix(lambda x: x.roll((3, 5), (0, 1))),
    "move.pad-reflect1d": pad_reflect,
    "move.interpolate-linear1d": interpolate,
    "move.gridSample": lambda: grid_sample(False),
    "move.gridSample-fwdbwd": lambda: grid_sample(True),
    "ctc-loss.fwdbwd": ctc,
    **{f"attention.{name}": (lambda name=name: attention(name, False)) for name in ATTENTION},
    **{f"attention.{name}-fwdbwd": (lambda name=name: attention(name, True)) for name in ATTENTION},
    **{f"{name}.fwd": (lambda name=name: recurrent(name, False)) for name in LAYERS},
    **{f"{name}.fwdbwd": (lambda name=name: recurrent(name, True)) for name in LAYERS},
}
