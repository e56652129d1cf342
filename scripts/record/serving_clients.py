"""Real clients of the Open Inference Protocol against a server of tenfold/serve: NVIDIA's tritonclient (HTTP and gRPC) and
KServe's (REST and gRPC). Every answer is compared with numpy's. Started by serving.ts, with the two addresses:

    python serving_clients.py triton http://127.0.0.1:PORT 127.0.0.1:GRPC_PORT
"""
import asyncio
import sys

import numpy as np

TYPES = {
    "bool": ("BOOL", np.array([[True, False, False, True]])),
    "uint8": ("UINT8", np.array([[0, 1, 128, 255]], np.uint8)),
    "int8": ("INT8", np.array([[-128, -1, 0, 127]], np.int8)),
    "int16": ("INT16", np.array([[-32768, -1, 0, 32767]], np.int16)),
    "int32": ("INT32", np.array([[-(2**31), -1, 0, 2**31 - 1]], np.int32)),
    "int64": ("INT64", np.array([[-(2**63), -1, 2**53 + 1, 2**63 - 1]], np.int64)),
    "float16": ("FP16", np.array([[0.5, -2, 65504, 1e-4]], np.float16)),
    "float32": ("FP32", np.array([[0.1, -2, 3e38, 1e-40]], np.float32)),
    "float64": ("FP64", np.array([[0.1, -2, 1e300, 5e-324]], np.float64)),
}
A = np.arange(8, dtype=np.float32).reshape(2, 4)
B = np.full((2, 4), 0.5, np.float32)
TEXTS = np.array([["käse".encode()], [b""], [b"three words here"]], dtype=object)
NAN = np.array([[np.nan, np.inf, -np.inf, 1.5]], np.float32)
done = 0


def same(got, want):
    global done
    got = np.asarray(got)
    assert got.dtype == want.dtype and got.shape == want.shape, (got.dtype, got.shape, want.dtype, want.shape)
    if want.dtype == object:
        assert [x if isinstance(x, bytes) else x.encode() for x in got.flat] == list(want.flat), (got, want)
    else:
        assert np.array_equal(got, want, equal_nan=want.dtype.kind == "f"), (got, want)
    done += 1


def check(condition, what=""):
    global done
    assert condition, what
    done += 1


def refused(call, *words):
    try:
        call()
    except Exception as error:
        check(all(word in str(error) for word in words), str(error))
        return
    raise AssertionError(f"not refused: {words}")


def triton(http_url, grpc_url):
    import tritonclient.grpc as grpc
    import tritonclient.http as http
    from tritonclient.utils import np_to_triton_dtype

    for kind, client in (
        (http, http.InferenceServerClient(http_url.removeprefix("http://"))),
        (grpc, grpc.InferenceServerClient(grpc_url)),
    ):
        is_http = kind is http

        def give(name, array, **how):
            value = kind.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
            value.set_data_from_numpy(array, **how)
            return value

        check(client.is_server_live() and client.is_server_ready() and client.is_model_ready("add"))
        check(client.is_model_ready("add", "1"))
        server = client.get_server_metadata()
        check((server["name"] if is_http else server.name) == "tenfold")
        model = client.get_model_metadata("add")
        inputs = model["inputs"] if is_http else model.inputs
        check([i["name"] if is_http else i.name for i in inputs] == ["a", "b"])
        config = client.get_model_config("add") if is_http else client.get_model_config("add").config
        check((config["max_batch_size"] if is_http else config.max_batch_size) == 8)
        index = client.get_model_repository_index()
        check("add" in [m["name"] for m in index] if is_http else "add" in [m.name for m in index.models])
        for dtype, (datatype, array) in TYPES.items():
            result = client.infer(f"echo_{dtype}", [give("x", array)])
            same(result.as_numpy("y"), array)
            if is_http and datatype != "FP16":
                output = http.InferRequestedOutput("y", binary_data=False)
                same(client.infer(f"echo_{dtype}", [give("x", array, binary_data=False)], outputs=[output]).as_numpy("y"), array)
        result = client.infer("add", [give("a", A), give("b", B)], request_id="r1", outputs=[kind.InferRequestedOutput("sum")])
        same(result.as_numpy("sum"), A + B)
        check(result.as_numpy("difference") is None)
        check((result.get_response()["id"] if is_http else result.get_response().id) == "r1")
        same(client.infer("upper", [give("text", TEXTS)]).as_numpy("upper"), np.array([[t.decode().upper().encode()] for t in TEXTS.flat], object)) # fmt: skip
        same(client.infer("echo_float32", [give("x", NAN)]).as_numpy("y"), NAN)
        if is_http:
            output = http.InferRequestedOutput("y", binary_data=False)
            same(client.infer("echo_float32", [give("x", NAN, binary_data=False)], outputs=[output]).as_numpy("y"), NAN)
        best = client.infer("add", [give("a", A), give("b", B)], outputs=[kind.InferRequestedOutput("sum", class_count=2)])
        same(best.as_numpy("sum"), np.array([[b"3.500000:3:west", b"2.500000:2:south"], [b"7.500000:3:west", b"6.500000:2:south"]], object)) # fmt: skip
        large = np.arange(4000, dtype=np.float32).reshape(-1, 4)[:8]
        for algorithm in ("gzip", "deflate"):
            how = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm} if is_http else {"compression_algorithm": algorithm} # fmt: skip
            same(client.infer("add", [give("a", large), give("b", large)], **how).as_numpy("sum"), large + large)
        asked = [client.async_infer("add", [give("a", A + i), give("b", B)]) for i in range(4)] if is_http else []
        for i, one in enumerate(asked):
            same(one.get_result().as_numpy("sum"), A + i + B)
        refused(lambda: client.infer("nowhere", [give("x", A)]), "there is no model 'nowhere'")
        refused(lambda: client.infer("add", [give("a", A)]), "input 'b' is missing")
        refused(lambda: client.infer("add", [give("a", A[:, :3]), give("b", B)]), "shape [2, 3]")
        refused(lambda: client.infer("echo_int8", [give("x", A)]), "FP32 where the model takes INT8")
        refused(lambda: client.unload_model("add"), "modelControl")
        client.get_inference_statistics("add")
        if not is_http:
            stream(client, grpc, give)
        client.close()


