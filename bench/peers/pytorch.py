"""PyTorch's side of bench/: the same tasks, inputs and protocol as bench/peers/tenfold.ts."""

import json
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F
from pytorch_kernels import KERNELS
from pytorch_models import MODELS
from pytorch_subject import (
    NothingToCompile,
    Subject,
    compiled,
    fill,
    first_losses,
    forward,
    forward_backward,
    labels,
    linear,
    training,
)

SAMPLE_SECONDS = 0.005
WARM_UP_SECONDS = 0.25


# The loops of the smallest tasks are written out: a call of a Python function would be a tenth of the time.


def create():
    data = [1.0, 2.0, 3.0, 4.0]

    def loop(n):
        for _ in range(n):
            torch.tensor(data)

    return Subject(None, lambda: {"y": torch.tensor(data).sum().item()}, loop=loop)


def add(grad):
    a = torch.tensor([1.0], requires_grad=grad)
    b = torch.tensor([2.0], requires_grad=grad)

    def loop(n):
        for _ in range(n):
            a + b

    return Subject(None, lambda: {"y": (a + b).item()}, forward_only=not grad, loop=loop)


def chain16():
    a = torch.tensor([1.5], requires_grad=True)
    b = torch.tensor([0.97])

    def loop(n):
        for _ in range(n):
            y = a
            for _ in range(16):
                y = y * b
            a.grad = None
            y.backward()

    def check():
        loop(1)
        return {"dx": a.grad.item()}

    return Subject(None, check, loop=loop)


def item():
    a = torch.tensor([0.25])

    def loop(n):
        for _ in range(n):
            a.item()

    return Subject(None, lambda: {"y": a.item()}, loop=loop)


def tiny_loop():
    x = torch.tensor([i / 10 for i in range(11)])
    y = 2 * x + 1
    w = torch.zeros([1], requires_grad=True)
    b = torch.zeros([1], requires_grad=True)

    loss_of = compiled(lambda: (w * x + b - y).pow(2).mean())

    def step():
        loss = loss_of()
        loss.backward()
        with torch.no_grad():
            w.sub_(0.01 * w.grad)
            b.sub_(0.01 * b.grad)
        w.grad = None
        b.grad = None
        return loss

    return Subject(step, lambda: first_losses(step))


def adam_tiny():
    w, b = parameters = linear(4, 2, 1)
    x = fill(101, [2, 4])
    target = torch.tensor([0, 1])
    return training(torch.optim.Adam(parameters, lr=1e-3), lambda: F.cross_entropy(F.linear(x, w, b), target))


SIZES = {"1e3": 1000, "64k": 65536, "1m": 1 << 20, "16m": 1 << 24}
OPS = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "relu": lambda x, y: torch.relu(x),
    "exp": lambda x, y: torch.exp(x),
    "tanh": lambda x, y: torch.tanh(x),
    "sigmoid": lambda x, y: torch.sigmoid(x),
    "gelu": lambda x, y: F.gelu(x),
}


def elementwise(op, n):
    x = fill(101, [n], 3)
    y = fill(102, [n], 3) if op in ("add", "mul") else x
    return forward(lambda: OPS[op](x, y))


def chain(train):
    n = SIZES["1m"]
    x, a, b, g = fill(101, [n], 2), fill(102, [n]), fill(103, [n]), fill(104, [n])

    def f():
        return torch.tanh(x * a + b) * torch.sigmoid(x) + x.pow(2).mul(0.5)

    return forward_backward(f, g, {"x": x, "a": a, "b": b}, several=True) if train else forward(f, several=True)


MATRIX = [4096, 1024]


def reduction(f):
    x = fill(101, MATRIX, 3)
    return forward(lambda: f(x))


def softmax(train):
    x = fill(101, MATRIX, 3)

    def f():
        return torch.softmax(x, 1)

    return forward_backward(f, fill(104, MATRIX), {"x": x}) if train else forward(f)


def layer_norm(train):
    x = fill(101, MATRIX, 3)
    gamma = 1 + fill(1, [1024], 0.1)
    beta = fill(2, [1024], 0.1)

    def f():
        return F.layer_norm(x, [1024], gamma, beta, 1e-5)

    return forward_backward(f, fill(104, MATRIX), {"x": x, "gamma": gamma, "beta": beta}) if train else forward(f)


