"""Files of tensors as PyTorch and NumPy write them, into test/fixtures/files, and what is in them (files.json).

    python scripts/record/checkpoints.py               # PyTorch 2.15, NumPy 2.4
    python scripts/record/checkpoints.py --old         # PyTorch 1.13, NumPy 1.26: the files named old*

Python's values are described as tests compare them: a tensor as [dtype, shape, elements], NaN and infinities as strings.
"""

import collections
import io
import json
import pathlib
import sys
import zipfile

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "files"
FOLDER.mkdir(exist_ok=True)
OLD = "--old" in sys.argv
PREFIX = "old-" if OLD else ""
EXPECTED = FOLDER / f"{PREFIX}expected.json"
expected = {}


def number(x):
    if isinstance(x, float) and x != x:
        return "NaN"
    if isinstance(x, float) and x in (float("inf"), float("-inf")):
        return "Infinity" if x > 0 else "-Infinity"
    if isinstance(x, int) and not isinstance(x, bool) and abs(x) >= 2**53:
        return f"{x}n"
    return x


def describe(x):
    if isinstance(x, torch.Tensor):
        return {"tensor": [str(x.dtype)[6:], list(x.shape), [number(v) for v in x.detach().reshape(-1).tolist()]]}
    if isinstance(x, np.ndarray):
        x = x.astype(x.dtype.newbyteorder("="))
        return {"tensor": [str(x.dtype), list(x.shape), [number(v) for v in x.reshape(-1).tolist()]]}
    if isinstance(x, np.generic):
        return number(x.item())
    if isinstance(x, torch.dtype):
        return str(x)[6:]
    if isinstance(x, torch.device):
        return str(x)
    if isinstance(x, (bytes, bytearray)):
        return {"bytes": list(x)}
    if isinstance(x, (set, frozenset)):
        return {"set": sorted(x)}
    if isinstance(x, dict):
        return {"dict": [[describe(k), describe(v)] for k, v in x.items()]}
    if isinstance(x, (list, tuple)):
        return {"list": [describe(v) for v in x]}
    return number(x)


def record(name, value, file=None, **options):
    if file is None:
        torch.save(value, FOLDER / (PREFIX + name), **options)
    expected[PREFIX + name] = describe(value)


def refused(name, value, **options):
    torch.save(value, FOLDER / (PREFIX + name), **options)


torch.manual_seed(0)
NUMBERS = [[-3, 0, 1], [2, 100, 7]]
DTYPES = [torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool, torch.int8, torch.int16, torch.float16, torch.bfloat16]
everything = {
    "dtypes": {str(d)[6:]: torch.tensor(NUMBERS).to(d) for d in DTYPES},
    "special": torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0]),
    "zeroDim": torch.tensor(5.5),
    "empty": torch.zeros(0, 3),
    "long": torch.tensor([2**62 + 1, -(2**63)]),
    "turned": torch.arange(6.0).reshape(2, 3).t(),
    "stepped": torch.arange(24).reshape(2, 3, 4)[:, ::2, 1:],
    "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 4),
    "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
    "frozen": torch.nn.Parameter(torch.tensor([3.0]), requires_grad=False),
    "grad": torch.tensor([4.0], requires_grad=True),
    "nested": [1, -2, 300, 70000, -70000, 2**40, 2**70, -(2**63), 1.5, float("nan"), True, None, "text", "Grüße 🙂", ("a", ("b",), ()), []],
    "ordered": collections.OrderedDict([("z", 1), ("a", 2)]),
    "size": torch.Size([2, 3]),
    "dtype": torch.bfloat16,
    "device": torch.device("cpu"),
    "bytes": b"\x00\xffabc",
    "set": {3, 1},
    "integers": {0: "a", 1: "b", -1: "c"},
    "10": "index-like keys last",
    "2": "in their order",
    "array": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
    "bigEndian": np.arange(3, dtype=">i2"),
    "scalar": np.float64(2.5),
    "integer": np.int64(2**60),
    "truth": np.bool_(True),
}
record("everything.pt", everything)
record("everything-legacy.pt", everything, _use_new_zipfile_serialization=False)
if not OLD:
    record("everything-protocol4.pt", everything, pickle_protocol=4)
    record("everything-protocol5.pt", everything, pickle_protocol=5)

base = torch.arange(10.0)
shared = {"base": base, "part": base[2:6], "again": base, "matrix": base[4:].view(2, 3)}
record("shared.pt", shared)
record("shared-legacy.pt", shared, _use_new_zipfile_serialization=False)
record("tensor.pt", torch.arange(3))
record("deflated.pt", {"w": torch.zeros(100)})
source = zipfile.ZipFile(FOLDER / f"{PREFIX}deflated.pt")
entries = [(i, source.read(i)) for i in source.infolist()]
source.close()
with zipfile.ZipFile(FOLDER / f"{PREFIX}deflated.pt", "w", zipfile.ZIP_DEFLATED) as z:
    for info, content in entries:
        z.writestr(info.filename, content)

