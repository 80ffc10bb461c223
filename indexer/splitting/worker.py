"""The process that parses: reads files from standard input, writes their units to standard output.

Run as `python -m indexer.splitting.worker`. It is a process of its own so that a parse that hangs or
crashes can be killed. Frames are a length and JSON: nothing that could run code is exchanged.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
from typing import IO, Any

from indexer.splitting.parse import parse_file, request_from

HEADER = struct.Struct(">II")
# Far above any file that is parsed: a longer frame is no frame.
_MAX_FRAME = 1 << 30
# Longer than the other side waits: ends a worker that hangs when nobody is left to kill it.
_ORPHAN_SECONDS = 60


def write_frame(stream: IO[bytes], fields: dict[str, Any], content: bytes = b"") -> None:
    """Write a JSON object and raw bytes."""
    encoded = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    stream.write(HEADER.pack(len(encoded), len(content)))
    stream.write(encoded)
    stream.write(content)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Read what `write_frame` wrote; None at the end of the stream, ValueError for anything else."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    first, second = HEADER.unpack(header)
    if first + second > _MAX_FRAME:
        raise ValueError(f"a frame of {first + second} bytes")
    encoded, content = stream.read(first), stream.read(second)
    if len(encoded) < first or len(content) < second:
        return None
    fields = json.loads(encoded)
    if not isinstance(fields, dict):
        raise ValueError("a frame without an object")
    return fields, content


def main() -> None:
    """Answer requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (frame := read_frame(source)) is not None:
        signal.alarm(_ORPHAN_SECONDS)
        fields, content = frame
        write_frame(sink, parse_file(request_from(fields, content)))
        signal.alarm(0)


if __name__ == "__main__":
    main()
