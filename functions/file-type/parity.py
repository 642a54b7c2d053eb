"""What the `magika` Python package says of files, one JSON line each: the yardstick of this function.

Usage: python parity.py FILE…        Needs: pip install magika==1.0.3 (it brings onnxruntime and numpy)

Each line has the fields of this function's answer and `path`. Only the bytes count, never the name.
"""

import json
import sys
from pathlib import Path

from magika import Magika


def main() -> int:
    magika = Magika()
    for name in sys.argv[1:]:
        result = magika.identify_bytes(Path(name).read_bytes())
        output = result.output
        line = {
            "path": name,
            "label": str(output.label),
            "score": result.score,
            "mime": output.mime_type,
            "group": output.group,
            "description": output.description,
        }
        print(json.dumps(line, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
