"""Lay out the packages of a repository set: fetched by their own registries' clients, read and never run.

`python -m benchmarks.sources tests/data/questions` reads `sources.json` there and writes
`TARGET/REPOSITORY/…`, what `fathom eval` indexes. What lies there already is not fetched again.
"""

from __future__ import annotations

import argparse
import json
import lzma
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from indexer.errors import EnvironmentFailed
from search.evaluation.sources import Source, default_layout, lies_at, mark, read_sources

# A package that unpacks to more is not what a question set names.
_MAX_BYTES = 500 << 20


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
            for name, content in _FETCH[source.registry](source, Path(scratch)):
                if _included(name, source.include):
                    path = fresh / _below(name, source.root)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
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


Files = Iterator[tuple[str, bytes]]


def _pypi(source: Source, scratch: Path) -> Files:
    pinned = f"{source.package}=={source.version}"
    _client(
        source,
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", "out", pinned],
        scratch,
    )
    yield from _zip(_only(source, scratch / "out", "*.whl"))


def _npm(source: Source, scratch: Path) -> Files:
    _client(source, ["npm", "pack", "--silent", "--ignore-scripts", f"{source.package}@{source.version}"], scratch)
    yield from _tar(_only(source, scratch, "*.tgz"), strip=1)


def _go(source: Source, scratch: Path) -> Files:
    command = ["go", "mod", "download", "-json", f"{source.package}@{source.version}"]
    yield from _zip(
        Path(json.loads(_client(source, command, scratch))["Zip"]), prefix=f"{source.package}@{source.version}/"
    )


def _maven(source: Source, scratch: Path) -> Files:
    artifact = f"-Dartifact={source.package}:{source.version}:jar:sources"
    _client(source, ["mvn", "-q", "-B", "dependency:copy", artifact, "-DoutputDirectory=out"], scratch)
    yield from _zip(_only(source, scratch / "out", "*.jar"))


def _crates(source: Source, scratch: Path) -> Files:
    manifest = '[package]\nname = "layout"\nversion = "0.0.0"\n[lib]\npath = "lib.rs"\n'
    manifest += f'[dependencies.{source.package}]\nversion = "={source.version}"\n'
    (scratch / "Cargo.toml").write_text(manifest)
    (scratch / "lib.rs").write_text("")
    _client(source, ["cargo", "vendor", "-q", "--versioned-dirs", "vendor"], scratch)
    yield from _folder(scratch / "vendor" / f"{source.package}-{source.version}")


def _debian(source: Source, scratch: Path) -> Files:
    """Fetch a source package by an apt of its own, that reads this machine's sources as sources of source."""
    lists = scratch / "lists"
    (lists / "partial").mkdir(parents=True)
    parts = scratch / "sources"
    parts.mkdir()
    for path in Path("/etc/apt/sources.list.d").glob("debian*.sources"):
        (parts / path.name).write_text(path.read_text().replace("Types: deb\n", "Types: deb-src\n"))
    own = ["-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={parts}"]
    own += ["-o", f"Dir::State::Lists={lists}", "-o", "APT::Sandbox::User=root"]
    _client(source, ["apt-get", "-qq", *own, "update"], scratch)
    pinned = f"{source.package}={source.version}"
    _client(source, ["apt-get", "-qq", *own, "--download-only", "source", pinned], scratch)
    yield from _tar(_only(source, scratch, "*.orig.tar.*[!c]"), strip=1)


def _deb(source: Source, scratch: Path) -> Files:
    """Fetch a package of interpreted code as it is installed."""
    _client(source, ["apt-get", "-qq", "download", f"{source.package}={source.version}"], scratch)
    package = _only(source, scratch, "*.deb")
    _client(source, ["sh", "-c", 'dpkg-deb --fsys-tarfile "$0" > installed.tar', package.name], scratch)
    yield from _tar(scratch / "installed.tar", strip=0)


_FETCH: dict[str, Callable[[Source, Path], Files]] = {
    "pypi": _pypi,
    "npm": _npm,
    "go": _go,
    "maven": _maven,
    "crates": _crates,
    "debian": _debian,
    "deb": _deb,
}


def _client(source: Source, command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailed(f"the source {source.repository} cannot be had: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise EnvironmentFailed(f"the source {source.repository} cannot be had: {said[-1] if said else command[0]}")
    return done.stdout


def _only(source: Source, folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise EnvironmentFailed(f"the source {source.repository} cannot be had: no {pattern} came")
    return found[0]


def _zip(path: Path, prefix: str = "") -> Files:
    total = 0
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            total += entry.file_size
            if total > _MAX_BYTES:
                raise EnvironmentFailed(f"{path.name} unpacks to more than {_MAX_BYTES >> 20} MB")
            name = entry.filename.removeprefix(prefix)
            link = stat.S_ISLNK(entry.external_attr >> 16)
            if not entry.is_dir() and not link and _safe(name):
                yield name, archive.read(entry)


def _tar(path: Path, strip: int) -> Files:
    total = 0
    with tarfile.open(path) as archive:
        for entry in archive:
            total += entry.size
            if total > _MAX_BYTES:
                raise EnvironmentFailed(f"{path.name} unpacks to more than {_MAX_BYTES >> 20} MB")
            name = "/".join(PurePosixPath(entry.name).parts[strip:])
            stream = archive.extractfile(entry) if entry.isreg() and name and _safe(entry.name) else None
            if stream is not None:
                yield name, stream.read()


def _folder(folder: Path) -> Files:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _safe(name: str) -> bool:
    return not name.startswith("/") and ".." not in PurePosixPath(name).parts


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
