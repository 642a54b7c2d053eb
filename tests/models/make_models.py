"""Makes every model of this folder but digits.onnx: python3 make_models.py [FOLDER]

Deterministic: with the packages of requirements.txt the same bytes come out each time. check_models.py then runs them.
"""

import sys
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL

# name -> ONNX element type, and the opset from which Identity takes it.
ELEMENT_TYPES = {
    "f32": (F32, 17),
    "f64": (TensorProto.DOUBLE, 17),
    "f16": (TensorProto.FLOAT16, 17),
    "bf16": (TensorProto.BFLOAT16, 17),
    "u8": (TensorProto.UINT8, 17),
    "u16": (TensorProto.UINT16, 17),
    "u32": (TensorProto.UINT32, 17),
    "u64": (TensorProto.UINT64, 17),
    "i8": (TensorProto.INT8, 17),
    "i16": (TensorProto.INT16, 17),
    "i32": (TensorProto.INT32, 17),
    "i64": (I64, 17),
    "bool": (BOOL, 17),
    "string": (TensorProto.STRING, 17),
    "f8e4m3fn": (TensorProto.FLOAT8E4M3FN, 19),
    "f8e4m3fnuz": (TensorProto.FLOAT8E4M3FNUZ, 19),
    "f8e5m2": (TensorProto.FLOAT8E5M2, 19),
    "f8e5m2fnuz": (TensorProto.FLOAT8E5M2FNUZ, 19),
}

# The deepest nesting that protobuf's limit of 100 messages lets ONNX Runtime read; one more is refused (check_models.py).
DEEPEST_IF = 31


def value(name, element_type, dims):
    """The declaration of an input or output; a dimension that is a string is dynamic."""
    return helper.make_tensor_value_info(name, element_type, dims)


def model(nodes, inputs, outputs, constants=(), opset=17, check=True) -> ModelProto:
    graph = helper.make_graph(list(nodes), "g", inputs, outputs, list(constants))
    # IR 10 is the first that has 4-bit integers; 8 goes with opset 17 and is read by every runtime of the last years.
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10 if opset > 17 else 8)
    if check:
        checker.check_model(made)
    return made


def identity(name):
    """x -> y, the same, one dynamic dimension."""
    element_type, opset = ELEMENT_TYPES[name]
    node = helper.make_node("Identity", ["x"], ["y"])
    return model([node], [value("x", element_type, ["n"])], [value("y", element_type, ["n"])], opset=opset)


def cast_4_bit(element_type):
    """y = x as i32, where x has two elements to a byte: Identity does not take these types."""
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT32)
    return model([node], [value("x", element_type, ["n"])], [value("y", TensorProto.INT32, ["n"])], opset=21)


def add_scalars():
    """sum = a + b, all of rank 0."""
    node = helper.make_node("Add", ["a", "b"], ["sum"])
    return model([node], [value("a", F32, []), value("b", F32, [])], [value("sum", F32, [])])


def odd_string():
    """y is x and two strings behind it, of which one is not UTF-8: nothing in ONNX forbids it."""
    odd = helper.make_tensor("odd", TensorProto.STRING, [2], [b"\xff\xfe", b"good"])
    node = helper.make_node("Concat", ["x", "odd"], ["y"], axis=0)
    return model([node], [value("x", TensorProto.STRING, ["n"])], [value("y", TensorProto.STRING, ["m"])], [odd])


def number_text():
    """y = n as text: an input that wasi:nn has a type for, and an output that it has none for."""
    node = helper.make_node("Cast", ["n"], ["y"], to=TensorProto.STRING)
    return model([node], [value("n", I64, [1])], [value("y", TensorProto.STRING, [1])])


def dynamic_batch():
    """y[batch, 3] = x[batch, 4] times a matrix whose column j holds j + 1: each y is the row's sum times 1, 2, 3."""
    weights = np.tile(np.array([1, 2, 3], dtype=np.float32), (4, 1))
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return model([node], [value("x", F32, ["batch", 4])], [value("y", F32, ["batch", 3])], [numpy_helper.from_array(weights, "w")])


