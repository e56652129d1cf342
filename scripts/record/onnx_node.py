"""ONNX's own conformance cases, as onnx 1.23.2 makes them, in one file: test/fixtures/onnx_node.bin.gz.

    pip install onnx==1.23.2
    python scripts/record/onnx_node.py test/fixtures/onnx_node.bin.gz

The file is a line of JSON ({cases: [{name, rtol, atol, sizes}]}) and, behind it, the bytes of each case's model, inputs
and outputs as protobuf messages (ModelProto; TensorProto, SequenceProto or OptionalProto), one after the other. Left out are
expanded forms of functions (`_expanded`: the same numbers by other operators) but every eighth, and what is above 256 KB.
"""

import gzip
import json
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

warnings.filterwarnings("ignore")
np.random.seed(0)


def encode(value, info):
    kind = info.type.WhichOneof("value")
    if isinstance(value, (onnx.TensorProto, onnx.SequenceProto, onnx.OptionalProto)):
        return value.SerializeToString()
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name).SerializeToString()
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name).SerializeToString()
    return numpy_helper.from_array(np.asarray(value), info.name).SerializeToString()


def main(target, everything):
    index, blobs, expanded = [], [], 0
    for case in sorted(collect_testcases(None), key=lambda case: case.name):
        if case.name.endswith("_expanded") or "_expanded_ver" in case.name:
            expanded += 1
            if expanded % 8 and not everything:
                continue
        (inputs, outputs), graph = case.data_sets[0], case.model.graph
        parts = [case.model.SerializeToString()]
        parts += [encode(v, info) for v, info in zip(inputs, graph.input)]
        parts += [encode(v, info) for v, info in zip(outputs, graph.output)]
        if sum(map(len, parts)) > 1 << 18 and not everything:
            continue
        index.append(
            {
                "name": case.name,
                "rtol": case.rtol,
                "atol": case.atol,
                "inputs": len(inputs),
                "sizes": [len(p) for p in parts],
            }
        )
        blobs += parts
    with open(target, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(json.dumps({"cases": index}).encode() + b"\n")
        file.writelines(blobs)
    print(f"{len(index)} cases")


main(sys.argv[1], "--everything" in sys.argv)
