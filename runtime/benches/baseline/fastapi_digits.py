"""The digits model behind FastAPI and ONNX Runtime, without what would make it slow: uvloop and httptools, one event loop, the
JSON module on the raw body instead of a validating model, no access log, no thread hop around a run of some microseconds.

Usage: fastapi_digits.py MODEL.onnx response|dict; says where it listens. `dict`: the handler returns a dict, as FastAPI's own
tutorial does; `response`: it returns a finished response, which spares FastAPI's encoder.
"""

import json
import socket
import sys

import numpy
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
app = FastAPI()


def answer(body: bytes) -> dict:
    pictures = numpy.asarray(json.loads(body)["instances"], dtype=numpy.float32)
    labels, probabilities = session.run(["label", "probabilities"], {"X": pictures})
    pairs = zip(labels.tolist(), probabilities.tolist())
    return {"predictions": [{"label": label, "probabilities": each} for label, each in pairs]}


async def as_response(request: Request) -> Response:
    return Response(json.dumps(answer(await request.body())), media_type="application/json")


async def as_dict(request: Request):
    return answer(await request.body())


app.post("/digits")({"response": as_response, "dict": as_dict}[sys.argv[2]])


listener = socket.create_server(("127.0.0.1", 0), backlog=256)
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
settings = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
uvicorn.Server(settings).run(sockets=[listener])
