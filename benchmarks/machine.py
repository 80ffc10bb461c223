"""What a measurement ran on: commit, processor and its vector instructions. Results carry it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "i8mm")


def machine() -> dict[str, Any]:
    """Return the commit, the date and the processor, with the instructions that matter to int8."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set()
    return {
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "instructions": [name for name in _INSTRUCTIONS if name in flags],
    }


def write_result(name: str, figures: dict[str, Any]) -> Path:
    """Write figures as JSON named by program and commit; return the path."""
    RESULTS.mkdir(exist_ok=True)
    where = machine()
    path = RESULTS / f"{name}-{where['commit']}.json"
    path.write_text(json.dumps({"machine": where, **figures}, indent=2) + "\n")
    return path


def _commit() -> str:
    root = Path(__file__).parent
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"], cwd=root, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
