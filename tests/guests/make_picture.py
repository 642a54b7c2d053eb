"""Makes picture.png, which the guest `png` decodes: python3 make_picture.py

Standard library only. Its pixels are a formula that tests/e2e/computing.rs has, too; its rows take turns at the five filters.
"""

import struct
import zlib
from pathlib import Path

WIDTH, HEIGHT, CHANNELS = 160, 120, 3


def pixel(x, y):
    return ((3 * x + y) % 256, x ^ y, (x * y // 16 + (7919 * x + 104729 * y) % 13) % 256)


def paeth(left, up, corner):
    near = left + up - corner
    return min((left, up, corner), key=lambda neighbour: abs(near - neighbour))


def filtered(kind, row, above):
    out = bytearray([kind])
    for at, byte in enumerate(row):
        left, corner = (row[at - CHANNELS], above[at - CHANNELS]) if at >= CHANNELS else (0, 0)
        guess = (0, left, above[at], (left + above[at]) // 2, paeth(left, above[at], corner))[kind]
        out.append((byte - guess) % 256)
    return bytes(out)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main():
    above, lines = bytes(WIDTH * CHANNELS), b""
    for y in range(HEIGHT):
        row = bytes(channel for x in range(WIDTH) for channel in pixel(x, y))
        lines += filtered(y % 5, row, above)
        above = row
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    packed = zlib.compress(lines, 9)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    Path(__file__).with_name("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


if __name__ == "__main__":
    main()
