"""The digits model behind FastAPI and ONNX Runtime, as FastAPI is used: the handler takes the body and returns a dict. What
would make it slow is left out: uvloop and httptools, one event loop, the JSON module on the raw body instead of a validating
model, no access log, no thread hop around a run of some microseconds.

Usage: fastapi_digits.py MODEL.onnx; says where it listens.
"""

import json
import socket
import sys

import numpy
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
app = FastAPI()


@app.post("/digits")
async def digits(request: Request):
    pictures = numpy.asarray(json.loads(await request.body())["instances"], dtype=numpy.float32)
    labels, probabilities = session.run(["label", "probabilities"], {"X": pictures})
    pairs = zip(labels.tolist(), probabilities.tolist())
    return {"predictions": [{"label": label, "probabilities": each} for label, each in pairs]}


listener = socket.create_server(("127.0.0.1", 0), backlog=256)
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
settings = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
uvicorn.Server(settings).run(sockets=[listener])