def slow_loop():
    """Adds 1 to a number n times, one after the other: about a second for a million, and nothing can be folded away."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["sum", "one"], ["sum_next"]),
        ],
        "body",
        [value("i", I64, []), value("go", BOOL, []), value("sum", F32, [1])],
        [value("go_on", BOOL, []), value("sum_next", F32, [1])],
    )
    constants = [
        numpy_helper.from_array(np.array([0], dtype=np.float32), "zero"),
        numpy_helper.from_array(np.array([1], dtype=np.float32), "one"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    node = helper.make_node("Loop", ["n", "yes", "zero"], ["total"], body=body)
    return model([node], [value("n", I64, [1])], [value("total", F32, [1])], constants)


def nested_if(depth):
    """If inside If inside If, all on the input `go`; answers x + depth - 1 when it is true, x when it is not."""

    def level(left):
        if left == 0:
            then = [helper.make_node("Identity", ["x"], ["r0"])]
        else:
            then = [
                helper.make_node("If", ["go"], [f"s{left}"], then_branch=level(left - 1), else_branch=otherwise(left)),
                helper.make_node("Add", [f"s{left}", "one"], [f"r{left}"]),
            ]
        return helper.make_graph(then, f"t{left}", [], [value(f"r{left}", F32, [1])])

    def otherwise(left):
        return helper.make_graph([helper.make_node("Identity", ["x"], [f"e{left}"])], f"f{left}", [], [value(f"e{left}", F32, [1])])

    node = helper.make_node("If", ["go"], ["y"], then_branch=level(depth - 1), else_branch=otherwise(0))
    one = numpy_helper.from_array(np.array([1], dtype=np.float32), "one")
    inputs = [value("go", BOOL, [1]), value("x", F32, [1])]
    return model([node], inputs, [value("y", F32, [1])], [one], check=False)


def constant_folding_bomb():
    """A constant of 2 GiB that is only ever reduced to one number: folding it at load materialises it, and so does a run."""
    shape = numpy_helper.from_array(np.array([1 << 29], dtype=np.int64), "s")
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("ReduceMax", ["c"], ["m"]),
        helper.make_node("Add", ["x", "m"], ["y"]),
    ]
    return model(nodes, [value("x", F32, [1])], [value("y", F32, [1])], [shape])


def function_model(functions):
    """A model that only calls the last of its own functions, each from x to y."""
    node = helper.make_node(functions[-1].name, ["x"], ["y"], domain="m")
    graph = helper.make_graph([node], "g", [value("x", F32, [1])], [value("y", F32, [1])])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("m", 1)]
    return helper.make_model(graph, functions=functions, opset_imports=opsets, ir_version=8)


def function(name, callees):
    """A function that applies its callees one after the other; one that has none negates."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("m", 1)]
    between = ["x", *(f"z{i}" for i in range(1, len(callees))), "y"]
    nodes = [helper.make_node(callee, [a], [b], domain="m") for callee, a, b in zip(callees, between, between[1:])]
    return helper.make_function("m", name, ["x"], ["y"], nodes or [helper.make_node("Neg", ["x"], ["y"])], opsets)


def function_chain():
    """Functions that call each other 1000 deep: reading it overflows a stack of 2 MiB, which ends the process."""
    return function_model([function(f"f{k}", [f"f{k - 1}"] if k else []) for k in range(1000)])


def function_doubling():
    """Functions that each call the one before twice: two kilobytes that become 2^30 nodes when they are inlined."""
    return function_model([function(f"f{k}", [f"f{k - 1}"] * 2 if k else []) for k in range(31)])


def shape_bomb():
    """A tensor of zeros of whatever shape the caller asks for."""
    node = helper.make_node("ConstantOfShape", ["shape"], ["y"])
    return model([node], [value("shape", I64, [1])], [value("y", F32, ["n"])])


