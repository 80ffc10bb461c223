"""Pairs of a question and its code, mined from the documented units of listed packages.

Packages are fetched, read and split, never run. What is left out is counted with its reason. One package's pairs are
a file of their own, written whole or not at all, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
import textwrap
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from indexer.errors import EnvironmentFailed, IndexBusy, UsageError
from indexer.languages import by_name, detect
from indexer.progress import Progress, Report, silent
from indexer.sources.content import refuse_content
from indexer.sources.naming import refuse_name
from indexer.splitting.pool import ParserPool
from indexer.style.docstrings import without_docstrings
from indexer.style.identifiers import split_identifier
from indexer.training.documentation import query_of
from indexer.training.left_out import LeftOut
from indexer.training.packages import BROKEN, REGISTRIES, Order, fetch
from indexer.types import Kind, SourceFile

PACKAGES = Path(__file__).with_name("packages.json")
# A change of what a package's file holds: files of other rules are mined again.
RULES = 2
MIN_LINES = 3
MAX_CHARS = 4_000
# Longer units are not even looked at: without their comments few would fit.
_MAX_TEXT = 3 * MAX_CHARS
_MAX_FILE_BYTES = 1 << 20
# A class says what it is for by its members' signatures; more than a screenful say no more.
_MAX_MEMBERS = 40
# Archives fetched before their turn.
_AHEAD = 4
_FETCHERS = 2


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FOREIGN_FOLDERS = _words(
    """vendor vendored _vendor _vendored third_party third-party thirdparty 3rdparty 3rd_party node_modules external
    externals extern externallibs deps dependencies bower_components site-packages subprojects"""
)
_TEST_FOLDERS = _words(
    """test tests testing testdata test-data testsuite testsuites __tests__ __mocks__ spec specs e2e unittest unittests
    unit_tests testcases fixtures conformance jvmtest commontest androidtest"""
)
_TEST_ENDINGS = ("_test.go", "_test.py", ".test.ts", ".test.js", ".spec.ts", ".spec.js", "_spec.rb", "_test.rb")
_DECLARATIONS = ".d.ts"
# Named alike everywhere, whatever they do: what is said of them tells nothing of the code.
_STANDARD_NAMES = _words(
    """tostring hashcode equals compareto clone finalize init deinit constructor initialize destroy dispose main setup
    teardown set_up tear_down new default drop fmt eq ne hash cmp partial_cmp from into string error unwrap gethashcode
    inspect to_s to_str eql? == <=> method_missing respond_to_missing? writeobject readobject describecontents
    writetoparcel __construct __destruct __tostring __get __set __call __clone __invoke"""
)


# Where a comment stood within a line.
_HOLES = re.compile(r"(?<=\S) {4,}(?=\S)")


class Package(BaseModel):
    """A package of the list, in the version that is mined; `include` are the folders of it that count.

    What is `held_out` is for evaluation: nothing of it, and nothing like it, is trained on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: Literal["pypi", "npm", "go", "maven", "crates", "debian", "deb"]
    package: str = Field(pattern=r"^[\w@][\w./:@+~-]*$")
    version: str = Field(pattern=r"^\w[\w.+:~-]*$")
    licence: str
    languages: tuple[str, ...]
    held_out: bool = False
    include: tuple[str, ...] = ()

    @property
    def repository(self) -> str:
        """What the package is called when something is said of it."""
        return f"{self.registry}:{self.package}@{self.version}"

    @property
    def archive(self) -> str:
        """The name of its archive, which entries with other folders of it share."""
        return f"{self.registry}-{self.package}-{self.version}".replace("/", "~").replace(":", "~")

    @property
    def slug(self) -> str:
        """The name of the file of its pairs."""
        if not self.include:
            return self.archive
        return f"{self.archive}-{hashlib.blake2b(repr(self.include).encode(), digest_size=3).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and the code that answers it, without its documentation."""

    query: str
    code: str
    language: str
    source: str
    path: str
    symbol: str
    kind: str


