"""What PyTorch's tasks are made of: inputs (bench/inputs.ts), subjects (bench/task.ts), and torch.compile around them."""

import os

import numpy as np
import torch
import torch.nn.functional as F

# The column torch.compile: the same tasks, each one's function compiled. Tasks that are one kernel have nothing to compile.
COMPILES = os.environ.get("BENCH_COMPILE") == "1"


class NothingToCompile(Exception):
    """A task that is one call."""


def compiled(f):
    return torch.compile(f) if COMPILES else f


# ---- inputs (bench/inputs.ts) ---------------------------------------------------------------------------------------


def hashed(seed, count):
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed) * np.uint32(0x85EBCA77)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x846CA68B)
        x ^= x >> np.uint32(16)
    return x.astype(np.float64)


def fill(seed, shape, scale=1.0):
    values = (hashed(seed, int(np.prod(shape))) / 2**31 - 1) * scale
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def labels(seed, count, classes):
    return torch.from_numpy(np.floor(hashed(seed, count) / 2**32 * classes).astype(np.int64))


def linear(inputs, outputs, seed, scale=None):
    scale = inputs**-0.5 if scale is None else scale
    return [fill(seed, [outputs, inputs], scale).requires_grad_(), fill(seed + 1, [outputs], scale).requires_grad_()]


# ---- tasks ----------------------------------------------------------------------------------------------------------


class Subject:
    """A task that is set up. `loop(n)` runs n iterations; where none is given it calls `step` n times."""

    def __init__(self, step, check, forward_only=False, loop=None):
        if COMPILES and loop:
            raise NothingToCompile
        self.check = check
        self.forward_only = forward_only
        self.loop = loop or repeat(step)


def repeat(step):
    def loop(n):
        for _ in range(n):
            step()

    return loop


def mean_abs(t):
    return t.detach().double().abs().mean().item()


def forward(f, several=False):
    """A task without gradients whose value is the mean of |f()|; `several`: it is more than one call."""
    if COMPILES and not several:
        raise NothingToCompile
    f = compiled(f)

    def check():
        with torch.no_grad():
            return {"y": mean_abs(f())}

    return Subject(f, check, forward_only=True)


def forward_backward(f, g, inputs, several=False):
    """A task that sends g back through f(); its values are the mean of |y| and of every gradient."""
    if COMPILES and not several:
        raise NothingToCompile
    f = compiled(f)
    for t in inputs.values():
        t.requires_grad_()

    def step():
        for t in inputs.values():
            t.grad = None
        y = f()
        y.backward(g)
        return y

    def check():
        values = {"y": mean_abs(step())}
        for name, t in inputs.items():
            values["d" + name] = mean_abs(t.grad)
        return values

    return Subject(step, check)


def training(optimizer, loss_of):
    loss_of = compiled(loss_of)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss

    return Subject(step, lambda: first_losses(step))


def first_losses(step):
    losses = [step().item() for _ in range(5)]
    return {"loss1": losses[0], "loss5": losses[4]}
