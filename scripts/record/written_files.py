"""Reads what Tenfold writes (test/files/written.ts) with PyTorch and NumPy, and records the files' hashes, which the tests
hold: a writer that writes other bytes must be shown to Python again.

    python scripts/record/written_files.py         # PyTorch 2.15, NumPy 2.4, safetensors 0.8; Node with the addon built
"""

import hashlib
import json
import math
import pathlib
import subprocess
import tempfile

import numpy as np
import torch

ROOT = pathlib.Path(__file__).parents[2]
NUMBERS = [[0, 1, 2], [3, 120, 7]]


def check_values(v):
    assert list(v) == ["3", "dtypes", "numbers", "text", "bytes", "set", "map", "empty", "parameter", "frozen", "grad", "turned", "expanded", "typed"], list(v)
    for name, t in v["dtypes"].items():
        assert t.dtype == getattr(torch, name) and torch.equal(t, torch.tensor(NUMBERS).to(t.dtype)), name
    n = v["numbers"]
    assert n[:7] == [0, 255, 256, -1, 2**31, -(2**40), 1.5] and math.isnan(n[7]) and n[8] == math.inf
    assert n[9] == 0 and math.copysign(1, n[9]) == -1 and n[10:] == [12, -129, 2**70, True, None]
    assert v["text"] == ["", "Grüße 🙂", "again", "again"]
    assert v["bytes"] == b"\x00\xffa" and v["set"] == {1, 3} and v["map"] == {0: "a", "b": [1, [2]], None: True}
    assert v["empty"]["list"] == [] and v["empty"]["dict"] == {} and v["empty"]["tensor"].shape == (0, 3)
    assert v["empty"]["zeroDim"].shape == () and v["empty"]["zeroDim"].item() == 5.5
    assert isinstance(v["parameter"], torch.nn.Parameter) and v["parameter"].requires_grad
    assert isinstance(v["frozen"], torch.nn.Parameter) and not v["frozen"].requires_grad
    assert v["grad"].requires_grad and not isinstance(v["grad"], torch.nn.Parameter)
    assert v["turned"].stride() == (1, 3) and v["expanded"].stride() == (1, 0)
    assert torch.equal(v["turned"], torch.arange(6.0).reshape(2, 3).t().to(v["turned"].dtype))
    assert v["typed"].dtype == torch.float64 and v["typed"].tolist() == [1, 2.5]


def check_shared(v):
    v["base"].fill_(1)
    v["matrix"].zero_()
    assert v["part"].tolist() == [1, 1, 0, 0] and v["again"] is v["base"]


def check_resumed(kind, checkpoint, after):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    optimizer = getattr(torch.optim, kind)(model.parameters(), lr=0.5)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    assert len(optimizer.state) == 4 and optimizer.param_groups[0]["lr"] != 0.5
    x = torch.linspace(-1, 1, 24).reshape(8, 3)
    for _ in range(3):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    for name, t in model.state_dict().items():
        torch.testing.assert_close(t, after[name], rtol=2e-6, atol=2e-6)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run(["node", "--import", "tsx", "test/files/written.ts", name], check=True, cwd=ROOT)
        for path in sorted(folder.glob("*.pt")):
            loaded = torch.load(path, weights_only=True)
            mapped = torch.load(path, weights_only=True, mmap=True)
            assert repr(loaded) == repr(mapped), path
            if path.stem == "values":
                check_values(loaded)
            if path.stem == "shared":
                check_shared(loaded)
            if path.stem == "tensor":
                assert torch.equal(loaded, torch.arange(3))
            if path.stem in ("Adam", "AdamW", "SGD"):
                check_resumed(path.stem, loaded, torch.load(folder / f"{path.stem}-after.pt"))
        for path in sorted(folder.glob("*.npy")):
            array = np.load(path)
            if path.stem in ("zeroDim", "empty", "turned"):
                assert array.shape == {"zeroDim": (), "empty": (0, 3), "turned": (3, 2)}[path.stem]
            else:
                assert str(array.dtype) == path.stem and array.tolist() == np.array(NUMBERS).astype(array.dtype).tolist()
            np.load(path, mmap_mode="r" if array.size else None)
        arrays = np.load(folder / "arrays.npz")
        assert len(arrays.files) == 9 and all(str(arrays[k].dtype) == k for k in arrays.files)
        assert np.load(folder / "no-arrays.npz").files == []
        try:
            from safetensors.torch import load_file

            assert len(load_file(folder / "plain.safetensors")) == 10
        except ModuleNotFoundError:
            print("safetensors is not installed; its file is not checked")
        hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}
    record = {"versions": [torch.__version__.split("+")[0], np.__version__], "sha256": hashes}
    (ROOT / "test/fixtures/files/written.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"{len(hashes)} files are read by PyTorch {torch.__version__} and NumPy {np.__version__}")


main()
