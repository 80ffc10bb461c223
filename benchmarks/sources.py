"""Lay out the packages of a repository set: fetched by their own registries' clients, read and never run.

`python -m benchmarks.sources tests/data/questions` reads `sources.json` there and writes
`TARGET/REPOSITORY/…`, what `fathom eval` indexes. What lies there already is not fetched again.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from indexer.errors import EnvironmentFailed
from indexer.training.packages import BROKEN, REGISTRIES, Order, everything
from search.evaluation.sources import Source, default_layout, lies_at, mark, read_sources


def lay_out(source: Source, target: Path) -> bool:
    """Write one source's files under `target`; return False where they lie there already.

    Raises EnvironmentFailed, naming the source, when it cannot be had.
    """
    folder = target / source.repository
    if lies_at(source, folder):
        return False
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "fresh"
        try:
            registry = REGISTRIES[source.registry]
            archive = registry.download(Order(source, Path(scratch), Path(scratch) / "apt"))
            for name, content in registry.read(source, archive, everything):
                if _included(name, source.include):
                    path = fresh / _below(name, source.root)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
        except BROKEN as error:
            raise EnvironmentFailed(f"the source {source.repository} cannot be had: its archive: {error}") from error
        if not fresh.is_dir():
            raise EnvironmentFailed(f"the source {source.repository} holds nothing under {', '.join(source.include)}")
        shutil.rmtree(folder, ignore_errors=True)
        target.mkdir(parents=True, exist_ok=True)
        shutil.move(fresh, folder)
        mark(source, folder)
    return True


def _included(name: str, include: tuple[str, ...]) -> bool:
    return any(prefix == "." or name == prefix or name.startswith(prefix + "/") for prefix in include)


def _below(name: str, root: str) -> PurePosixPath:
    """Return a path without its root; what is not below the root keeps its own."""
    path = PurePosixPath(name)
    return path.relative_to(root) if path.is_relative_to(root) else path


def main() -> None:
    """Lay out every source of a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", type=Path)
    parser.add_argument("--target", type=Path, help="instead of the cache folder")
    arguments: Any = parser.parse_args()
    target = arguments.target or default_layout(arguments.set)
    for source in read_sources(arguments.set):
        fetched = lay_out(source, target)
        print(f"{source.repository} {source.version}: {'fetched' if fetched else 'there already'}", flush=True)
    print(f"sources lie under {target}")


if __name__ == "__main__":
    main()
