"""What must never be trained on: the projects and sets by which Fathom is measured, and copies of them.

Nothing is mined here.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from indexer.errors import UsageError
from indexer.style.docstrings import without_docstrings

# Projects of question sets, beside those that the data folder names.
OWN_PROJECTS = Path(__file__).with_name("left-out.txt")
_PROJECTS = "left-out.txt"
# The evaluation sets of the data folder whose texts are kept out.
SETS = ("cosqa-dev", "java-csharp-dev", "mbpp-recorded")
_PARTS = re.compile(r"[/:@]")
_JOINTS = re.compile(r"[-_.]")


class LeftOut:
    """Projects by name, in any case, and the texts of evaluation sets."""

    def __init__(self, projects: Collection[str], texts: Collection[tuple[str, str | None]] = ()) -> None:
        self._projects = {name.lower() for name in projects}
        self._texts = tuple(texts)

    def project(self, package: str) -> str | None:
        """Return the project that a package belongs to by its name; None for one that may be mined.

        `cats-core_2.13`, `serde_json` and `php-league-commonmark` belong to cats, serde and commonmark: rather one
        package too many is left out.
        """
        for part in _PARTS.split(package.lower()):
            starts = [0, *(match.end() for match in _JOINTS.finditer(part))]
            ends = [*(match.start() for match in _JOINTS.finditer(part)), len(part)]
            for name in (part[start:end] for start in starts for end in ends if start < end):
                if name in self._projects:
                    return name
        return None

    def in_path(self, folders: Collection[str]) -> bool:
        """Tell whether a folder of a path, in lower case, is named as a project: a copy of it."""
        return not self._projects.isdisjoint(folders)

    def texts(self) -> Iterator[str]:
        """Yield what the evaluation sets hold: questions, and code without its documentation."""
        for text, language in self._texts:
            yield without_docstrings(text, language) if language else text


def read_left_out(folder: Path) -> LeftOut:
    """Read the projects and sets of a data folder, and our own projects; raise UsageError naming what is missing."""
    projects: set[str] = set()
    for path in (OWN_PROJECTS, folder / _PROJECTS):
        projects |= set(_projects(path))
    texts = [entry for name in SETS for entry in _set(folder / name)]
    return LeftOut(projects, texts)


def _projects(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(
            f"the projects to leave out cannot be read: {error}; --data (or FATHOM_DATA) names their folder"
        ) from error
    for line in lines:
        if not line.startswith("#"):
            yield from line.partition(":")[2].split()


def _set(folder: Path) -> Iterator[tuple[str, str | None]]:
    files = sorted([*folder.glob("corpus.jsonl*"), *folder.glob("queries.jsonl*")])
    if len(files) < 2:
        raise UsageError(f"the evaluation set {folder}, which is to be left out, is not there")
    for path in files:
        for number, line in enumerate(_lines(path), 1):
            try:
                entry = json.loads(line)
                yield str(entry["text"]), (entry.get("metadata") or {}).get("language")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise UsageError(f"{path}, line {number}: no record of an evaluation set: {error!r}") from error


def _lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"the evaluation set's file {path} cannot be read: {error}") from error
