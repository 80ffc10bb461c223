"""Training pairs as arrays: token ids of queries and codes, and the base model's vectors of the queries.

`prepare` turns pair files (JSON lines: `query`, `code`, `language`, `source`, and where known `path`, `symbol`;
`documentation`, where a person wrote the query for this code and it is not its documentation; or `codes`: language to
code) into shards that are written once and found again by their content, so that a run
that was stopped goes on and a larger set costs only what is new. No torch here.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from indexer.batching import batched
from indexer.encoder.interface import Encoder, Ids, Vectors
from indexer.encoder.units import HEADING_TOKENS, heading
from indexer.errors import EnvironmentFailed, UsageError
from indexer.progress import Progress, Report, silent
from indexer.style.normalise import normalise

# Pairs of one shard: seconds of work, megabytes on disk.
_SHARD = 4_096
# Names of languages in pair files that are not ours.
_LANGUAGES = {"cpp": "c++", "csharp": "c#", "js": "javascript", "ts": "typescript", "powershell/cmd": "bash"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of a pair file, or one direction between two codes of a group."""

    query: str
    code: str
    language: str
    package: str
    name: str
    # Empty where the query itself is the documentation.
    documentation: str = ""


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of different lengths: `flat` holds them all, row i is `flat[starts[i]:starts[i + 1]]`."""

    flat: NDArray[np.uint16]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Ids]) -> Ragged:
        """Return the rows joined."""
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        flat = np.concatenate([np.empty(0, np.uint16), *(row.astype(np.uint16) for row in rows)])
        return cls(flat, starts)

    @classmethod
    def joined(cls, parts: Sequence[Ragged]) -> Ragged:
        """Return all rows of all parts."""
        lengths = np.concatenate([np.empty(0, np.int64), *(np.diff(part.starts) for part in parts)])
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(np.concatenate([np.empty(0, np.uint16), *(part.flat for part in parts)]), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> NDArray[np.uint16]:
        return self.flat[self.starts[row] : self.starts[row + 1]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """`queries`, `codes`, `normals` (in their normal form), `names` (headings), `documentation`: token ids a pair.

    `frozen` (n, dim) are the base model's query vectors, of norm 1. `language`, `package` and `unit` (n,) are numbers,
    `languages` names the first; pairs of one unit have the same code. `written` (n,) tells which queries were written
    for the code and are not its documentation.
    """

    queries: Ragged
    codes: Ragged
    normals: Ragged
    names: Ragged
    documentation: Ragged
    frozen: NDArray[np.float16]
    language: NDArray[np.int64]
    package: NDArray[np.int64]
    unit: NDArray[np.int64]
    written: NDArray[np.bool_]
    languages: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.language)


@dataclass(slots=True)
class Counts:
    """What became of the lines read."""

    pairs: int = 0
    broken: int = 0
    first_broken: str = ""


_RAGGED = ("queries", "codes", "normals", "names", "documentation")


def read_pairs(files: Iterable[Path], counts: Counts) -> Iterator[Pair]:
    """Yield the pairs of files; a line that is no pair is counted, the first one named in `counts`."""
    for path in files:
        try:
            with _opened(path) as stream:
                for number, line in enumerate(stream, 1):
                    try:
                        found = list(_pairs(json.loads(line)))
                    except (ValueError, TypeError, KeyError, AttributeError) as error:
                        counts.broken += 1
                        counts.first_broken = counts.first_broken or f"{path}:{number}: {error!r}"
                        continue
                    counts.pairs += len(found)
                    yield from found
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise UsageError(f"the pairs in {path} cannot be read: {error}") from error


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _pairs(line: dict[str, Any]) -> Iterator[Pair]:
    source = str(line.get("source", ""))
    if "codes" in line:
        # Each code stands for the next one: a group of nine languages is nine pairs, not seventy-two.
        names = sorted(line["codes"])
        for left, right in zip(names, [*names[1:], names[0]], strict=True):
            code = line["codes"][right]
            yield _checked(Pair(line["codes"][left], code, _LANGUAGES.get(right, right), source, ""))
        return
    language = line["language"]
    name = heading(line.get("path") or "", line.get("symbol") or "")
    documentation = str(line.get("documentation", ""))
    yield _checked(Pair(line["query"], line["code"], _LANGUAGES.get(language, language), source, name, documentation))


def _checked(pair: Pair) -> Pair:
    for field in ("query", "code", "language"):
        value = getattr(pair, field)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"no {field}")
    return pair


def prepare(
    files: Sequence[Path],
    folder: Path,
    base: Encoder,
    *,
    query_tokens: int,
    code_tokens: int,
    pool: Executor,
    report: Report = silent,
) -> Counts:
    """Write the shards of all pairs in `files` below `folder`; shards that lie there already are kept.

    `base` encodes the queries. Raises UsageError for a file that cannot be read, EnvironmentFailed for a full disk.
    """
    counts = Counts()
    folder.mkdir(parents=True, exist_ok=True)
    identity = f"{base.fingerprint}:{query_tokens}:{code_tokens}"
    wanted = []
    for batch in batched(read_pairs(files, counts), _SHARD):
        digest = hashlib.blake2b(identity.encode(), digest_size=10)
        for pair in batch:
            digest.update("\0".join(_content(pair)).encode("utf-8", "replace"))
        path = folder / f"{digest.hexdigest()}.npz"
        wanted.append(path.name)
        if not path.exists():
            forms = list(pool.map(_form, batch, chunksize=128))
            _write(path, _arrays(batch, forms, base, query_tokens, code_tokens))
        report(Progress("Preparing", counts.pairs, None, "pairs"))
    _write_text(folder / "shards.json", json.dumps(wanted, indent=0))
    return counts


def _content(pair: Pair) -> tuple[str, ...]:
    written = (pair.documentation,) if pair.documentation else ()
    return (pair.query, pair.code, pair.language, pair.name, *written)


def _form(pair: Pair) -> str:
    return normalise(pair.code, pair.language)


def _arrays(
    batch: Sequence[Pair], forms: Sequence[str], base: Encoder, query_tokens: int, code_tokens: int
) -> dict[str, NDArray[Any]]:
    def ids(texts: Sequence[str], limit: int) -> list[Ids]:
        # A token is seldom longer than this many characters: the rest need not be read.
        return [tokens.ids[:limit] for tokens in base.tokenise([text[: 16 * limit] for text in texts])]

    rows = {
        "queries": ids([pair.query for pair in batch], query_tokens),
        "codes": ids([pair.code for pair in batch], code_tokens),
        "normals": ids(forms, code_tokens),
        "names": ids([pair.name for pair in batch], HEADING_TOKENS),
        "documentation": ids([pair.documentation or pair.query for pair in batch], query_tokens),
    }
    frozen: Vectors = base.encode(rows["queries"], base.depths[-1])
    arrays: dict[str, NDArray[Any]] = {
        "frozen": frozen.astype(np.float16),
        "language": np.array([pair.language for pair in batch]),
        "package": np.array([pair.package for pair in batch]),
        "written": np.array([bool(pair.documentation) for pair in batch]),
    }
    for name, value in rows.items():
        ragged = Ragged.of(value)
        arrays[name], arrays[f"{name}_starts"] = ragged.flat, ragged.starts
    return arrays


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    _replace(path, lambda scratch: np.savez(scratch, allow_pickle=False, **arrays))


def _write_text(path: Path, text: str) -> None:
    _replace(path, lambda scratch: scratch.write_text(text))


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    scratch = path.with_name(f"writing-{path.name}")
    try:
        write(scratch)
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise EnvironmentFailed(f"{path} cannot be written: {error}") from error


def load_pairs(folder: Path) -> Pairs:
    """Read the prepared pairs in `folder`; raise UsageError where there are none or a shard is damaged."""
    try:
        names = json.loads((folder / "shards.json").read_text())
        shards = [_read(folder / name) for name in names]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"{folder} holds no prepared pairs ({error}); run `fathom train prepare` first") from error
    if not shards:
        raise UsageError(f"{folder} holds no pairs; give `fathom train prepare` files that do")
    languages, language = np.unique(np.concatenate([shard["language"] for shard in shards]), return_inverse=True)
    _, package = np.unique(np.concatenate([shard["package"] for shard in shards]), return_inverse=True)
    ragged = {
        name: Ragged.joined([Ragged(shard[name], shard[f"{name}_starts"]) for shard in shards]) for name in _RAGGED
    }
    return Pairs(
        **ragged,
        frozen=np.concatenate([shard["frozen"] for shard in shards]),
        language=language,
        package=package,
        unit=_units(ragged["codes"]),
        written=np.concatenate([shard["written"] for shard in shards]),
        languages=tuple(map(str, languages)),
    )


def _units(codes: Ragged) -> NDArray[np.int64]:
    """Return a number (n,) for each code, the same where the codes are."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(codes[row].tobytes(), row) for row in range(len(codes))], dtype=np.int64)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if "written" not in arrays:  # a shard of the time before queries were written: each is its code's documentation
        arrays["documentation"], arrays["documentation_starts"] = arrays["queries"], arrays["queries_starts"]
        arrays["written"] = np.zeros(len(arrays["frozen"]), dtype=bool)
    return arrays
