"""MiniLM in PyTorch behind uvicorn, with the protocol's JSON: what a Python service beside a Node one is. Prints its URL when ready.

    pip install torch uvicorn safetensors
    python3 server.py FOLDER THREADS
"""

import asyncio
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import torch
import uvicorn
from safetensors.torch import load_file

F = torch.nn.functional
folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
W = load_file(f'{folder}/model.safetensors')


def layer(x, mask, p):
    def linear(x, name):
        return F.linear(x, W[f'{p}.{name}.weight'], W[f'{p}.{name}.bias'])

    def norm(x, name):
        return F.layer_norm(x, (384,), W[f'{p}.{name}.weight'], W[f'{p}.{name}.bias'], 1e-12)

    q, k, v = (
        linear(x, f'attention.self.{n}').unflatten(-1, (12, 32)).transpose(1, 2) for n in ('query', 'key', 'value')
    )
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    x = norm(linear(mixed, 'attention.output.dense') + x, 'attention.output.LayerNorm')
    wide = F.gelu(linear(x, 'intermediate.dense'))
    return norm(linear(wide, 'output.dense') + x, 'output.LayerNorm')


def embed(ids, mask):
    with torch.inference_mode():
        e = 'embeddings'
        x = W[f'{e}.word_embeddings.weight'][ids] + W[f'{e}.position_embeddings.weight'][: ids.shape[1]]
        x = x + W[f'{e}.token_type_embeddings.weight'][0]
        x = F.layer_norm(x, (384,), W[f'{e}.LayerNorm.weight'], W[f'{e}.LayerNorm.bias'], 1e-12)
        allowed = mask.bool()[:, None, None, :]
        for i in range(6):
            x = layer(x, allowed, f'encoder.layer.{i}')
        weights = mask.float()[..., None]
        return F.normalize((x * weights).sum(1) / weights.sum(1), dim=1)


pool = ThreadPoolExecutor(1)


def infer(body):
    request = json.loads(body)
    ids, mask = (torch.tensor(t['data']).reshape(t['shape']) for t in request['inputs'])
    found = embed(ids, mask)
    output = {'name': 'embedding', 'datatype': 'FP32', 'shape': list(found.shape), 'data': found.flatten().tolist()}
    return json.dumps({'model_name': 'minilm', 'outputs': [output]}).encode()


async def app(scope, receive, send):
    if scope['type'] != 'http':
        return
    answer = b'{}'
    if scope['path'].endswith('/infer'):
        body, more = b'', True
        while more:
            message = await receive()
            body += message.get('body', b'')
            more = message.get('more_body', False)
        answer = await asyncio.get_running_loop().run_in_executor(pool, infer, body)
    headers = [(b'content-type', b'application/json'), (b'content-length', str(len(answer)).encode())]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': answer})


if __name__ == '__main__':
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    print(f'http://127.0.0.1:{listener.getsockname()[1]}', flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level='warning', access_log=False)).run(sockets=[listener])
