"""Makes real files of many kinds: python3 make_files.py FOLDER

Standard library only, the same bytes each time. Each file is named KIND-N.EXT; the name tells people what it is, no test
reads it. Every binary file is a valid one of its format; every text is a small working program or document.
"""

import base64
import bz2
import gzip
import io
import json
import lzma
import marshal
import sqlite3
import struct
import sys
import tarfile
import wave
import zipfile
import zlib
from pathlib import Path

PROSE = (
    "The harbour was quiet when the first boats came in. Nobody on the quay spoke of the storm, though all had heard it in "
    "the night, and the women counted the sails against the grey light until the number was right. "
)


def png(width, height, shade):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * shade + y * 3) % 256 for x in range(width * 3)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def gif(width, height):
    """One frame, uncompressed by clearing the code table before it grows."""
    palette = bytes(v for i in range(4) for v in (i * 85, 255 - i * 85, 128))
    bits = "".join(f"{code:03b}"[::-1] for i in range(width * height) for code in ((4, i % 4) if i % 2 == 0 else (i % 4,)))
    bits += f"{5:03b}"[::-1]
    data = bytes(int(bits[i : i + 8][::-1].rjust(8, "0"), 2) for i in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
    screen = struct.pack("<HHBBB", width, height, 0x91, 0, 0) + palette
    return b"GIF89a" + screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02" + blocks + b"\0;"


def bmp(width, height):
    rows = b"".join(bytes((x + y) % 256 for x in range(width * 3)).ljust((width * 3 + 3) // 4 * 4, b"\0") for y in range(height))
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 2835, 2835, 0, 0) + rows


JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/"
    "yQALCAABAAEBAREA/8wABgAQEAX/2gAIAQEAAD8A0s8g/9k="
)


def wav(seconds, rate):
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        samples = ((i * 37 % 200 - 100) * 250 for i in range(int(seconds * rate)))
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return out.getvalue()


def pdf(lines):
    text = "BT /F1 12 Tf 72 720 Td " + " ".join(f"({line}) Tj 0 -14 Td" for line in lines) + " ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    tail = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
    return out + f"{tail}startxref\n{len(out)}\n%%EOF\n".encode()


def archive(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def docx():
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    types = f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="{kind}"/></Types>'
    return archive(
        {
            "[Content_Types].xml": head + types,
            "_rels/.rels": f'{head}<Relationships xmlns="{relations}"><Relationship Id="rId1" Type="{office}" Target="word/document.xml"/></Relationships>',
            "word/document.xml": f'{head}<w:document xmlns:w="{main}"><w:body><w:p><w:r><w:t>{PROSE}</w:t></w:r></w:p></w:body></w:document>',
        }
    )


def tar(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def database(folder):
    path = folder / "made.tmp"
    base = sqlite3.connect(path)
    base.execute("create table boats (name text primary key, sails integer, built integer)")
    base.executemany("insert into boats values (?, ?, ?)", [(f"boat {n}", n % 4, 1900 + n) for n in range(200)])
    base.commit()
    base.close()
    data = path.read_bytes()
    path.unlink()
    return data


def wasm():
    """(module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))"""
    return bytes.fromhex("0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b")


def elf():
    """A 64-bit program for Linux that ends with status 42."""
    code = bytes.fromhex("b83c000000bf2a0000000f05")
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120 + len(code), 120 + len(code), 0x1000) + code


def pcap():
    packet = bytes(range(60))
    packets = b"".join(struct.pack("<IIII", 1_600_000_000 + n, n, len(packet), len(packet)) + packet for n in range(40))
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + packets


def texts():
    """name -> text. A program is more than a snippet, so that a model has something to go by."""
    words = PROSE.replace(".", "").replace(",", "").split()
    names = [word.lower() for word in words if len(word) > 4]
    c = "#include <stdio.h>\n#include <stdlib.h>\n\n" + "".join(
        f"static int {n}(int value)\n{{\n    for (int i = 0; i < {i}; i++) {{\n        value += i * {i + 2};\n    }}\n    return value;\n}}\n\n" for i, n in enumerate(sorted(set(names)))
    )
    cpp = "#include <iostream>\n#include <string>\n#include <vector>\n\nnamespace harbour {\n\ntemplate <typename T>\nclass Quay {\npublic:\n    explicit Quay(std::vector<T> boats) : boats_(std::move(boats)) {}\n    std::size_t size() const noexcept { return boats_.size(); }\n    auto begin() const { return boats_.cbegin(); }\n    auto end() const { return boats_.cend(); }\nprivate:\n    std::vector<T> boats_;\n};\n\n}  // namespace harbour\n\nint main() {\n    harbour::Quay<std::string> quay({\"a\", \"b\"});\n    for (const auto& boat : quay) {\n        std::cout << boat << std::endl;\n    }\n    return static_cast<int>(quay.size()) - 2;\n}\n"
    java = "package harbour;\n\nimport java.util.ArrayList;\nimport java.util.List;\n\npublic class Quay {\n    private final List<String> boats = new ArrayList<>();\n\n    public void moor(String boat) {\n        if (boat == null || boat.isEmpty()) {\n            throw new IllegalArgumentException(\"a boat has a name\");\n        }\n        boats.add(boat);\n    }\n\n    public int size() {\n        return boats.size();\n    }\n\n    public static void main(String[] args) {\n        Quay quay = new Quay();\n        for (String arg : args) {\n            quay.moor(arg);\n        }\n        System.out.println(quay.size() + \" boats\");\n    }\n}\n"
    go = "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"sort\"\n)\n\ntype boat struct {\n\tname  string\n\tsails int\n}\n\nfunc bySails(boats []boat) {\n\tsort.Slice(boats, func(i, j int) bool { return boats[i].sails < boats[j].sails })\n}\n\nfunc main() {\n\tboats := []boat{{\"a\", 2}, {\"b\", 1}}\n\tbySails(boats)\n\tfor _, b := range boats {\n\t\tif _, err := fmt.Fprintf(os.Stdout, \"%s %d\\n\", b.name, b.sails); err != nil {\n\t\t\tos.Exit(1)\n\t\t}\n\t}\n}\n"
    js = "'use strict';\n\nconst fs = require('fs');\n\nclass Quay {\n  constructor() {\n    this.boats = new Map();\n  }\n\n  moor(name, sails = 1) {\n    if (!name) throw new Error('a boat has a name');\n    this.boats.set(name, { name, sails });\n    return this;\n  }\n\n  get size() {\n    return this.boats.size;\n  }\n}\n\nmodule.exports = { Quay };\n\nif (require.main === module) {\n  const quay = new Quay();\n  fs.readFileSync(0, 'utf8').split('\\n').filter(Boolean).forEach((line) => quay.moor(line));\n  console.log(`${quay.size} boats`);\n}\n"
    ts = "export interface Boat {\n  readonly name: string;\n  sails?: number;\n}\n\ntype Predicate<T> = (value: T) => boolean;\n\nexport function where<T extends Boat>(boats: ReadonlyArray<T>, keep: Predicate<T>): T[] {\n  return boats.filter(keep);\n}\n\nexport enum Wind {\n  Calm = 'calm',\n  Storm = 'storm',\n}\n\nexport abstract class Harbour implements Iterable<Boat> {\n  private boats: Boat[] = [];\n\n  protected abstract accepts(boat: Boat): boolean;\n\n  public moor(boat: Boat): void {\n    if (this.accepts(boat)) {\n      this.boats.push(boat);\n    }\n  }\n\n  *[Symbol.iterator](): Iterator<Boat> {\n    yield* this.boats;\n  }\n}\n"
    css = "".join(f".{n} {{\n  color: #{i * 997 % 0xFFFFFF:06x};\n  margin: {i}px auto;\n  display: flex;\n}}\n\n" for i, n in enumerate(sorted(set(names)))) + "@media (max-width: 600px) {\n  body { font-size: 14px; }\n}\n"
    html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n  <meta charset=\"utf-8\">\n  <title>The harbour</title>\n  <link rel=\"stylesheet\" href=\"style.css\">\n</head>\n<body>\n" + "".join(f"  <p class=\"{n}\">{PROSE}</p>\n" for n in names[:6]) + "  <script src=\"quay.js\"></script>\n</body>\n</html>\n"
    xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<harbour>\n" + "".join(f"  <boat id=\"{i}\" sails=\"{i % 4}\"><name>{n}</name></boat>\n" for i, n in enumerate(names)) + "</harbour>\n"
    svg = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"400\" height=\"300\" viewBox=\"0 0 400 300\">\n" + "".join(f"  <circle cx=\"{i * 13 % 400}\" cy=\"{i * 29 % 300}\" r=\"{i % 20 + 2}\" fill=\"#3a{i * 7 % 100:02}f0\"/>\n" for i in range(40)) + "  <path d=\"M 10 10 L 390 10 L 390 290 Z\" stroke=\"black\"/>\n</svg>\n"
    csv = "name,sails,built,length_m\n" + "".join(f"{n},{i % 4},{1900 + i},{i * 1.5:.1f}\n" for i, n in enumerate(names))
    tsv = csv.replace(",", "\t")
    sql = "CREATE TABLE boats (\n    id INTEGER PRIMARY KEY,\n    name VARCHAR(80) NOT NULL,\n    sails INTEGER DEFAULT 1\n);\n\n" + "".join(f"INSERT INTO boats (id, name, sails) VALUES ({i}, '{n}', {i % 4});\n" for i, n in enumerate(names)) + "SELECT name, COUNT(*) FROM boats WHERE sails > 1 GROUP BY name ORDER BY name;\n"
    shell = "#!/usr/bin/env bash\nset -euo pipefail\n\nusage() {\n  echo \"usage: $0 FILE...\" >&2\n  exit 2\n}\n\n[ $# -gt 0 ] || usage\nfor file in \"$@\"; do\n  if [[ ! -r \"$file\" ]]; then\n    echo \"$file: not readable\" >&2\n    continue\n  fi\n  lines=$(wc -l < \"$file\")\n  printf '%s\\t%d\\n' \"$file\" \"$lines\" | sed 's/\\t/ /' | awk '{ print $2, $1 }'\ndone\n"
    yaml = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: harbour\n  labels:\n    app: harbour\nspec:\n  replicas: 3\n  selector:\n    matchLabels:\n      app: harbour\n  template:\n    spec:\n      containers:\n" + "".join(f"        - name: {n}\n          image: registry.example/{n}:1.{i}\n          ports:\n            - containerPort: {8000 + i}\n" for i, n in enumerate(names[:6]))
    ini = "".join(f"[{n}]\nsails = {i}\nbuilt = {1900 + i}\n; a comment\npath = /srv/{n}\n\n" for i, n in enumerate(names[:12]))
    toml = "[package]\nname = \"harbour\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\n\n" + "".join(f"[[boat]]\nname = \"{n}\"\nsails = {i % 4}\nbuilt = {1900 + i}-01-01\n\n" for i, n in enumerate(names[:8]))
    markdown = "# The harbour\n\n" + PROSE + "\n\n## Boats\n\n" + "".join(f"* **{n}** has `{i % 4}` sails ([more](https://example.com/{n}))\n" for i, n in enumerate(names[:10])) + "\n```sh\nls -l\n```\n\n| boat | sails |\n|---|---|\n| a | 2 |\n"
    php = "<?php\n\ndeclare(strict_types=1);\n\nnamespace Harbour;\n\nfinal class Quay implements \\Countable\n{\n    private array $boats = [];\n\n    public function moor(string $name, int $sails = 1): self\n    {\n        if ($name === '') {\n            throw new \\InvalidArgumentException('a boat has a name');\n        }\n        $this->boats[$name] = $sails;\n        return $this;\n    }\n\n    public function count(): int\n    {\n        return count($this->boats);\n    }\n}\n\necho (new Quay())->moor('a')->count(), PHP_EOL;\n"
    ruby = "# frozen_string_literal: true\n\nrequire 'set'\n\nmodule Harbour\n  class Quay\n    include Enumerable\n    attr_reader :boats\n\n    def initialize\n      @boats = Set.new\n    end\n\n    def moor(name)\n      raise ArgumentError, 'a boat has a name' if name.nil? || name.empty?\n\n      @boats << name\n      self\n    end\n\n    def each(&block)\n      @boats.each(&block)\n    end\n  end\nend\n\nputs Harbour::Quay.new.moor('a').map(&:upcase).inspect if __FILE__ == $PROGRAM_NAME\n"
    latex = "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage{amsmath}\n\\title{The harbour}\n\\begin{document}\n\\maketitle\n\\section{Boats}\n" + PROSE + "\n\\begin{equation}\n  \\sum_{i=1}^{n} i = \\frac{n(n+1)}{2}\n\\end{equation}\n\\begin{itemize}\n  \\item one\n  \\item two\n\\end{itemize}\n\\end{document}\n"
    docker = "FROM debian:bookworm-slim AS build\nRUN apt-get update && apt-get install -y --no-install-recommends build-essential \\\n    && rm -rf /var/lib/apt/lists/*\nWORKDIR /src\nCOPY . .\nRUN make all\n\nFROM debian:bookworm-slim\nCOPY --from=build /src/harbour /usr/local/bin/harbour\nEXPOSE 8080\nUSER nobody\nENTRYPOINT [\"/usr/local/bin/harbour\"]\nCMD [\"--port\", \"8080\"]\n"
    make = "CC ?= cc\nCFLAGS += -O2 -Wall\nOBJECTS = harbour.o quay.o\n\n.PHONY: all clean\n\nall: harbour\n\nharbour: $(OBJECTS)\n\t$(CC) $(LDFLAGS) -o $@ $^\n\n%.o: %.c\n\t$(CC) $(CFLAGS) -c -o $@ $<\n\nclean:\n\trm -f harbour $(OBJECTS)\n"
    python = "\"\"\"Counts boats.\"\"\"\n\nimport sys\nfrom dataclasses import dataclass, field\n\n\n@dataclass\nclass Quay:\n    boats: dict[str, int] = field(default_factory=dict)\n\n    def moor(self, name: str, sails: int = 1) -> None:\n        if not name:\n            raise ValueError(\"a boat has a name\")\n        self.boats[name] = sails\n\n\ndef main() -> int:\n    quay = Quay()\n    for line in sys.stdin:\n        quay.moor(line.strip())\n    print(f\"{len(quay.boats)} boats\")\n    return 0\n\n\nif __name__ == \"__main__\":\n    sys.exit(main())\n"
    rust = "use std::collections::BTreeMap;\n\n/// Where boats lie.\n#[derive(Debug, Default)]\npub struct Quay {\n    boats: BTreeMap<String, u32>,\n}\n\nimpl Quay {\n    pub fn moor(&mut self, name: impl Into<String>, sails: u32) -> Option<u32> {\n        self.boats.insert(name.into(), sails)\n    }\n\n    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> + '_ {\n        self.boats.iter().map(|(name, sails)| (name.as_str(), *sails))\n    }\n}\n\nfn main() {\n    let mut quay = Quay::default();\n    quay.moor(\"a\", 2);\n    for (name, sails) in quay.iter() {\n        println!(\"{name} {sails}\");\n    }\n}\n"
    data = [{"name": n, "sails": i % 4, "built": 1900 + i, "ports": [i, i + 1], "afloat": i % 2 == 0} for i, n in enumerate(names)]
    mail = "From: ada@example.com\nTo: bob@example.com\nSubject: The harbour\nDate: Mon, 02 Feb 2026 10:00:00 +0000\nMessage-ID: <1@example.com>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nDear Bob,\n\n" + PROSE * 2 + "\n\nAda\n"
    patch = "diff --git a/quay.c b/quay.c\nindex 83db48f..bf26c1a 100644\n--- a/quay.c\n+++ b/quay.c\n@@ -10,7 +10,8 @@ static int moor(int value)\n {\n     for (int i = 0; i < 3; i++) {\n-        value += i;\n+        value += i * 2;\n+        value -= 1;\n     }\n     return value;\n }\n"
    return {
        "c-1.c": c, "cpp-1.cpp": cpp, "java-1.java": java, "go-1.go": go, "javascript-1.js": js, "typescript-1.ts": ts, "css-1.css": css,
        "html-1.html": html, "xml-1.xml": xml, "svg-1.svg": svg, "csv-1.csv": csv, "tsv-1.tsv": tsv, "sql-1.sql": sql, "shell-1.sh": shell,
        "yaml-1.yaml": yaml, "ini-1.ini": ini, "toml-1.toml": toml, "markdown-1.md": markdown, "php-1.php": php, "ruby-1.rb": ruby,
        "latex-1.tex": latex, "docker-1.Dockerfile": docker, "makefile-1.mk": make, "python-1.py": python, "rust-1.rs": rust,
        "json-1.json": json.dumps(data, indent=2), "json-2.json": json.dumps(data), "jsonl-1.jsonl": "".join(json.dumps(d) + "\n" for d in data),
        "email-1.eml": mail, "diff-1.patch": patch, "text-1.txt": PROSE * 5, "text-2.txt": PROSE[:40],
        # The edges of what the model is shown: nothing, one byte, only blanks, blanks around, 4096 bytes and one more.
        "edge-empty": "", "edge-one-byte": "a", "edge-blank": " \n\t" * 50, "edge-blank-around": "\n" * 3000 + python + " " * 3000,
        "edge-4096": (PROSE * 30)[:4096], "edge-4097": (PROSE * 30)[:4097], "edge-8-bytes": "12345678", "edge-7-bytes": "1234567",
    }


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    made = {name: text.encode() for name, text in texts().items()}
    members = {name: data for name, data in made.items() if name.endswith((".c", ".md", ".json"))}
    made |= {
        "png-1.png": png(64, 48, 5), "png-2.png": png(300, 200, 11), "gif-1.gif": gif(40, 30), "bmp-1.bmp": bmp(33, 21), "jpeg-1.jpg": JPEG,
        "wav-1.wav": wav(0.2, 8000), "wav-2.wav": wav(1, 16000), "pdf-1.pdf": pdf([PROSE[:60], PROSE[60:120]]), "zip-1.zip": archive(members),
        "docx-1.docx": docx(), "tar-1.tar": tar(members), "gzip-1.gz": gzip.compress(PROSE.encode() * 9, mtime=0), "bzip2-1.bz2": bz2.compress(PROSE.encode() * 9),
        "xz-1.xz": lzma.compress(PROSE.encode() * 9), "sqlite-1.db": database(folder), "wasm-1.wasm": wasm(), "elf-1": elf(), "pcap-1.pcap": pcap(),
        "marshal-1": marshal.dumps({"boats": list(range(500))}), "utf16-1.txt": PROSE.encode("utf-16"), "edge-binary": bytes(range(256)) * 20,
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
