"""Answers `GET /` with a word, and `POST` with what a JSON array of numbers sums up to: a function in Python, with its library."""

import json

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import Fields, IncomingRequest, Method_Post, OutgoingBody, OutgoingResponse, ResponseOutparam


def read(request: IncomingRequest) -> bytes:
    data = b""
    # A stream goes before the body that it is of: who drops them the other way round is stopped.
    with request.consume() as body, body.stream() as stream:
        while True:
            try:
                data += stream.blocking_read(65536)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return data
                raise


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        if isinstance(request.method(), Method_Post):
            numbers = json.loads(read(request))
            answer = json.dumps({"sum": sum(numbers), "count": len(numbers)})
        else:
            answer = "hello from python\n"
        response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            stream.blocking_write_and_flush(answer.encode())
        OutgoingBody.finish(body, None)
