"""
Records what PyTorch's TCPStore client and server say to each other, call by call: test/fixtures/distributed/store.json.

    python3 scripts/record/store.py

A child process holds the server and passes the bytes on: some of the client's calls keep Python's lock while they wait.
"""
import datetime
import json
import os
import socket
import subprocess
import sys
import threading
import time

import torch
import torch.distributed as dist

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "../../test/fixtures/distributed/store.json")


def passing_on():
    server = dist.TCPStore("127.0.0.1", 0, 1, True, wait_for_workers=False)

    def pump(source, sink, mark):
        while piece := source.recv(65536):
            print(mark, piece.hex(), flush=True)
            sink.sendall(piece)

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    while True:
        client, _ = listening.accept()
        upstream = socket.create_connection(("127.0.0.1", server.port))
        threading.Thread(target=pump, args=(client, upstream, ">"), daemon=True).start()
        threading.Thread(target=pump, args=(upstream, client, "<"), daemon=True).start()


# Calls by our names; the arguments are JSON's.
CALLS = [
    ["set", "k", "v"], ["get", "k"], ["get", "missing"], ["add", "n", 5], ["add", "n", -7], ["check", ["k", "x"]],
    ["check", ["k", "n"]], ["wait", ["k", "n"]], ["compareSet", "k", "v", "w"], ["compareSet", "new", "v", "w"],
    ["compareSet", "new", "", "w"], ["compareSet", "new", "z", "y"], ["numKeys"], ["append", "k", "zz"], ["append", "fresh", "a"],
    ["multiGet", ["k", "new"]], ["multiSet", ["a", "b"], ["1", "2"]], ["deleteKey", "a"], ["deleteKey", "a"],
    ["queuePush", "q", "1"], ["queuePush", "q", "2"], ["queueLen", "q"], ["queuePop", "q"], ["queuePop", "q", False],
    ["queuePop", "q", False], ["queueLen", "q"], ["listKeys"], ["barrier", "bar", 1], ["set", "größe", "ü"], ["get", "größe"],
]
PYTHON = {"compareSet": "compare_set", "numKeys": "num_keys", "multiGet": "multi_get", "multiSet": "multi_set", "deleteKey": "delete_key",
          "queuePush": "queue_push", "queueLen": "queue_len", "queuePop": "queue_pop", "listKeys": "list_keys"}


def plain(value):
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def main():
    child = subprocess.Popen([sys.executable, "-u", __file__, "server"], stdout=subprocess.PIPE, text=True)
    port = int(child.stdout.readline())
    log = []
    threading.Thread(target=lambda: [log.append(line.split()) for line in child.stdout], daemon=True).start()

    def record(call):
        log.clear()
        try:
            result = {"value": plain(call())}
        except Exception as error:
            result = {"error": type(error).__name__}
        time.sleep(0.05)
        both = {mark: "".join(text for m, text in log if m == mark) for mark in "><"}
        return {**result, "sent": both[">"], "received": both["<"]}

    stores = []
    timeout = datetime.timedelta(milliseconds=300)
    connect = lambda: stores.append(dist.TCPStore("127.0.0.1", port, 1, False, timeout))
    rows = [{"call": ["connect"], **record(connect)}]
    for name, *args in CALLS:
        if name == "barrier":
            call = lambda: stores[0].barrier(*args, timeout)
        else:
            call = lambda: getattr(stores[0], PYTHON.get(name, name))(*args)
        rows.append({"call": [name, *args], **record(call)})
    child.kill()
    os.makedirs(os.path.dirname(TARGET), exist_ok=True)
    with open(TARGET, "w") as file:
        text = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
        file.write('{ "torch": "%s", "rows": [\n%s\n] }\n' % (torch.__version__, text))


passing_on() if sys.argv[1:] == ["server"] else main()