# A model with buffers, and its optimizers after three steps on recorded gradients; then three more, whose parameters
# tests must reach too.
# (No bias before the normalisation: its gradient is rounding noise, which Adam makes as large as any.)
def trained(make):
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4, bias=False), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    optimizer = make(model.parameters())
    x = torch.linspace(-1, 1, 24).reshape(8, 3)

    def step():
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()

    for _ in range(3):
        step()
    checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    for _ in range(3):
        step()
    return buffer.getvalue(), {k: describe(v) for k, v in model.state_dict().items()}


for name, make in {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99)),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1, amsgrad=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
}.items():
    content, after = trained(make)
    (FOLDER / f"{PREFIX}{name}.pt").write_bytes(content)
    expected[f"{PREFIX}{name}.pt"] = after

# What is refused, by name.
refused("complex.pt", torch.zeros(2, dtype=torch.complex64))
refused("sparse.pt", torch.eye(3).to_sparse())
refused("module.pt", torch.nn.Linear(2, 2))
refused("storage.pt", {"s": torch.zeros(2).storage()})
refused("quantised.pt", torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8))
refused("function.pt", {"f": print})
if not OLD:
    for d in ["uint16", "uint32", "uint64", "float8_e4m3fn"]:
        refused(f"{d}.pt", torch.zeros(2).to(getattr(torch, d)))
    refused("negative.pt", torch._neg_view(torch.ones(2)))
    torch.jit.script(torch.nn.Linear(2, 2)).save(FOLDER / "torchscript.pt")
    torch.serialization.set_crc32_options(False)
    record("no-checksums.pt", {"w": torch.arange(4.0)})
    torch.serialization.set_crc32_options(True)
    lists = [0]
    for _ in range(400):
        lists = [lists]
    record("deep.pt", {"deep": "400 levels"})
    torch.save(lists, FOLDER / "deep.pt")
    loop = []
    loop.append(loop)
    refused("loop.pt", loop)

# NumPy.
for name, array in {
    "f4": np.array(NUMBERS, np.float32),
    "f2": np.array([1.5, np.inf, np.nan], np.float16),
    "i8": np.array([2**62, -1]),
    "big": np.array(NUMBERS, ">f8"),
    "bool": np.array([True, False]),
    "fortran": np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)),
    "zero-dim": np.array(7, np.uint8),
    "empty": np.zeros((0, 3), np.int8),
}.items():
    np.save(FOLDER / f"{PREFIX}{name}.npy", array)
    expected[f"{PREFIX}{name}.npy"] = describe(array)
if not OLD:
    for version in [(2, 0), (3, 0)]:
        with open(FOLDER / f"version{version[0]}.npy", "wb") as f:
            np.lib.format.write_array(f, np.arange(4, dtype=np.int32), version=version)
        expected[f"version{version[0]}.npy"] = describe(np.arange(4, dtype=np.int32))
    for name, array in {
        "object": np.array([{}, []], object),
        "structured": np.zeros(2, [("a", "f4"), ("b", "i4")]),
        "unicode": np.array(["ab", "c"]),
        "bytes": np.array([b"ab"]),
        "datetime": np.array(["2020-01-01"], "M8[D]"),
        "timedelta": np.array([1], "m8[s]"),
        "complex": np.zeros(2, np.complex64),
        "uint16": np.zeros(2, np.uint16),
        "longdouble": np.zeros(2, np.longdouble),
    }.items():
        np.save(FOLDER / f"refused-{name}.npy", array)
arrays = {"x": np.arange(6.0).reshape(2, 3), "10": np.arange(3), "2": np.zeros((0,), np.float32), "big": np.arange(3, dtype=">i4")}
np.savez(FOLDER / f"{PREFIX}stored.npz", **arrays)
np.savez_compressed(FOLDER / f"{PREFIX}deflated.npz", **arrays)
for name in ["stored.npz", "deflated.npz"]:
    expected[PREFIX + name] = {"dict": [[k, describe(v)] for k, v in arrays.items()]}

expected[f"{PREFIX}versions"] = [torch.__version__.split("+")[0], np.__version__]
EXPECTED.write_text(json.dumps(expected, indent=0, ensure_ascii=False) + "\n")
print(f"{len(expected)} files, {sum(f.stat().st_size for f in FOLDER.iterdir())} bytes")
