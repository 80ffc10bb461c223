"""The demo: index the running Python's standard library and ask three questions.

`make demo` runs it; it prints the commands a person would type and what they print.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import sysconfig
import time
from pathlib import Path

from cli.main import run

QUERIES = ("where is a cookie header parsed", "retry after a timeout", '"Content-Length" kind:method')


def _fathom(*arguments: str) -> None:
    print(f"\n$ fathom {shlex.join(arguments)}", flush=True)
    code = run(arguments)
    if code:
        sys.exit(code)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    index = ["--index", str(parser.parse_args().index)]
    library = Path(sysconfig.get_path("stdlib"))
    started = time.monotonic()
    _fathom("index", *index, "--no-deepen", str(library))
    print(f"searchable by meaning in {time.monotonic() - started:.0f} s", flush=True)
    for query in QUERIES:
        _fathom("search", *index, "-k", "3", query)
    deeper = shlex.join(["fathom", "deepen", *index])
    print(f"\n`{deeper}` makes answers better while you search: the encoder's deeper exits, a few minutes.")
    print('Next: `. .venv/bin/activate`, then `fathom index YOUR/FOLDER` and `fathom search "your question"`.')


if __name__ == "__main__":
    main()