PRODUCTS = {
    **{str(n): ([n, n], [n, n]) for n in (64, 256, 512, 1024, 2048)},
    "bmm-32x128x64x128": ([32, 128, 64], [32, 64, 128]),
    "128x784x512": ([128, 784], [784, 512]),
    "128x384x384": ([128, 384], [384, 384]),
    "128x384x1536": ([128, 384], [384, 1536]),
    "1024x384x1536": ([1024, 384], [384, 1536]),
}


# Those that are measured with a transposed factor, too: what a layer's gradients are.
TURNED = ("128x784x512", "128x384x384", "128x384x1536", "1024x384x1536")


def product(left, right, turned=""):
    """`turned`: the factor, "tn" the left and "nt" the right one, that is stored transposed."""
    a, b = fill(101, left), fill(102, right)
    if turned == "tn":
        a = a.mT.contiguous().mT
    if turned == "nt":
        b = b.mT.contiguous().mT
    return forward(lambda: a @ b)


def mlp():
    parameters = linear(784, 512, 1) + linear(512, 512, 3) + linear(512, 10, 5)
    w1, b1, w2, b2, w3, b3 = parameters

    def model(x):
        h = torch.relu(F.linear(x, w1, b1))
        return F.linear(torch.relu(F.linear(h, w2, b2)), w3, b3)

    return parameters, model


def mlp_train():
    parameters, model = mlp()
    x, target = fill(101, [128, 784]), labels(102, 128, 10)
    return training(torch.optim.Adam(parameters, lr=1e-3), lambda: F.cross_entropy(model(x), target))


def convolution(inputs, outputs, seed):
    scale = (9 * inputs) ** -0.5
    weight = fill(seed, [outputs, inputs, 3, 3], scale)
    return [weight.requires_grad_(), fill(seed + 1, [outputs], scale).requires_grad_()]


def cnn_train():
    parameters = convolution(1, 32, 1) + convolution(32, 64, 3) + linear(3136, 10, 5)
    w1, b1, w2, b2, w3, b3 = parameters
    x, target = fill(101, [64, 1, 28, 28]), labels(102, 64, 10)

    def loss():
        h = F.max_pool2d(torch.relu(F.conv2d(x, w1, b1, padding=1)), 2)
        h = F.max_pool2d(torch.relu(F.conv2d(h, w2, b2, padding=1)), 2)
        return F.cross_entropy(F.linear(h.flatten(1), w3, b3), target)

    return training(torch.optim.Adam(parameters, lr=1e-3), loss)


def transformer_train():
    layer = torch.nn.TransformerEncoderLayer(256, 4, dim_feedforward=1024, dropout=0.0, batch_first=True)
    attention = layer.self_attn
    with torch.no_grad():
        attention.in_proj_weight.copy_(fill(1, [768, 256], 1 / 16))
        attention.in_proj_bias.copy_(fill(2, [768], 1 / 16))
        for module, inputs, outputs, seed in (
            (attention.out_proj, 256, 256, 3),
            (layer.linear1, 256, 1024, 5),
            (layer.linear2, 1024, 256, 7),
        ):
            weight, bias = linear(inputs, outputs, seed)
            module.weight.copy_(weight)
            module.bias.copy_(bias)
    x, t = fill(101, [8, 128, 256]), fill(102, [8, 128, 256])
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3, weight_decay=0.01)
    return training(optimizer, lambda: F.mse_loss(layer(x), t))


def mlp_inference(batch):
    _, model = mlp()
    x = fill(101, [batch, 784])
    return forward(lambda: model(x), several=True)


def copy(n):
    x, y = fill(101, [n]), torch.empty([n])

    def loop(n):
        for _ in range(n):
            y.copy_(x)

    return Subject(None, lambda: {}, forward_only=True, loop=loop)


