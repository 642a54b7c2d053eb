#!/usr/bin/env python3
"""Counts the words of the files that are named on the command line."""

import sys
from collections import Counter
from pathlib import Path


def words(path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        counts.update(line.lower().split())
    return counts


def main() -> int:
    total: Counter[str] = Counter()
    for name in sys.argv[1:]:
        total += words(Path(name))
    for word, count in total.most_common(10):
        print(f"{count:6d} {word}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