@dataclass(slots=True)
class Mined:
    """What a package gave, and what was left out of it: reason to count."""

    package: Package
    pairs: list[Pair] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a run keeps what it has."""

    target: Path

    def archive(self, package: Package) -> Path:
        """Return where a package's archive is kept."""
        return self.target / "archives" / package.archive

    def pairs(self, package: Package) -> Path:
        """Return where a package's pairs are kept."""
        return self.target / "packages" / f"{package.slug}.jsonl.gz"

    @property
    def lists(self) -> Path:
        """Where the lists of Debian's packages are kept."""
        return self.target / "apt"

    @property
    def scratch(self) -> Path:
        """Where clients work; emptied at every start."""
        return self.target / "scratch"


def read_packages(path: Path) -> tuple[Package, ...]:
    """Read a list of packages; raise UsageError naming what is wrong with it."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"the list of packages {path} cannot be read: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{path} is not a list of packages")
    packages: dict[str, Package] = {}
    for place, entry in enumerate(entries, 1):
        package = _package(entry, f"{path}, package {place}")
        if package.slug in packages:
            raise UsageError(f"{path}, package {place}: {package.repository} is named twice")
        packages[package.slug] = package
    return tuple(packages.values())


def _package(entry: object, where: str) -> Package:
    try:
        package = Package.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{where}: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from error
    for name in package.languages:
        language = by_name(name)
        if language is None or language.name != name or language.document:
            raise UsageError(f"{where}: there is no programming language {name!r} in the table")
    return package


def mine(
    packages: Sequence[Package], target: Path, left_out: LeftOut, *, processes: int = 2, report: Report = silent
) -> list[Mined]:
    """Mine every package that is not mined yet; return what each gave, in order.

    Raises UsageError for a package that must be left out, IndexBusy when another run works in `target`, and
    EnvironmentFailed when no package at all can be had.
    """
    for package in packages:
        if (project := left_out.project(package.package)) is not None:
            raise UsageError(
                f"{package.repository} belongs to {project}, which is kept from training: take it off the list"
            )
    folders = Folders(target)
    target.mkdir(parents=True, exist_ok=True)
    with _alone(target), ParserPool(processes) as pool:
        shutil.rmtree(folders.scratch, ignore_errors=True)
        folders.scratch.mkdir()
        results: list[Mined] = []
        for package, archive in _fetched(packages, folders):
            report(Progress("mining", len(results), len(packages), "packages"))
            results.append(_mined(package, archive, folders, left_out, pool))
        report(Progress("mining", len(packages), len(packages), "packages"))
    if all(result.failure for result in results):
        raise EnvironmentFailed(f"no package could be had; the first: {results[0].failure}")
    return results


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    with (target / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise IndexBusy(f"another run is mining into {target}: wait for it, or name another --target") from error
        yield


def _fetched(packages: Iterable[Package], folders: Folders) -> Iterator[tuple[Package, Future[Path]]]:
    """Yield every package with its archive, fetching a few ahead."""
    waiting: deque[tuple[Package, Future[Path]]] = deque()
    threads = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="fetch")
    try:
        for package in packages:
            waiting.append((package, threads.submit(_archive, package, folders)))
            if len(waiting) > _AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        threads.shutdown(cancel_futures=True)


def _archive(package: Package, folders: Folders) -> Path:
    """Return a package's archive, fetched where it is not kept yet; nothing is fetched for what is mined."""
    kept = folders.archive(package)
    if not kept.exists() and not folders.pairs(package).exists():
        with tempfile.TemporaryDirectory(dir=folders.scratch) as scratch:
            fetch(package.registry, Order(package, Path(scratch), folders.lists), kept)
    return kept


