"""Makes the seeds that fuzzing begins with: python3 make_seeds.py

From the models, manifests and routes of the repository, with nothing but the standard library; the same bytes each time.
"""

import shutil
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
# A seed of some hundred bytes is changed in a place that matters more often than one of some thousand.
MODEL_BYTES_MAX = 10_000

CARDS = {
    "empty": "",
    "about": 'description = "Adds weights"\nlicence = "Apache-2.0"\nsource = "https://example.com"\ntags = ["a", "b"]\n[metrics]\naccuracy = 0.97\n',
    "batch": '[batch]\nallow_row_mixing = true\npreferred = [4, 8, 32]\ndim0 = "batch"\n[batch.pad]\nids = { dim = 1, value = 0 }\nmask = { dim = 1 }\n',
    "run": '[run]\nlimit = "500ms"\nsessions = 2\nthreads = 1\nprepack = false\ndevice = "cuda:0!"\nfp16 = true\n',
    "wrong": 'licens = "MIT"\n[batch]\npreferred = [8, 4]\n[run]\nlimit = "0s"\ndevice = "gpu"\n',
}

MANIFESTS = {
    "smallest": 'name = "f"\n[build]\ncomponent = "f.wasm"\n[[route]]\npath = "/f"\n',
    "full": """name = "all"
[build]
command = "make"
component = "all.wasm"
[[route]]
host = "api.example.com"
path = "/x/{name}/{*rest}"
methods = ["GET", "POST"]
auth = "key"
[models]
inline = true
m = "acme/magika@stable"
n = { file = "n.onnx" }
[limits]
memory = "64MiB"
time = "2s"
cpu = "500ms"
body = "4MiB"
concurrency = 32
queue = 64
[instances]
reuse = "request"
idle = "30s"
max_requests = 10000
[batch]
m = { max = 32, wait = "1ms", share = "all" }
[outbound]
allow = ["https://api.example.com"]
[config]
threshold = "0.5"
[[case]]
request = { method = "POST", path = "/x/a/b", body_file = "a" }
expect = { status = 200, json = { label = "x" }, tolerance = 1e-3 }
""",
    "wrong": 'name = "F"\nrout = 1\n[limits]\ntime = "2 years"\n[batch]\nm = { max = 0 }\n',
}

ROUTES = {
    "one": "/\n\n/\n/x\n",
    "precedence": "/x/a\n/x/{p}\n/x/{*r}\n/{q}/b/c\n/x/b/d\n/\n/x/a/\n\n/x/a\n/x/z\n/x/z/y\n/x/b/c\n/x/\n/x\n/x/%61\n*\n",
    "hosts": "h /x\n/x\nexample.com /{*all}\n\nh /x\nH:80 /x\nother /x\nexample.com. /a//b\n[::1]:8080 /x\n",
    "reserved": "/v1/models\n/v2/{*r}\n/{*all}\n\n/v2/models/m/infer\n/v2x\n/openai\n",
    "names": "/{a}/{b}\n/{a}/{c}\n/{a}/{a}\n/{\n/a{b}c\n/{*}\n/é/ü\n\n/é/ü\n/1/2\n",
}

HTTP = {
    "get": "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    "old": "GET /x?y=z HTTP/1.0\r\n\r\n",
    "absolute": "GET http://a:80/x HTTP/1.1\r\nhost: b\r\nauthorization: Bearer x\r\n\r\n",
    "options": "OPTIONS * HTTP/1.1\r\nhost: [::1]:80\r\n\r\n",
    "body": "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\nhello",
    "chunks": "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n",
    "pipelined": "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nhost: a\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\n\r\n",
    "both-lengths": "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "upgrade": "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\nmodelet-caller: root\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


def http():
    """Those, and HTTP/2: its preface, settings, a request, data, a ping, a reset."""

    def frame(kind, flags, stream, payload=b""):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    # Indexed fields of the static table: GET, /, http; and an authority as a literal.
    get = b"\x82\x84\x86\x41\x01a"
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
    return HTTP | {
        "h2-get": preface + frame(1, 5, 1, get),
        "h2-post": preface + frame(1, 4, 1, b"\x83" + get[1:]) + frame(0, 1, 1, b"hello"),
        "h2-frames": preface + frame(6, 0, 0, bytes(8)) + frame(1, 5, 1, get) + frame(3, 0, 1, bytes(4)) + frame(8, 0, 0, b"\0\0\1\0"),
        "h2-continued": preface + frame(1, 1, 1, get[:2]) + frame(9, 4, 1, get[2:]),
    }


def tensors():
    """Element type, rank, dimensions, data."""

    def seed(kind, dims, data):
        return bytes([kind, len(dims)]) + struct.pack(f"<{len(dims)}Q", *dims) + data

    return {
        "scalar": seed(0, [], b"\0\0\0\0"),
        "matrix": seed(0, [2, 3], bytes(24)),
        "empty": seed(0, [2, 0, 3], b""),
        "halves": seed(5, [3], bytes(6)),
        "overflow": seed(1, [1 << 32, 1 << 32], b""),
        "empty-overflow": seed(1, [0, 1 << 40, 1 << 40], b""),
        "signed": seed(2, [1 << 63], b""),
        "many": seed(3, [1] * 65, bytes(8)),
    }


def lay(target, seeds):
    folder = HERE / "seeds" / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, seed in seeds.items():
        (folder / name).write_bytes(seed if isinstance(seed, bytes) else seed.encode())


def models():
    """Every kind of small model; of the families that differ in a number alone, one."""
    folder = REPOSITORY / "tests/models"
    files = [*folder.glob("*.onnx"), *folder.glob("onnx-node/*.onnx")]
    alike = {f"identity_{kind}.onnx" for kind in ("f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f16", "bf16")}
    alike |= {f"identity_f8{kind}.onnx" for kind in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz")}
    return {file.name: file.read_bytes() for file in sorted(files) if file.stat().st_size <= MODEL_BYTES_MAX and file.name not in alike}


def manifests():
    folders = sorted((REPOSITORY / "functions").iterdir())
    ours = {folder.name: (folder / "function.toml").read_text() for folder in folders if (folder / "function.toml").exists()}
    return MANIFESTS | ours


if __name__ == "__main__":
    lay("admission", models())
    lay("card", CARDS)
    lay("http", http())
    lay("manifest", manifests())
    lay("routes", ROUTES)
    lay("tensors", tensors())
