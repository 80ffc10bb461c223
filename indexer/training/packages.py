"""Packages by name from their registries, as one archive each, and the source files in it.

The registries' own clients fetch; nothing of a package is run, built or written beside its archive.
"""

from __future__ import annotations

import json
import lzma
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from indexer.errors import EnvironmentFailed

# A package that unpacks to more is not what anybody names.
MAX_BYTES = 500 << 20
# What a damaged archive raises while it is read.
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
_CLIENT_SECONDS = 600
_PYTHON = "3.13"
_APT_READY = "ready"
_APT_LOCK = threading.Lock()

Files = Iterator[tuple[str, bytes]]
# Tells by its path and size in bytes whether a file is read at all.
Choice = Callable[[str, int], bool]


class Wanted(Protocol):
    """What names a package: `repository` is what it is called when something is said of it."""

    @property
    def repository(self) -> str: ...  # noqa: D102

    @property
    def package(self) -> str: ...  # noqa: D102

    @property
    def version(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Order:
    """A package to fetch: into the folder `scratch`, with the lists of Debian's packages kept in `lists`."""

    wanted: Wanted
    scratch: Path
    lists: Path


def everything(path: str, size: int) -> bool:  # noqa: ARG001
    """Choose every file."""
    return True


@dataclass(frozen=True, slots=True)
class Registry:
    """How a registry's packages are had, as one archive, and how that is read."""

    download: Callable[[Order], Path]
    read: Callable[[Wanted, Path, Choice], Files]


def _pypi(order: Order) -> Path:
    pinned = f"{order.wanted.package}=={order.wanted.version}"
    # Wheels only: a source distribution would run its own code to say what it is. They are read, not installed: what
    # needs a later Python than this one will do.
    options = ["-q", "--no-deps", "--only-binary=:all:", "--python-version", _PYTHON, "-d", "out", pinned]
    client(order.wanted, [sys.executable, "-m", "pip", "download", *options], order.scratch)
    return only(order.wanted, order.scratch / "out", "*.whl")


def _npm(order: Order) -> Path:
    pinned = f"{order.wanted.package}@{order.wanted.version}"
    client(order.wanted, ["npm", "pack", "--silent", "--ignore-scripts", pinned], order.scratch)
    return only(order.wanted, order.scratch, "*.tgz")


def _go(order: Order) -> Path:
    command = ["go", "mod", "download", "-json", f"{order.wanted.package}@{order.wanted.version}"]
    modules = {"GOMODCACHE": str(order.scratch / "modules"), "GOFLAGS": "-modcacherw"}
    return Path(json.loads(client(order.wanted, command, order.scratch, modules))["Zip"])


def _maven(order: Order) -> Path:
    artifact = f"-Dartifact={order.wanted.package}:{order.wanted.version}:jar:sources"
    command = ["mvn", "-q", "-B", "dependency:copy", artifact, "-DoutputDirectory=out"]
    client(order.wanted, command, order.scratch)
    return only(order.wanted, order.scratch / "out", "*.jar")


def _crates(order: Order) -> Path:
    """Fetch a crate alone: `cargo info` reads its manifest from the archive, and leaves that in cargo's cache."""
    pinned = f"{order.wanted.package}@{order.wanted.version}"
    client(order.wanted, ["cargo", "info", "-q", pinned], order.scratch)
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    crate = f"*/{order.wanted.package}-{order.wanted.version}.crate"
    return only(order.wanted, home / "registry" / "cache", crate)


def _debian(order: Order) -> Path:
    """Fetch a source package by an apt of its own, that reads this machine's sources as sources of source."""
    own = _apt(order)
    pinned = f"{order.wanted.package}={order.wanted.version}"
    client(order.wanted, ["apt-get", "-qq", *own, "--download-only", "source", pinned], order.scratch)
    original = "*.orig.tar.*[!c]"
    return only(order.wanted, order.scratch, original if any(order.scratch.glob(original)) else "*.tar.*z*")


def _apt(order: Order) -> list[str]:
    """Return the options of an apt whose lists of source packages lie in `order.lists`; fetch them once."""
    lists, parts = order.lists / "lists", order.lists / "sources"
    own = ["-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={parts}"]
    own += ["-o", f"Dir::State::Lists={lists}", "-o", "APT::Sandbox::User=root"]
    with _APT_LOCK:
        if not (order.lists / _APT_READY).exists():
            (lists / "partial").mkdir(parents=True, exist_ok=True)
            parts.mkdir(exist_ok=True)
            for path in Path("/etc/apt/sources.list.d").glob("debian*.sources"):
                (parts / path.name).write_text(path.read_text().replace("Types: deb\n", "Types: deb-src\n"))
            client(order.wanted, ["apt-get", "-qq", *own, "update"], order.scratch)
            (order.lists / _APT_READY).touch()
    return own


def _deb(order: Order) -> Path:
    """Fetch a package of interpreted code as it is installed."""
    client(
        order.wanted, ["apt-get", "-qq", "download", f"{order.wanted.package}={order.wanted.version}"], order.scratch
    )
    package = only(order.wanted, order.scratch, "*.deb")
    client(order.wanted, ["sh", "-c", 'dpkg-deb --fsys-tarfile "$0" > installed.tar', package.name], order.scratch)
    return order.scratch / "installed.tar"


def _wheel(_: Wanted, path: Path, choose: Choice) -> Files:
    return read_zip(path, choose=choose)


def _module(wanted: Wanted, path: Path, choose: Choice) -> Files:
    return read_zip(path, f"{wanted.package}@{wanted.version}/", choose)


def _packed(_: Wanted, path: Path, choose: Choice) -> Files:
    return read_tar(path, 1, choose)


def _installed(_: Wanted, path: Path, choose: Choice) -> Files:
    return read_tar(path, 0, choose)


REGISTRIES: dict[str, Registry] = {
    "pypi": Registry(_pypi, _wheel),
    "npm": Registry(_npm, _packed),
    "go": Registry(_go, _module),
    "maven": Registry(_maven, _wheel),
    "crates": Registry(_crates, _packed),
    "debian": Registry(_debian, _packed),
    "deb": Registry(_deb, _installed),
}


def fetch(registry: str, order: Order, target: Path) -> None:
    """Write a package's archive to `target`, whole or not at all.

    Raises EnvironmentFailed, naming the package, when it cannot be had.
    """
    archive = REGISTRIES[registry].download(order)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.fresh")
    shutil.copyfile(archive, fresh)
    fresh.replace(target)


def client(wanted: Wanted, command: list[str], folder: Path, variables: dict[str, str] | None = None) -> str:
    """Run a registry's client in a folder and return what it printed; raise EnvironmentFailed when it fails."""
    environment = os.environ | (variables or {})
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_CLIENT_SECONDS, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailed(f"the source {wanted.repository} cannot be had: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise EnvironmentFailed(f"the source {wanted.repository} cannot be had: {said[-1] if said else command[0]}")
    return done.stdout


def only(wanted: Wanted, folder: Path, pattern: str) -> Path:
    """Return the first file of a pattern in a folder; raise EnvironmentFailed where none is."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise EnvironmentFailed(f"the source {wanted.repository} cannot be had: no {pattern} came")
    return found[0]


def read_zip(path: Path, prefix: str = "", choose: Choice = everything) -> Files:
    """Yield the chosen files of a zip, without a prefix of their names; links and hostile names are left out."""
    total = 0
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = entry.filename.removeprefix(prefix)
            link = stat.S_ISLNK(entry.external_attr >> 16)
            if entry.is_dir() or link or not _safe(name) or not choose(name, entry.file_size):
                continue
            total = _within(path, total + entry.file_size)
            yield name, archive.read(entry)


def read_tar(path: Path, strip: int, choose: Choice = everything) -> Files:
    """Yield the chosen files of a tar, without the first folders of their names; as `read_zip` otherwise."""
    total = 0
    with tarfile.open(path) as archive:
        for entry in archive:
            name = "/".join(PurePosixPath(entry.name).parts[strip:])
            if not entry.isreg() or not name or not _safe(entry.name) or not choose(name, entry.size):
                continue
            total = _within(path, total + entry.size)
            stream = archive.extractfile(entry)
            if stream is not None:
                yield name, stream.read()


def _within(path: Path, total: int) -> int:
    if total > MAX_BYTES:
        raise EnvironmentFailed(f"{path.name} unpacks to more than {MAX_BYTES >> 20} MB")
    return total


def _safe(name: str) -> bool:
    return not name.startswith("/") and ".." not in PurePosixPath(name).parts