def _mined(package: Package, archive: Future[Path], folders: Folders, left_out: LeftOut, pool: ParserPool) -> Mined:
    """Return what a package gave: as kept, or mined now."""
    kept = read_mined(package, folders)
    if kept is not None:
        return kept
    mined = Mined(package)
    try:
        path = archive.result()
        if not path.exists():  # its pairs were there, and of other rules
            path = _archive_again(package, folders)
        _read(mined, path, left_out, pool)
    except EnvironmentFailed as error:
        mined.failure = str(error)
        return mined
    except BROKEN as error:
        folders.archive(package).unlink(missing_ok=True)
        mined.failure = f"the source {package.repository} cannot be had: its archive: {error}"
        return mined
    _write_mined(mined, folders)
    return mined


def _archive_again(package: Package, folders: Folders) -> Path:
    folders.pairs(package).unlink(missing_ok=True)
    return _archive(package, folders)


def _read(mined: Mined, archive: Path, left_out: LeftOut, pool: ParserPool) -> None:
    """Add the pairs of a package's files."""
    package = mined.package
    for _, file, parsed in pool.parse(_files(mined, archive, left_out)):
        if parsed.failure:
            mined.left_out["file cannot be parsed"] += 1
            mined.broken.append(f"{file.path}: {parsed.failure}")
        elif parsed.fields["language"] in package.languages:
            _add_pairs(mined, file.path, parsed.fields)


def _files(mined: Mined, archive: Path, left_out: LeftOut) -> Iterator[tuple[None, SourceFile]]:
    def choose(path: str, size: int) -> bool:
        refusal = _refused_path(path, size, mined.package, left_out)
        if refusal:
            mined.left_out[refusal] += refusal != _OTHER
        return not refusal

    package = mined.package
    for path, content in REGISTRIES[package.registry].read(package, archive, choose):
        refused = refuse_content(path, content)
        if refused is not None:
            mined.left_out[f"file {refused.reason.value}"] += 1
        else:
            yield None, SourceFile(package.repository, path, content)


_OTHER = "other language"


def _refused_path(path: str, size: int, package: Package, left_out: LeftOut) -> str:
    """Return why a file is not read, told by its path; "" for one that is."""
    language = detect(path)
    known = language is not None and (language.name in package.languages or path.endswith(".h"))
    if not known or not _included(path, package.include):
        return _OTHER
    *parts, name = path.lower().split("/")
    if not _FOREIGN_FOLDERS.isdisjoint(parts) or left_out.in_path(parts):
        return "file vendored"
    if (
        not _TEST_FOLDERS.isdisjoint(parts)
        or any(map(_is_tests, parts))
        or name.endswith(_TEST_ENDINGS)
        or name.startswith("test_")
    ):
        return "file of tests"
    if name.endswith(_DECLARATIONS):
        return "file of declarations"
    if size > _MAX_FILE_BYTES:
        return "file too large"
    refused = refuse_name(path)
    return f"file {refused.reason.value}" if refused is not None else ""


def _included(path: str, include: tuple[str, ...]) -> bool:
    return not include or any(path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in include)


@dataclass(frozen=True, slots=True)
class _Unit:
    kind: Kind
    symbol: str
    signature: str
    docstring: str
    text: str

    @property
    def name(self) -> str:
        return self.symbol.rpartition(".")[2]


def _add_pairs(mined: Mined, path: str, fields: dict[str, Any]) -> None:
    units = [_Unit(Kind(row[1]), row[2], row[3], row[4], row[7]) for row in fields["units"]]
    members: dict[str, list[str]] = {}
    for unit in units:
        if unit.kind in (Kind.FUNCTION, Kind.METHOD) and unit.signature:
            members.setdefault(unit.symbol.rpartition(".")[0], []).append(unit.signature)
    for unit in units:
        if unit.kind not in (Kind.FUNCTION, Kind.METHOD, Kind.CLASS) or not unit.symbol:
            continue
        query, code, refusal = _pair(unit, fields["language"], members.get(unit.symbol, []))
        if refusal:
            mined.left_out[refusal] += 1
        else:
            mined.pairs.append(
                Pair(query, code, fields["language"], mined.package.repository, path, unit.symbol, unit.kind.value)
            )