TASKS = {
    "overhead.create": create,
    "overhead.add": lambda: add(False),
    "overhead.add-grad": lambda: add(True),
    "overhead.chain16-fwdbwd": chain16,
    "overhead.item": item,
    "tiny-loop": tiny_loop,
    "adam-tiny": adam_tiny,
    "chain.fwd": lambda: chain(False),
    "chain.fwdbwd": lambda: chain(True),
    **{f"elementwise.{op}.{s}": (lambda op=op, n=n: elementwise(op, n)) for op in OPS for s, n in SIZES.items()},
    "reduce.sum": lambda: reduction(torch.sum),
    "reduce.mean-last": lambda: reduction(lambda x: x.mean(1)),
    "reduce.max-last": lambda: reduction(lambda x: x.amax(1)),
    "reduce.max-first": lambda: reduction(lambda x: x.amax(0)),
    "reduce.softmax": lambda: softmax(False),
    "reduce.softmax-fwdbwd": lambda: softmax(True),
    "reduce.layernorm": lambda: layer_norm(False),
    "reduce.layernorm-fwdbwd": lambda: layer_norm(True),
    **{f"matmul.{name}": (lambda shapes=shapes: product(*shapes)) for name, shapes in PRODUCTS.items()},
    **{
        f"matmul.{name}-{turned}": (lambda name=name, turned=turned: product(*PRODUCTS[name], turned))
        for name in TURNED
        for turned in ("tn", "nt")
    },
    **KERNELS,
    **MODELS,
    "mlp-train": mlp_train,
    "cnn-train": cnn_train,
    "transformer-train": transformer_train,
    "infer-mlp.b1": lambda: mlp_inference(1),
    "infer-mlp.b64": lambda: mlp_inference(64),
    "limit.gemm": lambda: product([1024, 1024], [1024, 1024]),
    **{f"limit.copy.{s}": (lambda s=s: copy(SIZES[s])) for s in ("64k", "1m", "16m")},
}


# ---- timing (bench/task.ts) and protocol (bench/peers/worker.ts) ----------------------------------------------------


class Sampler:
    def __init__(self, subject):
        self.subject = subject
        self.per_sample = 0

    def warm_up(self):
        count, begin = 1, time.perf_counter()
        while True:
            start = time.perf_counter()
            self.subject.loop(count)
            now = time.perf_counter()
            used = count
            if now - start < SAMPLE_SECONDS / 2:
                count *= 2
            if now - begin >= WARM_UP_SECONDS:
                break
        self.per_sample = max(1, round(SAMPLE_SECONDS / (now - start) * used))

    def sample(self, seconds):
        if self.per_sample == 0:
            self.warm_up()
        times, busy, end = [], [], time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            start, processor = time.perf_counter(), time.process_time()
            self.subject.loop(self.per_sample)
            times.append((time.perf_counter() - start) / self.per_sample)
            busy.append((time.process_time() - processor) / self.per_sample)
        return {"times": times, "busy": busy}


def resident():
    with open("/proc/self/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


LOOPS = {"memory": mlp_train, "memory-tiny": tiny_loop}


def memory(task, warm_up, steps):
    """Resident bytes while a loop runs: after the warm-up, at the end, and the most."""
    subject = LOOPS[task]()
    subject.loop(warm_up)
    before = resident()
    subject.loop(steps)
    return {"before": before, "after": resident(), "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def say(answer):
    print(json.dumps(answer), flush=True)


def serve(threads):
    torch.set_num_threads(threads)
    say({"about": {"torch": torch.__version__, "python": sys.version.split()[0], "threads": torch.get_num_threads()}})
    sampler = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "open" in request:
                sampler = None
                make = TASKS.get(request["open"])
                if make is None:
                    say({"absent": "not among its tasks"})
                    continue
                subject = make()
                values = subject.check()
                sampler = Sampler(subject)
                say({"values": values})
            elif "memory" in request:
                say(memory(request["memory"], request["warmUp"], request["steps"]))
            elif sampler.subject.forward_only:
                with torch.no_grad():
                    say(sampler.sample(request["sample"]))
            else:
                say(sampler.sample(request["sample"]))
        except NothingToCompile:
            say({"absent": "not among its tasks"})
        except Exception as error:  # a task's failure is its result; the next one may run
            say({"absent": str(error).split("\n")[0]})


if __name__ == "__main__":
    serve(int(os.environ.get("BENCH_THREADS", "1")))
