"""Reads the events that Tenfold writes (test/tensorboard/written.ts) with TensorBoard, checksums included, and records the
files' hashes, which the tests hold.

    python scripts/record/event_files.py         # tensorboard 2.21, Pillow; Node with the addon built
"""

import hashlib
import io
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import tensorboard
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
from tensorboard.plugins.hparams import plugin_data_pb2

ROOT = pathlib.Path(__file__).parents[2]


def events(path):
    reader = PyRecordReader_New(str(path))
    found = []
    while True:
        try:
            reader.GetNext()  # raises DataLossError for a wrong checksum
        except Exception as error:
            assert "OutOfRange" in type(error).__name__, error
            return found
        found.append(event_pb2.Event.FromString(reader.record()))


def pixels(image):
    return np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run(["node", "--import", "tsx", "test/tensorboard/written.ts", name], check=True, cwd=ROOT)
        files = sorted(folder.rglob("*tfevents*"))
        first, resumed = sorted((folder / "run").glob("*tfevents*"), key=lambda p: p.name.endswith(".resumed"))
        all_events = events(first)
        assert all_events[0].file_version == "brain.Event:2" and all_events[0].wall_time == 1700000000.5
        whole = EventAccumulator(str(folder / "run"), size_guidance={"scalars": 0})
        whole.Reload()
        loss = whole.Scalars("loss/train")
        assert [(s.step, round(s.value, 6), s.wall_time) for s in loss] == [(0, 1, 100), (1, 0.5, 101), (2, 0.333333, 102), (3, 9, 1700000000.5)], loss
        accumulator = EventAccumulator(str(first), size_guidance={"scalars": 0, "images": 0, "histograms": 0})
        accumulator.Reload()
        assert len(accumulator.Scalars("loss/train")) == 5
        assert accumulator.Scalars("big")[0].step == 2**40 and accumulator.Scalars("big")[0].value == -2.5
        h = accumulator.Histograms("values")[0].histogram_value
        assert h.num == 101 and h.min == -1 and h.max == 1 and sum(h.bucket) == 101 and len(h.bucket) == len(h.bucket_limit)
        h = accumulator.Histograms("ten_bins")[0].histogram_value
        assert list(h.bucket) == [0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1] and list(h.bucket_limit) == list(range(11)), h
        h = accumulator.Histograms("ends")[0].histogram_value
        assert list(h.bucket) == [0, 1, 2] and list(h.bucket_limit) == [0, 1, 2] and abs(h.sum_squares - (0.25 + 2.25 + 2.89)) < 1e-5, h
        pictures = EventAccumulator(str(folder / "images"), size_guidance={"images": 0})
        pictures.Reload()
        grey = pictures.Images("grey")[0]
        assert pixels(grey).tolist() == (np.linspace(0, 1, 12, dtype=np.float32) * 255).astype(np.uint8).reshape(3, 4).tolist()
        assert pixels(pictures.Images("colour")[0]).tolist() == np.arange(24).reshape(2, 4, 3).tolist()
        nine = pictures.Images("nine")[0]
        assert (nine.height, nine.width) == (4, 16) and pixels(nine).sum() == 9 * 12 * 127
        assert accumulator.Tensors("note/text_summary")[0].tensor_proto.string_val[0].decode() == "Grüße, **bold**"
        graph = accumulator.Graph()
        nodes = {n.name: (n.op, list(n.input)) for n in graph.node}
        assert nodes == {
            "input/0": ("Input", []),
            "Net/body/0": ("Linear", ["input/0"]),
            "Net/body/1": ("ReLU", ["Net/body/0"]),
            "Net/head": ("Linear", ["Net/body/1"]),
            "output": ("Output", ["Net/head"]),
        }, nodes
        shapes = graph.node[1].attr["_output_shapes"].list.shape[0]
        assert [d.size for d in shapes.dim] == [1, 8]
        two = {p.parent.name: events(p)[-1].summary.value[0] for p in files if p.parent.name.startswith("two_")}
        assert {k: (v.tag, v.simple_value) for k, v in two.items()} == {"two_a": ("two", 1), "two_b": ("two", 2)}
        hp = {e.summary.value[0].tag: e.summary.value[0] for p in (folder / "run/hp").iterdir() for e in events(p)[1:]}
        content = {t: plugin_data_pb2.HParamsPluginData.FromString(v.metadata.plugin_data.content) for t, v in hp.items() if t.startswith("_hparams_")}
        start = content["_hparams_/session_start_info"].session_start_info.hparams
        assert start["lr"].number_value == 0.1 and start["optimizer"].string_value == "adam" and start["amsgrad"].bool_value and len(start) == 3
        experiment = content["_hparams_/experiment"].experiment
        assert [(i.name, i.type) for i in experiment.hparam_infos] == [("lr", 3), ("optimizer", 1), ("amsgrad", 2)]
        assert [m.name.tag for m in experiment.metric_infos] == ["accuracy"] and content["_hparams_/session_end_info"].session_end_info.status == 1
        hashes = sorted([str(p.parent.relative_to(folder)), hashlib.sha256(p.read_bytes()).hexdigest()] for p in files if p.parent.name != "images")
    record = {"version": tensorboard.__version__, "sha256": hashes}
    (ROOT / "test/fixtures/tensorboard.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"{len(hashes)} files are read by TensorBoard {tensorboard.__version__}")


main()