def hidden_bomb():
    """The constant folding bomb with its shape computed: 2^20 * 2^9, so that only folding it finds out."""
    sizes = [numpy_helper.from_array(np.array([1 << bits], dtype=np.int64), name) for name, bits in (("a", 20), ("b", 9))]
    nodes = [
        helper.make_node("Mul", ["a", "b"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("ReduceMax", ["c"], ["m"]),
        helper.make_node("Add", ["x", "m"], ["y"]),
    ]
    return model(nodes, [value("x", F32, [1])], [value("y", F32, [1])], sizes)


def tiny_encoder():
    """A sentence encoder as exporters write it, with one layer of two heads over 8 numbers and 32 words; the weights are
    sines. ids[batch, words], mask[batch, words] -> embedding[batch, 8], of length 1."""
    constants = []

    def constant(name, array, kind=np.float32):
        constants.append(numpy_helper.from_array(np.array(array, dtype=kind), name))
        return name

    def weights(name, *dims):
        return constant(name, np.sin(np.arange(np.prod(dims)) * (len(name) + 1)).reshape(dims) / 2)

    nodes = []

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def dense(x, name, inside, outside):
        product = node("MatMul", [x, weights(f"{name}.w", inside, outside)], f"{name}/product")
        return node("Add", [product, weights(f"{name}.b", outside)], f"{name}/sum")

    def norm(x, name):
        scale, bias = constant(f"{name}.scale", np.ones(8)), constant(f"{name}.bias", np.zeros(8))
        return node("LayerNormalization", [x, scale, bias], name, axis=-1, epsilon=1e-5)

    zero, one, heads = constant("zero", 0, np.int64), constant("one", 1, np.int64), constant("heads", [0, 0, 2, 4], np.int64)
    first = constant("first", [0], np.int64)
    words = node("Gather", [node("Shape", ["ids"], "shape"), one], "words", axis=0)
    places = node("Gather", [weights("places", 64, 8), node("Range", [zero, words, one], "range")], "place")
    x = norm(node("Add", [node("Gather", [weights("table", 32, 8), "ids"], "word"), places], "embedded"), "norm0")

    def head(name, order):
        return node("Transpose", [node("Reshape", [dense(x, name, 8, 8), heads], f"{name}/heads")], f"{name}/t", perm=order)

    query, key, val = head("query", [0, 2, 1, 3]), head("key", [0, 2, 3, 1]), head("val", [0, 2, 1, 3])
    keep = node("Cast", [node("Unsqueeze", ["mask", constant("between", [1, 2], np.int64)], "mask4")], "keep", to=F32)
    away = node("Mul", [node("Sub", [constant("whole", 1), keep], "drop"), constant("far", -10000)], "away")
    scores = node("Mul", [node("MatMul", [query, key], "scores"), constant("scale", 0.5)], "scaled")
    mixed = node("MatMul", [node("Softmax", [node("Add", [scores, away], "masked")], "share", axis=-1), val], "mixed")
    merged = node("Concat", [node("Gather", ["shape", first], "batch"), node("Unsqueeze", [words, first], "words1"), constant("wide", [8], np.int64)], "merge", axis=0)
    back = node("Reshape", [node("Transpose", [mixed], "mixed/t", perm=[0, 2, 1, 3]), merged], "back")
    x = norm(node("Add", [x, dense(back, "out", 8, 8)], "around0"), "norm1")
    inner = dense(x, "up", 8, 16)
    curve = node("Erf", [node("Div", [inner, constant("root2", 2**0.5)], "over")], "erf")
    active = node("Mul", [node("Mul", [inner, node("Add", [curve, "whole"], "up1")], "up2"), constant("half", 0.5)], "active")
    x = norm(node("Add", [x, dense(active, "down", 16, 8)], "around1"), "norm2")
    kept = node("Cast", [node("Unsqueeze", ["mask", constant("last", [-1], np.int64)], "mask3")], "kept", to=F32)
    total = node("ReduceSum", [node("Mul", [x, kept], "weighed"), constant("along", [1], np.int64)], "total", keepdims=0)
    count = node("Clip", [node("ReduceSum", [kept, "along"], "counted", keepdims=0), constant("least", 1e-9)], "count")
    mean = node("Div", [total, count], "mean")
    length = node("ReduceL2", [mean], "length", axes=[-1], keepdims=1)
    node("Div", [mean, length], "embedding")
    inputs = [value("ids", I64, ["batch", "words"]), value("mask", I64, ["batch", "words"])]
    return model(nodes, inputs, [value("embedding", F32, ["batch", 8])], constants)


def tiny_decoder():
    """A language model with a cache as exporters write it: two layers of two heads over 16 numbers, 32 words, 64 places; the
    weights are drawn with a fixed seed. ids[batch, tokens], past[layer, key or value, batch, head, place, 8] -> logits[batch, tokens, 32] and
    present, which is past with the new tokens behind it. The first call has a past of no places."""
    constants, nodes, draw = [], [], np.random.default_rng(25)

    def constant(name, array, kind=np.float32):
        constants.append(numpy_helper.from_array(np.array(array, dtype=kind), name))
        return name

    def weights(name, *dims):
        return constant(name, draw.normal(0, 0.5, dims))

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def norm(x, name):
        scale, bias = constant(f"{name}.scale", np.ones(16)), constant(f"{name}.bias", np.zeros(16))
        return node("LayerNormalization", [x, scale, bias], name, axis=-1, epsilon=1e-5)

    def number(name, value):
        return constant(name, value, np.int64)

    zero, one, first, ones = number("zero", 0), number("one", 1), number("first", [0]), number("ones", [1])
    before = node("Shape", ["past"], "before", start=4, end=5)
    after = node("Add", [before, node("Shape", ["ids"], "new", start=1, end=2)], "after")
    keys = node("Range", [zero, node("Squeeze", [after], "after0"), one], "keys")
    queries = node("Slice", [keys, before, after, first], "queries")
    ahead = node("Greater", [keys, node("Unsqueeze", [queries, ones], "queries1")], "ahead")
    away = node("Where", [ahead, constant("far", -1e9), constant("near", 0)], "away")
    table = weights("table", 32, 16)
    x = node("Add", [node("Gather", [table, "ids"], "word"), node("Gather", [weights("places", 64, 16), queries], "place")], "embedded")
    heads, whole, scale = number("heads", [0, 0, 3, 2, 8]), number("whole", [0, 0, 16]), constant("scale", 8**-0.5)
    kept = []
    for layer in ("layer0", "layer1"):
        product = node("MatMul", [norm(x, f"{layer}/norm1"), weights(f"{layer}.in", 16, 48)], f"{layer}/in")
        parts = node("Transpose", [node("Reshape", [product, heads], f"{layer}/heads")], f"{layer}/parts", perm=[2, 0, 3, 1, 4])
        query = node("Gather", [parts, zero], f"{layer}/query")
        new = node("Gather", [parts, number(f"{layer}.12", [1, 2])], f"{layer}/new")
        old = node("Gather", ["past", number(f"{layer}.at", len(kept))], f"{layer}/old")
        cache = node("Concat", [old, new], f"{layer}/cache", axis=3)
        key = node("Transpose", [node("Gather", [cache, zero], f"{layer}/key")], f"{layer}/key/t", perm=[0, 1, 3, 2])
        scores = node("Mul", [node("MatMul", [query, key], f"{layer}/scores"), scale], f"{layer}/scaled")
        share = node("Softmax", [node("Add", [scores, away], f"{layer}/masked")], f"{layer}/share", axis=-1)
        mixed = node("MatMul", [share, node("Gather", [cache, one], f"{layer}/value")], f"{layer}/mixed")
        back = node("Reshape", [node("Transpose", [mixed], f"{layer}/mixed/t", perm=[0, 2, 1, 3]), whole], f"{layer}/back")
        x = node("Add", [x, node("MatMul", [back, weights(f"{layer}.out", 16, 16)], f"{layer}/out")], f"{layer}/around1")
        up = node("Relu", [node("MatMul", [norm(x, f"{layer}/norm2"), weights(f"{layer}.up", 16, 32)], f"{layer}/up")], f"{layer}/active")
        x = node("Add", [x, node("MatMul", [up, weights(f"{layer}.down", 32, 16)], f"{layer}/down")], f"{layer}/around2")
        kept.append(node("Unsqueeze", [cache, first], f"{layer}/kept"))
    node("MatMul", [norm(x, "norm"), node("Transpose", [table], "table/t", perm=[1, 0])], "logits")
    node("Concat", kept, "present", axis=0)
    inputs = [value("ids", I64, ["batch", "tokens"]), value("past", F32, [2, 2, "batch", 2, "past", 8])]
    outputs = [value("logits", F32, ["batch", "tokens", 32]), value("present", F32, [2, 2, "batch", 2, "after", 8])]
    return model(nodes, inputs, outputs, constants)


def all_models():
    """File name -> model."""
    models = {f"identity_{name}": identity(name) for name in ELEMENT_TYPES}
    models["cast_u4"] = cast_4_bit(TensorProto.UINT4)
    models["cast_i4"] = cast_4_bit(TensorProto.INT4)
    models["odd_string"] = odd_string()
    models["number_text"] = number_text()
    models["add_scalars"] = add_scalars()
    models["dynamic_batch"] = dynamic_batch()
    models["slow_loop"] = slow_loop()
    models["nested_if"] = nested_if(DEEPEST_IF)
    models["constant_folding_bomb"] = constant_folding_bomb()
    models["function_chain"] = function_chain()
    models["function_doubling"] = function_doubling()
    models["shape_bomb"] = shape_bomb()
    models["hidden_bomb"] = hidden_bomb()
    models["tiny_encoder"] = tiny_encoder()
    models["tiny_decoder"] = tiny_decoder()
    return {f"{name}.onnx": made for name, made in models.items()}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, made in all_models().items():
        (folder / name).write_bytes(made.SerializeToString(deterministic=True))
