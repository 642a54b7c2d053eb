"""Runs every model of this folder on ONNX Runtime itself: python3 check_models.py

What it asserts is what the tests of the runtime rely on. Hostile models are run in a child process, because that is the point of them.
"""

import json
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

import make_models

FOLDER = Path(__file__).parent
GIB = 1 << 30
ort.set_default_logger_severity(4)


def session(name):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession((FOLDER / f"{name}.onnx").read_bytes(), options)


def run(name, **inputs):
    return session(name).run(None, inputs)


def check_identities():
    # Python cannot feed the types that numpy lacks: those are only loaded.
    fed = {
        "f32": np.float32, "f64": np.float64, "f16": np.float16, "bool": np.bool_,
        "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
        "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    }  # fmt: skip
    for name in make_models.ELEMENT_TYPES:
        loaded = session(f"identity_{name}")
        if name in fed:
            x = np.array([0, 1, 2, 100]).astype(fed[name])
            assert (loaded.run(None, {"x": x})[0] == x).all(), name
    words = np.array(["", "one", "Grüße"], dtype=object)
    assert (run("identity_string", x=words)[0] == words).all()
    assert run("number_text", n=np.array([-3]))[0].tolist() == ["-3"]
    assert [session(f"cast_{name}").get_inputs()[0].type for name in ("u4", "i4")] == ["tensor(uint4)", "tensor(int4)"]


def check_arithmetic():
    total = run("add_scalars", a=np.array(2, dtype=np.float32), b=np.array(40, dtype=np.float32))[0]
    assert total.shape == () and total == 42
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert run("dynamic_batch", x=x)[0].tolist() == [[6, 12, 18], [22, 44, 66]]
    start = time.monotonic()
    assert run("slow_loop", n=np.array([100_000]))[0] == 100_000
    print(f"slow_loop: {(time.monotonic() - start) * 10:.2f} µs per turn")


def check_encoder():
    ids, mask = np.array([[1, 2, 3], [4, 5, 0]]), np.array([[1, 1, 1], [1, 1, 0]])
    both = run("tiny_encoder", ids=ids, mask=mask)[0]
    for row in range(2):
        alone = run("tiny_encoder", ids=ids[row : row + 1], mask=mask[row : row + 1])[0]
        assert np.abs(both[row] - alone[0]).max() < 1e-5
    short = run("tiny_encoder", ids=ids[1:, :2], mask=mask[1:, :2])[0]
    assert np.abs(both[1] - short[0]).max() < 1e-5, "a word that is masked out counts"
    assert np.abs(both[0] - both[1]).max() > 0.05 and np.abs((both**2).sum(-1) - 1).max() < 1e-5


def check_decoder():
    """With the cache and without it, the same; and no two words come close enough that rounding could choose."""
    none = np.zeros((2, 2, 1, 2, 0, 8), dtype=np.float32)
    ids, past, given = [1, 2, 3], none, [1, 2, 3]
    for _ in range(24):
        logits, past = run("tiny_decoder", ids=np.array([given]), past=past)
        whole = run("tiny_decoder", ids=np.array([ids]), past=none)[0]
        assert np.abs(logits[0, -1] - whole[0, -1]).max() < 1e-4
        best, second = np.sort(logits[0, -1])[:-3:-1]
        assert best - second > 1e-2, "too close"
        given = [int(logits[0, -1].argmax())]
        ids += given
    assert past.shape == (2, 2, 1, 2, 26, 8) and len(set(ids)) > 5, ids
    print(f"tiny_decoder: {ids}")


def check_depth():
    yes, x = np.array([True]), np.array([1], dtype=np.float32)
    assert run("nested_if", go=yes, x=x)[0] == make_models.DEEPEST_IF
    assert run("nested_if", go=~yes, x=x)[0] == 1
    try:
        ort.InferenceSession(make_models.nested_if(make_models.DEEPEST_IF + 1).SerializeToString())
    except Exception as error:
        assert "protobuf parsing failed" in str(error)
    else:
        raise AssertionError("a deeper one loads: DEEPEST_IF is too small")


def check_digits():
    for sample in json.loads((FOLDER / "digits.json").read_text())["samples"]:
        label, probabilities = run("digits", X=np.array([sample["pixels"]], dtype=np.float32))
        assert label[0] == sample["label"] == sample["is"]
        assert np.abs(probabilities[0] - sample["probabilities"]).max() < 1e-5


def hostile(kind):
    """One hostile model, in a process of its own; prints its greatest memory in GiB."""

    def load():
        if kind == "shape_bomb":
            run(kind, shape=np.array([GIB // 4]))
        else:
            run(kind, x=np.array([1], dtype=np.float32))

    threading.stack_size(2 << 20)
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB)


def child(kind, limit_s):
    return subprocess.run([sys.executable, __file__, kind], capture_output=True, text=True, timeout=limit_s)


def check_hostile():
    for kind, least in (("constant_folding_bomb", 2), ("hidden_bomb", 2), ("shape_bomb", 1)):
        took = float(child(kind, 120).stdout)
        print(f"{kind}: {(FOLDER / f'{kind}.onnx').stat().st_size} bytes took {took:.2f} GiB")
        assert took > least
    assert child("function_chain", 60).returncode == -signal.SIGSEGV
    try:
        child("function_doubling", 10)
    except subprocess.TimeoutExpired:
        print("function_chain: stack overflow; function_doubling: still inlining after 10 s")
    else:
        raise AssertionError("function_doubling ended")


def check_bytes():
    for name, made in make_models.all_models().items():
        assert (FOLDER / name).read_bytes() == made.SerializeToString(deterministic=True), f"{name} is not what make_models.py makes"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        hostile(sys.argv[1])
    else:
        for check in (check_bytes, check_identities, check_arithmetic, check_encoder, check_decoder, check_depth, check_digits, check_hostile):
            check()
        print("all models are as the tests take them to be")