def stream(client, grpc, give):
    import queue

    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for i in range(3):
        client.async_stream_infer("add", [give("a", A + i), give("b", B)], request_id=str(i))
    client.async_stream_infer("nowhere", [give("a", A)], request_id="bad")
    got = [answers.get(timeout=10) for _ in range(4)]
    client.stop_stream()
    check([str(e.message()) for r, e in got if e] == ["there is no model 'nowhere'"], got)
    for result, error in got:
        if not error:
            same(result.as_numpy("sum"), A + int(result.get_response().id) + B)


def kserve(http_url, grpc_url):
    asyncio.run(kserve_async(http_url, grpc_url))


async def kserve_async(http_url, grpc_url):
    from kserve import InferInput, InferRequest
    from kserve.inference_client import InferenceGRPCClient, InferenceRESTClient, RESTConfig
    from kserve.protocol.infer_type import RequestedOutput

    def request(model, tensors, binary, outputs=None, **more):
        inputs = []
        for name, (datatype, array) in tensors.items():
            value = InferInput(name=name, shape=list(array.shape), datatype=datatype)
            value.set_data_from_numpy(array, binary_data=binary)
            inputs.append(value)
        return InferRequest(model_name=model, infer_inputs=inputs, request_outputs=outputs, **more)

    async def exercise(infer, ready, is_rest):
        check(await ready())
        for dtype, (datatype, array) in TYPES.items():
            for binary in (True, False):
                if datatype == "FP16" and not binary:
                    continue
                answer = await infer(request(f"echo_{dtype}", {"x": (datatype, array)}, binary), f"echo_{dtype}")
                got = answer.outputs[0].as_numpy()
                same(np.asarray(got, dtype=array.dtype), array)
        answer = await infer(request("add", {"a": ("FP32", A), "b": ("FP32", B)}, True, [RequestedOutput("sum")], request_id="k1"), "add") # fmt: skip
        check(answer.id == "k1" and [o.name for o in answer.outputs] == ["sum"])
        same(np.asarray(answer.outputs[0].as_numpy(), np.float32), A + B)
        how = {"parameters": {"binary_data_output": True}} if is_rest else {}
        answer = await infer(request("echo_float32", {"x": ("FP32", NAN)}, True, **how), "echo_float32")
        same(np.asarray(answer.outputs[0].as_numpy(), np.float32), NAN)
        answer = await infer(request("upper", {"text": ("BYTES", TEXTS)}, True), "upper")
        check([x if isinstance(x, bytes) else x.encode() for x in answer.outputs[0].as_numpy().flat] == ["KÄSE".encode(), b"", b"THREE WORDS HERE"]) # fmt: skip
        try:
            await infer(request("nowhere", {"x": ("FP32", A)}, True), "nowhere")
            raise AssertionError("not refused")
        except AssertionError:
            raise
        except Exception as error:
            check("there is no model 'nowhere'" in str(error), str(error))

    rest = InferenceRESTClient(RESTConfig(protocol="v2"))
    check(await rest.is_server_live(http_url) and await rest.is_model_ready(http_url, "add"))
    await exercise(lambda r, model: rest.infer(http_url, r, model_name=model), lambda: rest.is_server_ready(http_url), True)
    await rest.close()
    grpc = InferenceGRPCClient(grpc_url)
    check(await grpc.is_server_live() and await grpc.is_model_ready("add"))
    await exercise(lambda r, model: grpc.infer(r), grpc.is_server_ready, False)
    await grpc.close()


if __name__ == "__main__":
    {"triton": triton, "kserve": kserve}[sys.argv[1]](*sys.argv[2:])
    print(f"{sys.argv[1]}: {done} comparisons")
