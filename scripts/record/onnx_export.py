"""Checks what test/onnx/record.ts wrote with onnx.checker, runs it with ONNX Runtime, and records its numbers:
test/fixtures/onnx_export.json.gz

    pip install onnx==1.23.2 onnxruntime==1.32.0
    python scripts/record/onnx_export.py build/onnx-export
"""

import gzip
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

folder = pathlib.Path(sys.argv[1])
rows, wrong = [], []
for path in sorted(folder.glob("*.onnx"), key=lambda path: path.stem):
    about = json.loads(path.with_suffix(".json").read_text())
    try:
        onnx.checker.check_model(str(path), full_check=True)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        feeds = {i["name"]: np.array(i["data"], dtype=i["dtype"]).reshape(i["shape"]) for i in about["inputs"]}
        outputs = session.run(None, feeds)
    except Exception as error:
        wrong.append(f"{about['js']} {'open' if about['open'] else ''}: {str(error)[:400]}")
        continue
    coded = [{"shape": list(o.shape), "data": [round(float(x), 7) for x in o.ravel()]} for o in outputs]
    rows.append({"js": about["js"], "open": about["open"], "outputs": coded})
for line in wrong:
    print(line)
fixture = {"recorder": "scripts/record/onnx_export.py", "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "rows": rows}
target = pathlib.Path(__file__).parents[2] / "test/fixtures/onnx_export.json.gz"
with open(target, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=9, mtime=0) as file:
    file.write(json.dumps(fixture).encode())
print(f"{len(rows)} models, {len(wrong)} wrong")
