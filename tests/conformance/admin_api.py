"""What Schemathesis is told beyond the OpenAPI document (SCHEMATHESIS_HOOKS): names that exist, of the caller's tenant and of another one, are
put into requests; and no answer may tell anything of the other tenant that the request did not say itself.

OWN and OTHER in the environment are JSON: "tenant", and "names" by the document's parameters, as "function", "model", "key" and "label";
OTHER has "marks", texts that nobody can guess.
"""

import json
import os

import schemathesis

OWN, OTHER = json.loads(os.environ["OWN"]), json.loads(os.environ["OTHER"])

# One of so many requests is left as it was made.
UNTOUCHED = 4


def kind(path):
    """Whose name `{name}` is."""
    return next((kind for kind in ("function", "model", "tenant", "secret") if path.startswith(f"/v1/{kind}s/")), None)


class Turns:
    """Takes turns, so that each operation sees all of them, whatever the seed."""

    def __init__(self):
        self.counts = {}

    def next(self, key, many):
        self.counts[key] = self.counts.get(key, -1) + 1
        return self.counts[key] % many


TURNS = Turns()


@schemathesis.serializer("application/x-tar")
def archive(context, value):
    """Bytes as they are: whatever is no archive has to be refused as one."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.operation.path
    turn = TURNS.next((case.operation.method, path), 2 * UNTOUCHED)
    if turn % UNTOUCHED == 0:
        return
    for condition in ("If-Match", "If-None-Match", "Idempotency-Key"):
        # What is made up holds for nothing, or comes twice: each would be refused for that, and no more be seen of the operation.
        (case.headers or {}).pop(condition, None)
    whose = OWN if turn < UNTOUCHED else OTHER
    if whose is OWN and case.operation.method.upper() == "DELETE":
        # What goes is asked for no more: the next operations want it.
        return
    parameters = case.path_parameters or {}
    if "name" in parameters and kind(path) == "tenant":
        parameters["name"] = whose["tenant"]
    elif "name" in parameters and kind(path) in whose["names"]:
        parameters["name"] = whose["names"][kind(path)]
    if "id" in parameters:
        parameters["id"] = whose["names"]["key"]
    if "label" in parameters:
        parameters["label"] = whose["names"]["label"]
    case.path_parameters = parameters
    if turn % 2 == 1 and any(parameter.name == "tenant" for parameter in case.operation.query):
        case.query = {**(case.query or {}), "tenant": whose["tenant"]}


def said(request):
    """All of a request as it went over the wire."""
    body = request.body or b""
    return request.url + (body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body))


@schemathesis.check
def no_other_tenant(context, response, case):
    """Nothing of the other tenant's is told, and nothing is done to it."""
    if not case.operation.path.startswith("/v1/"):
        # Figures and readiness of the whole server, for whoever watches it: they need no key.
        return
    request = said(response.request)
    told = response.content.decode("utf-8", "replace") + json.dumps(dict(response.headers))
    leaked = [mark for mark in OTHER["marks"] if mark in told and mark not in request]
    assert not leaked, f"the answer tells of another tenant: {leaked}"
    names_other = f"tenant={OTHER['tenant']}" in request or f"/tenants/{OTHER['tenant']}" in request
    assert not (names_other and response.status_code < 400), "something of another tenant's was answered"