def _pair(unit: _Unit, language: str, members: Sequence[str]) -> tuple[str, str, str]:
    """Return a unit's question and code, and why it will not do: "" where it will."""
    refusal = "undocumented" if not unit.docstring else _refused_unit(unit)
    if refusal:
        return "", "", refusal
    query = query_of(unit.docstring)
    if query.refusal:
        return "", "", query.refusal
    code = _code(unit, language, members)
    return query.text, code, _refused_code(query.text, code)


def _refused_unit(unit: _Unit) -> str:
    name = unit.name.lower()
    *owners, _ = unit.symbol.split(".")
    if _tells_of_tests(unit.name) or any(_is_tests(owner) for owner in owners):
        return "a test"
    if unit.kind is Kind.CLASS:
        return "code too long" if len(unit.text) > _MAX_TEXT else ""
    dunder = name.startswith("__") and name.endswith("__")
    if dunder or name in _STANDARD_NAMES or name.startswith("~") or owners[-1:] == [unit.name]:
        return "a constructor or standard override"
    return "code too long" if len(unit.text) > _MAX_TEXT else ""


def _tells_of_tests(name: str) -> bool:
    return any(part.lower() in ("test", "tests") for part in split_identifier(name))


def _is_tests(name: str) -> bool:
    """Tell whether a class or folder is one of tests: `ArrayTest`, `Google.Protobuf.Test`."""
    parts = split_identifier(name)
    return bool(parts) and (parts[-1].lower() in ("test", "tests") or parts[0].lower() == "test")


def _code(unit: _Unit, language: str, members: Sequence[str]) -> str:
    code = without_docstrings(textwrap.dedent(unit.text.expandtabs(4)), language).strip("\n")
    code = _HOLES.sub(" ", textwrap.dedent(code))
    if unit.kind is Kind.CLASS:
        code = "\n".join([code, *(f"    {signature}" for signature in members[:_MAX_MEMBERS])])
    return code.rstrip()


def _refused_code(query: str, code: str) -> str:
    if sum(bool(line.strip()) for line in code.split("\n")) < MIN_LINES:
        return "code too short"
    if len(code) > MAX_CHARS:
        return "code too long"
    if len(query) > 20 and normal(query)[:60] in normal(code):
        return "documentation remains in the code"
    return ""


def normal(text: str) -> str:
    """Return a text as it is compared: white space and case set aside."""
    return " ".join(text.lower().split())


def _write_mined(mined: Mined, folders: Folders) -> None:
    """Keep what a package gave: a head, then a line a pair; written whole or not at all."""
    head = {
        "rules": RULES,
        "package": mined.package.model_dump(mode="json"),
        "left_out": dict(sorted(mined.left_out.items())),
        "broken": mined.broken,
        "pairs": len(mined.pairs),
    }
    write_lines(folders.pairs(mined.package), [head, *map(asdict, mined.pairs)])


def read_mined(package: Package, folders: Folders) -> Mined | None:
    """Return what is kept of a package; None where nothing is, or what is was cut off or mined by other rules."""
    try:
        with gzip.open(folders.pairs(package), "rt", encoding="utf-8") as file:
            head = json.loads(next(file))
            pairs = [Pair(**json.loads(line)) for line in file]
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, TypeError, StopIteration, *BROKEN):
        return None
    if not isinstance(head, dict) or head.get("rules") != RULES or head.get("pairs") != len(pairs):
        return None
    return Mined(package, pairs, Counter(head["left_out"]), head["broken"])


def write_lines(path: Path, entries: Iterable[object]) -> None:
    """Write JSON lines, compressed; the same entries give the same bytes. Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.fresh")
    with fresh.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for entry in entries:
            file.write(json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        file.flush()
        raw.flush()
        os.fsync(raw.fileno())
    fresh.replace(path)
