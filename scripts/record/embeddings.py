"""Sentence embeddings of all-MiniLM-L6-v2 by PyTorch 2.15, for examples/embeddings: test/fixtures/embeddings.json.

    node -e "import('./examples/embeddings/fetch.mjs').then((m) => m.fetchMiniLM())"
    python3 scripts/record/embeddings.py      # needs torch and safetensors
"""
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

root = os.path.join(os.path.dirname(__file__), "..", "..")
w = load_file(os.path.join(root, "build/cache/minilm/model.safetensors"))
# 'a cat'; 'The quick brown fox jumps over the lazy dog, again and again.'; 'How is memory freed in a synchronous loop?'
IDS = [
    [101, 1037, 4937, 102],
    [101, 1996, 4248, 2829, 4419, 14523, 2058, 1996, 13971, 3899, 1010, 2153, 1998, 2153, 1012, 102],
    [101, 2129, 2003, 3638, 10650, 1999, 1037, 26351, 8093, 17175, 2271, 7077, 1029, 102],
]


def norm(x, name):
    return F.layer_norm(x, (384,), w[name + ".weight"], w[name + ".bias"], 1e-12)


def linear(x, name):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])


def embed(ids):
    ids = torch.tensor([ids])
    n = ids.shape[1]
    words, places, types = (w[f"embeddings.{k}_embeddings.weight"] for k in ("word", "position", "token_type"))
    x = norm(words[ids] + places[:n] + types[0], "embeddings.LayerNorm")
    for i in range(6):
        p = f"encoder.layer.{i}."
        q, k, v = (linear(x, p + "attention.self." + name).view(1, n, 12, 32).transpose(1, 2) for name in ("query", "key", "value")) # fmt: skip
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(1, n, 384)
        x = norm(linear(mixed, p + "attention.output.dense") + x, p + "attention.output.LayerNorm")
        x = norm(linear(F.gelu(linear(x, p + "intermediate.dense")), p + "output.dense") + x, p + "output.LayerNorm")
    return F.normalize(x.mean(1), dim=1)[0]


rows = [{"ids": ids, "embedding": [round(v, 9) for v in embed(ids).tolist()]} for ids in IDS]
with open(os.path.join(root, "test/fixtures/embeddings.json"), "w") as file:
    json.dump({"torch": torch.__version__, "rows": rows}, file)
